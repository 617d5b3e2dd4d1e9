/** Pages as files: `report.html` and, in `plots/`, each chart as an SVG file. */
import { writeFileAtomic } from "../../files.ts";
import type { Report } from "../report.ts";
import { readReport } from "../report_file.ts";
import { type Page, runPage } from "./run_page.ts";
import { withPlainColours } from "./theme.ts";
import { type ImageReader, readThumbnails } from "./thumbnails.ts";

/** The file name of a page. */
export const PAGE_NAME = "report.html";

/**
 * Writes a page and its charts into a folder, each file whole or not at all.
 *
 * @param folder made when missing
 * @param page from `runPage` or `comparisonPage`
 * @returns the path of the page
 * @throws {UserError} when the folder cannot be written
 *
 * @example
 * ```ts
 * import { writePage } from "./write_page.ts";
 *
 * const folder = await Deno.makeTempDir();
 * const path = await writePage(folder, { html: "<p>A page</p>", charts: new Map([["loss", "<svg/>"]]) });
 * const [html] = await Promise.all([Deno.readTextFile(path), Deno.stat(`${folder}/plots/loss.svg`)]);
 * await Deno.remove(folder, { recursive: true });
 * if (html !== "<p>A page</p>") throw new Error("unexpected");
 * ```
 */
export async function writePage(folder: string, page: Page): Promise<string> {
  for (const [name, svg] of page.charts) await writeFileAtomic(`${folder}/plots/${name}.svg`, withPlainColours(svg));
  const path = `${folder}/${PAGE_NAME}`;
  await writeFileAtomic(path, page.html);
  return path;
}

/**
 * Makes the page of a run folder from the reports that are in it.
 *
 * @param folder where `report-base.json`, `report-new.json` or `report-all.json` are
 * @param options `images` gives the pictures of the worst mistakes; without it their paths are listed
 * @returns the path of the page, or undefined when there is no report
 * @throws {UserError} when a report cannot be used, or the folder cannot be written
 *
 * @example
 * ```ts
 * import { loadWeights } from "@prompt-kit/clip-prompts";
 * import { writeReport } from "../report_file.ts";
 * import { buildReport, outcomeOf } from "../report.ts";
 * import { writeRunPage } from "./write_page.ts";
 *
 * const { config, sha256 } = await loadWeights("data/sample/model.safetensors");
 * const classNames = ["River", "Forest"];
 * const report = await buildReport({
 *   run: {
 *     ...{ method: "zeroshot", preset: null, hyperparameters: {}, changed: [], seed: null, shots: null, trainedOn: null },
 *     ...{ evaluatedOn: "base", classNames, prompts: [["a river"], ["a forest"]], learnedNumbers: 0, command: "" },
 *   },
 *   model: { name: "sample", sha256, sample: true, config },
 *   data: { name: "toy", source: "two images", splitOrigin: "none", splitSha256: sha256, images: 2, train: 0, val: 0 },
 *   engine: { name: "cpu", device: "cpu", threads: 1 },
 *   samples: [{ path: "a.jpg", label: 0 }, { path: "b.jpg", label: 1 }],
 *   outcome: outcomeOf({ shape: [2, 2], data: Float32Array.of(9, 1, 5, 4) }),
 *   seconds: { evaluation: 0.1 },
 * });
 * const folder = await Deno.makeTempDir();
 * await writeReport(folder, report);
 * const page = await writeRunPage(folder);
 * await Deno.remove(folder, { recursive: true });
 * if (page !== `${folder}/report.html`) throw new Error("unexpected");
 * ```
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
export async function readFolder(folder: string): Promise<Report[]> {
  const reports: Report[] = [];
  for (const subset of ["base", "new", "all"]) {
    const path = `${folder}/report-${subset}.json`;
    const there = await Deno.stat(path).then(() => true, (error) => {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    });
    if (there) reports.push(await readReport(path));
  }
  return reports;
}
