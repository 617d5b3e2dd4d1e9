/** Reports as files. */
import { shown, UserError, visible } from "../errors.ts";
import { readJson, writeFileAtomic } from "../files.ts";
import { type Report, REPORT_VERSION } from "./report.ts";
import { reportFault } from "./report_check.ts";

/** The report on validation images. */
export const VALIDATION_REPORT = "report-val.json";

/**
 * Name of a report's file in its run folder: `report-base.json`, on validation images `report-val.json`, or on another data
 * set `report-caltech101-all.json`.
 */
export function reportName({ run, on }: Report): string {
  if (run.validation) return VALIDATION_REPORT;
  if (run.trainedOnData === undefined) return `report-${run.evaluatedOn}.json`;
  const dataset =
    on.data.name.toLowerCase().normalize("NFC").replaceAll(/[^\p{L}\p{M}\p{N}]+/gu, "-").replaceAll(/^-|-$/g, "") ||
    "data";
  return `report-${dataset}-${run.evaluatedOn}.json`;
}

/** A report as text: indented, with each list of numbers on one line. */
export function formatReport(report: Report): string {
  return `${formatJson(report, "")}\n`;
}

/**
 * JSON for people and programs: objects indented, lists of plain values on one line. `indent` is that of the line that
 * it starts on; there is no line break at its end.
 */
export function formatJson(value: unknown, indent: string): string {
  // JSON itself leaves what turns the direction of text, and the control characters after ASCII, as they are.
  if (typeof value !== "object" || value === null) return visible(JSON.stringify(value));
  const inner = `${indent}  `;
  const block = (open: string, items: string[], close: string) =>
    items.length === 0 ? open + close : `${open}\n${inner}${items.join(`,\n${inner}`)}\n${indent}${close}`;
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== "object" || item === null)) return visible(JSON.stringify(value));
    return block("[", value.map((item) => formatJson(item, inner)), "]");
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return block("{", entries.map(([key, item]) => `${visible(JSON.stringify(key))}: ${formatJson(item, inner)}`), "}");
}

/**
 * Writes a report into a run folder, whole or not at all; gives back the path of its file.
 *
 * @throws {UserError} when the folder cannot be written
 */
export async function writeReport(folder: string, report: Report): Promise<string> {
  const path = `${folder}/${reportName(report)}`;
  await writeFileAtomic(path, formatReport(report));
  return path;
}

/**
 * Reads a report.
 *
 * @param path such as `runs/…/seed1/report-base.json`
 * @throws {UserError} when it is missing, not a report, of another version of the layout, or its numbers contradict one
 * another
 *
 * @example What is no report is refused in a sentence
 * ```ts
 * import { readReport, UserError } from "@prompt-kit/clip-prompts";
 *
 * const error = await readReport("data/report.schema.json").catch((error) => error);
 * if (!(error instanceof UserError)) throw error;
 * ```
 */
export async function readReport(path: string): Promise<Report> {
  const value = await readJson(path, "the report") as Partial<Report> | null;
  const version = value?.reportVersion;
  if (version !== 1 && version !== REPORT_VERSION) {
    throw new UserError(
      version === undefined
        ? `The file ${path} is not a report of this kit: evaluate again to make one.`
        : `The report ${path} has layout version ${
          shown(version)
        }, and this kit reads 1 to ${REPORT_VERSION}: evaluate again.`,
    );
  }
  const fault = reportFault(value);
  if (fault !== undefined) {
    throw new UserError(`The report ${path} is not whole (${fault}): remove it and evaluate again.`);
  }
  return value as Report;
}
