/** Pages as files: `report.html` and, in `plots/`, each chart as an SVG file. */
import { fileError, namesIn, readHead, removeIfThere, writeFileAtomic } from "../../files.ts";
import type { Report } from "../report.ts";
import { readReport, reportName, VALIDATION_REPORT } from "../report_file.ts";
import { type Page, runPage } from "./run_page.ts";
import { standAlone } from "./theme.ts";
import { type ImageReader, readThumbnails } from "./thumbnails.ts";

/** The file name of a page. */
export const PAGE_NAME = "report.html";

/** The charts of runs and comparisons by their names; one that is long stands in parts, such as `accuracy-2`. */
const CHART = /^(accuracy|differences|loss|learning-rate|(shots|classes|confusion|calibration)-[a-z]+)(-\d+)?\.svg$/;

/** What the beginning of every chart has that this kit wrote: its library's mark, and what it says to who cannot see it. */
const OWN = /^<svg(?=[^>]* role="img")(?=[^>]* aria-label=")(?=[^>]* class="plot-\w+")[^>]*>/;

/** Of the beginning. */
const HEAD_BYTES = 4096;

/**
 * Writes a page and its charts into a folder, each file whole or not at all. Charts of an earlier page that this one has not,
 * as it had others or fewer parts, are removed.
 *
 * @throws {UserError} when the folder cannot be written
 */
export async function writePage(folder: string, page: Page): Promise<string> {
  for (const [name, svg] of page.charts) {
    await writeFileAtomic(`${folder}/plots/${name}.svg`, standAlone(svg, page.about));
  }
  const path = `${folder}/${PAGE_NAME}`;
  await writeFileAtomic(path, page.html);
  await removeOtherCharts(`${folder}/plots`, page);
  return path;
}

/** Files of other names, and what others put there under names of the kit's charts, stay. */
async function removeOtherCharts(folder: string, { charts }: Page): Promise<void> {
  for (const name of await namesIn(folder)) {
    const path = `${folder}/${name}`;
    if (!CHART.test(name) || charts.has(name.slice(0, -".svg".length))) continue;
    const info = await Deno.lstat(path).catch((error) => {
      throw fileError(error, path, "read", "the chart");
    });
    if (!info.isFile) continue;
    const head = new TextDecoder().decode(await readHead(path, HEAD_BYTES));
    if (OWN.test(head)) await removeIfThere(path);
  }
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
