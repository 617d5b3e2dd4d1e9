/** The runs of a comparison or a sweep as processes: which script, with which permissions and flags. */
import config from "../../deno.json" with { type: "json" };
import type { PlannedRun } from "../../src/run/comparison_runs.ts";
import { runWords, type StartSettings } from "./compare_settings.ts";
import { featureWords } from "./feature_settings.ts";
import type { Settings } from "./flags.ts";
import type { Job } from "./jobs.ts";
import { RECIPE, shortFlags } from "./permissions.ts";

/**
 * What computes the image features that a comparison or a sweep of these words needs, whose flags are `flags`: all words after
 * `deno`, but for the part.
 */
export function featureJobWords(args: readonly string[], flags: Settings): string[] {
  const words = featureWords(args, flags);
  const { href: url } = new URL("../features.ts", import.meta.url);
  return ["run", ...shortFlags({ url, task: RECIPE }, words), `${recipesFolder()}/features.ts`, ...words];
}

/** A planned run as a job. */
export function jobOf(run: PlannedRun, settings: StartSettings): Job {
  const { href: url } = new URL(`../${scriptOf(run)}`, import.meta.url);
  const threads = settings.on.threads ?? threadsOfEach(settings.jobs);
  const args = runWords(run, { settings, threads });
  const script = `${recipesFolder()}/${scriptOf(run)}`;
  return { title: run.title, words: ["run", ...shortFlags({ url, task: RECIPE }, args), script, ...args] };
}

/** The recipe of a method, as its task says; `run.ts` for a method of the user's. */
function scriptOf({ compared: { asked, file } }: PlannedRun): string {
  if (file !== undefined) return "run.ts";
  const { command } = config.tasks[asked.name as keyof typeof config.tasks];
  return /recipes\/(\S+\.ts)/.exec(command)![1];
}

/** Several runs at a time share the cores; one alone takes what its engine takes. */
function threadsOfEach(jobs: number): number | undefined {
  return jobs === 1 ? undefined : Math.max(1, Math.floor(navigator.hardwareConcurrency / jobs));
}

function recipesFolder(): string {
  const folder = new URL("..", import.meta.url);
  if (folder.protocol !== "file:") return folder.href.replace(/\/$/, "");
  const path = decodeURIComponent(folder.pathname).replace(/\/$/, "");
  const here = `${Deno.cwd()}/`;
  return path.startsWith(here) ? path.slice(here.length) : path;
}
