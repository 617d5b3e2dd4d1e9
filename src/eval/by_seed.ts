import type { ClassSubset } from "../data/few_shot.ts";
import type { Report } from "./report.ts";

/** The reports on one subset in the order of their seeds; methods that draw nothing have seed null. */
export function bySeed(reports: readonly Report[], subset: ClassSubset): { seed: number | null; report: Report }[] {
  return reports.filter(({ run }) => run.evaluatedOn === subset)
    .map((report) => ({ seed: report.run.seed, report }))
    .sort((a, b) => (a.seed ?? 0) - (b.seed ?? 0));
}
