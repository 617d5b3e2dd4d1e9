/**
 * Large sets: a folder of 200,000 images in 1,000 classes is opened, 2,000 reports are collected, the report of 50,000 test images of
 * 1,000 classes is written, read and made a page of, and GDA learns 1,000 classes of 8 shots in 10 views at ViT-B/16's size. Each in
 * a process of its own: seconds from its start, and the peak of its memory.
 *
 *     deno task bench:large --json
 */
import process from "node:process";
import { parseArgs } from "jsr:@std/cli@1.0.30/parse-args";
import { openDataset } from "../src/data/dataset.ts";
import { writeRunPage } from "../src/eval/page/write_page.ts";
import { buildReport, type Report } from "../src/eval/report.ts";
import { formatReport, readReport, reportName, writeReport } from "../src/eval/report_file.ts";
import { tableTexts } from "../src/eval/result_files.ts";
import type { FeatureClassifier } from "../src/methods/feature_method.ts";
import { gda, learnGda } from "../src/methods/gda.ts";
import { collectRuns } from "../src/run/collect.ts";
import { openRun } from "../src/run/run.ts";
import names from "./imagenet_classes.json" with { type: "json" };
import { printJson, printTable, round, tellUserErrors } from "./measure.ts";
import { noise, noiseTensor, VIT_B_16 } from "./random_clip.ts";

const CACHE = ".cache";
const IMAGES_A_CLASS = 200;
const TEST_IMAGES = 50_000;
const METHODS = ["coop", "cocoop", "kgcoop", "prograd", "gda"];
const SEEDS = 200;
const [SHOTS, VIEWS] = [8, 10];

/** The smallest PNG. Its content does not matter: opening reads no image. */
const PNG = Uint8Array.fromBase64(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==",
);

interface Case {
  what: string;
  /** Makes the inputs in a folder. */
  prepare(folder: string): Promise<unknown>;
  /** What is measured; gives back figures of its own. */
  work(folder: string): Promise<Record<string, number>>;
}

const CASES: Record<string, Case> = {
  open: {
    what: "a folder of 200,000 images in 1,000 classes opened",
    async prepare(folder) {
      for (const [label, name] of names.entries()) {
        const own = `${folder}/${label} ${name.replaceAll("/", " ")}`;
        await Deno.mkdir(own);
        for (let i = 0; i < IMAGES_A_CLASS; i++) await Deno.writeFile(`${own}/${i}.png`, PNG);
      }
    },
    async work(folder) {
      const { images, split } = await openDataset({ data: folder });
      await images.close();
      return { images: images.count, classes: new Set(split.train.map(({ label }) => label)).size };
    },
  },
  collect: {
    what: "2,000 reports collected",
    async prepare(folder) {
      for (const report of await realReports(`${folder}/real`)) {
        for (const method of METHODS) {
          for (let seed = 1; seed <= SEEDS; seed++) {
            const own = `${folder}/runs/${method}/seed${seed}`;
            await Deno.mkdir(own, { recursive: true });
            const changed = { ...report, run: { ...report.run, method, label: undefined, seed } };
            await Deno.writeTextFile(`${own}/${reportName(report)}`, formatReport(changed));
          }
        }
      }
    },
    async work(folder) {
      const { groups, missing } = await collectRuns([`${folder}/runs`]);
      tableTexts(groups, missing);
      return { reports: groups.flat().reduce((sum, { runs }) => sum + runs.length, 0) };
    },
  },
  report: {
    what: "the report of 50,000 test images of 1,000 classes written, read and made a page of",
    async prepare(folder) {
      const [report] = await realReports(`${folder}/real`);
      await Deno.writeTextFile(`${folder}/real.json`, formatReport(report));
    },
    async work(folder) {
      const path = await writeReport(folder, await largeReport(await readReport(`${folder}/real.json`)));
      const page = await writeRunPage(folder);
      return { reportBytes: Deno.statSync(path).size, pageBytes: Deno.statSync(page!).size };
    },
  },
  gda: {
    what: "GDA of 1,000 classes, 8 shots in 10 views: learned, and made for 1,000 new classes",
    prepare: () => Promise.resolve(),
    work() {
      const [C, E] = [names.length, VIT_B_16.embedding];
      const labelled = (images: number) => ({
        features_NE: noiseTensor([C * images, E], images, 1),
        labels: Int32Array.from({ length: C * images }, (_, i) => Math.floor(i / images)),
      });
      const { newClasses } = learnGda({
        classNames: names,
        logitScale: 100,
        textFeatures_CE: noiseTensor([C, E], 100, 1),
        train: { ...labelled(SHOTS), views_VNE: noiseTensor([VIEWS, C * SHOTS, E], 200, 1) },
        val: labelled(4),
        seed: 1,
      }, { variant: "base-to-new" });
      const learned = performance.now();
      (newClasses as (texts_CE: ReturnType<typeof noiseTensor>) => FeatureClassifier)(noiseTensor([C, E], 300, 1));
      return Promise.resolve({ learnSeconds: round(learned / 1000, 1) });
    },
  },
};

/** Reports of base and new classes as a run of the sample leaves them. */
async function realReports(out: string): Promise<Report[]> {
  await using run = await openRun(gda, { train: "base", eval: ["base", "new"], out });
  await using learned = await run.learn(1);
  const reports: Report[] = [];
  for (const target of run.targets) reports.push((await run.report(learned, target))!);
  return reports;
}

/** A report as a real one, of as many images and classes as ImageNet has, half of them right. */
async function largeReport({ run, on }: Report): Promise<Report> {
  const random = noise(1);
  const samples = Array.from({ length: TEST_IMAGES }, (_, i) => ({ path: `${i}.png`, label: i % names.length }));
  const predictions = samples.map(({ label }) =>
    random() < 0 ? label : Math.floor(Math.abs(random()) * 1e6) % names.length
  );
  const confidences = samples.map(() => 0.5);
  return await buildReport({
    ...on,
    run: { ...run, classNames: names, prompts: names.map((name) => [`a photo of a ${name}.`]) },
    samples,
    outcome: { predictions, confidences, margins: confidences },
    seconds: {},
  });
}

tellUserErrors();
const args = parseArgs(Deno.args, { string: ["work"], boolean: ["json", "help"] });
if (args.help) {
  console.log("deno task bench:large [--json]\n\nWrites 200,000 small files below .cache and removes them again.");
} else if (args.work !== undefined) {
  const own = await CASES[args.work].work(String(args._[0]));
  const seconds = round(performance.now() / 1000, 1);
  console.log(JSON.stringify({ seconds, peakMB: round(process.resourceUsage().maxRSS * 1024 / 1e6), ...own }));
} else {
  const results: Record<string, string | number>[] = [];
  await Deno.mkdir(CACHE, { recursive: true });
  for (const [name, { what, prepare }] of Object.entries(CASES)) {
    const folder = await Deno.makeTempDir({ dir: CACHE, prefix: "large-" });
    try {
      await prepare(folder);
      const { code, stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["run", `--allow-read=${CACHE}`, `--allow-write=${CACHE}`, import.meta.url, "--work", name, folder],
        stderr: "inherit",
      }).output();
      if (code !== 0) Deno.exit(code);
      results.push({ case: name, what, ...JSON.parse(new TextDecoder().decode(stdout)) });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
  printTable([
    ["what", "seconds", "peak MB"],
    ...results.map(({ what, seconds, peakMB }) => [what, seconds, peakMB].map(String)),
  ]);
  printJson(args, { bench: "large", cases: results });
}
