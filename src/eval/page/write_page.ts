/** Pages as files: `report.html` and, in `plots/`, each chart as an SVG file. */
import { writeFileAtomic } from "../../files.ts";
import type { Report } from "../report.ts";
import { readReport, reportName, VALIDATION_REPORT } from "../report_file.ts";
import { type Page, runPage } from "./run_page.ts";
import { standAlone } from "./theme.ts";
import { type ImageReader, readThumbnails } from "./thumbnails.ts";

/** The file name of a page. */
export const PAGE_NAME = "report.html";

/**
 * Writes a page and its charts into a folder, each file whole or not at all.
 *
 * @throws {UserError} when the folder cannot be written
 */
export async function writePage(folder: string, page: Page): Promise<string> {
  for (const [name, svg] of page.charts) {
    await writeFileAtomic(`${folder}/plots/${name}.svg`, standAlone(svg, page.about));
  }
  const path = `${folder}/${PAGE_NAME}`;
  await writeFileAtomic(path, page.html);
  return path;
}

/** The folder of the page of a report that has one by itself, below its run's: `caltech101-all`, `val`. */
export function folderApart(report: Report): string {
  return reportName(report).replace(/^report-|\.json$/g, "");
}

/**
 * Makes the page of a run folder from the reports that are in it.
 *
 * @throws {UserError} when a report cannot be used, or the folder cannot be written
 */
export async function writeRunPage(
  folder: string,
  options: { images?: ImageReader } = {},
): Promise<string | undefined> {
  const reports = await readFolder(folder);
  if (reports.length === 0) return undefined;
  const paths = reports.flatMap(({ results }) => results.worst.map(({ path }) => path));
  const images = options.images && await readThumbnails(paths, options.images);
  return await writePage(folder, await runPage(reports, { images }));
}

/**
 * The reports of a run folder: base, new, all, as far as they are there.
 *
 * @param folder where `report-base.json`, `report-new.json` or `report-all.json` are
 * @throws {UserError} when a report cannot be used
 *
 * @example
 * ```ts
 * import { readFolder } from "@prompt-kit/clip-prompts";
 *
 * if ((await readFolder("data")).length !== 0) throw new Error("unexpected");
 * ```
 */
export function readFolder(folder: string): Promise<Report[]> {
  return readThose(folder, ["base", "new", "all"].map((subset) => `report-${subset}.json`));
}

/**
 * The report of a run folder on validation images, which is never read as one on test images; none or one.
 *
 * @throws {UserError} when it cannot be used
 */
export function readValidation(folder: string): Promise<Report[]> {
  return readThose(folder, [VALIDATION_REPORT]);
}

async function readThose(folder: string, names: readonly string[]): Promise<Report[]> {
  const reports: Report[] = [];
  for (const name of names) {
    const path = `${folder}/${name}`;
    const there = await Deno.stat(path).then(() => true, (error) => {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    });
    if (there) reports.push(await readReport(path));
  }
  return reports;
}
