import { assert, assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { resultLines } from "../../recipes/cli/results.ts";
import { UserError } from "../../src/errors.ts";
import { compareReports } from "../../src/eval/compare.ts";
import { modelCard } from "../../src/eval/model_card.ts";
import { runPage } from "../../src/eval/page/run_page.ts";
import { readReport } from "../../src/eval/report_file.ts";
import { coop } from "../../src/methods/coop.ts";
import { gda } from "../../src/methods/gda.ts";
import { zeroShot } from "../../src/methods/zero_shot.ts";
import { completeSettings } from "../../src/run/config.ts";
import { inFolder, type Ran, runHere } from "./run_here.ts";

const CLASSES = ["Field", "Forest", "Lake", "River"];
const COOP = { data: "images", shots: 2, epochs: 2, views: 0, contextTokens: 2 } as const;

/** Writes a split of the small run's images: numbers from 0 to 9 of each class. */
async function writeSplit(
  path: string,
  parts: Record<"train" | "val" | "test", (className: string) => number[]>,
  { nameOf = (folder: string) => folder, classes = CLASSES, labels = [0, 1, 2, 3] } = {},
): Promise<void> {
  const files = [...Deno.readDirSync("images/Field")].map(({ name }) => name).sort();
  const rows = (part: keyof typeof parts) =>
    classes.flatMap((name, i) => parts[part](name).map((n) => [`${name}/${files[n]}`, labels[i], nameOf(name)]));
  await Deno.writeTextFile(path, JSON.stringify({ train: rows("train"), val: rows("val"), test: rows("test") }));
}

const texts = (
  { reports }: Ran,
) => [...new Set(reports.flatMap(({ warnings = [] }) => warnings.map(({ text }) => text)))];

/** Every warning is in the terminal while it runs and at its end, in the report that is read again, the page and the card. */
async function assertToldEverywhere(
  ran: Ran,
  method: typeof zeroShot | typeof gda | typeof coop,
  { early = true } = {},
) {
  for (const text of texts(ran)) {
    if (early) assert(ran.said.includes(`warning: ${text}`), ran.said.join("\n"));
    const config = completeSettings(method as typeof coop, {});
    const lines = resultLines(ran.reports, {
      model: { name: "sample", sample: true },
      config,
      words: [],
      args: [],
      folders: [],
    });
    assertEquals(lines.filter((line) => line === `warning: ${text}`).length, 1);
    assertStringIncludes((await runPage(ran.reports)).html, `<p class="warn">${text.replaceAll('"', "&quot;")}</p>`);
    assertStringIncludes(modelCard(ran.reports, { file: "x", sha256: "ab" }), "Warning: ");
    assertEquals(compareReports(ran.reports).warnings.filter((one) => one.text === text).length, 1);
  }
  for (const report of ran.reports) {
    const read = await readReport(`${ran.folders[0]}/report-${report.run.evaluatedOn}.json`);
    assertEquals(read.warnings, report.warnings);
  }
}

Deno.test("a half without a test image is refused before anything is learned", () =>
  inFolder(async () => {
    const part = (only: string[]) => (name: string) => only.includes(name) ? [0, 1, 2] : [];
    await writeSplit("split.json", { train: part(CLASSES), val: () => [], test: part(["Field", "Forest"]) });
    for (const method of [zeroShot, coop] as unknown as (typeof coop)[]) {
      const given = {
        ...(method.name === "coop" ? COOP : { data: "images" }),
        split: "split.json",
        eval: ["base", "new"],
      };
      await assertRejects(
        () => runHere(method, given as typeof COOP),
        UserError,
        "has no test image of its new classes (Lake, River): leave new out of --eval, or give another --split.",
      );
    }
    assertEquals([...Deno.readDirSync(".")].some(({ name }) => name === "runs"), false);
  }));

Deno.test("a half of one class has a warning, and nowhere an H", async () => {
  await inFolder(async () => {
    await Deno.remove("images/River", { recursive: true });
    const ran = await runHere(coop, { ...COOP, train: "base", eval: ["base", "new"] });
    assertEquals(ran.reports.map(({ run }) => run.classNames.length), [2, 1]);
    assertEquals(ran.reports[1].results.metrics.accuracy, 100);
    assertEquals(texts(ran), [
      "There is one new class, Lake: its accuracy is 100 % by construction and says nothing, and there is no H.",
    ]);
    await assertToldEverywhere(ran, coop);
    const lines = resultLines(ran.reports, {
      model: { name: "x", sample: false },
      config: completeSettings(coop, {}),
      words: [],
      args: [],
      folders: [],
    });
    assertEquals(lines.filter((line) => line.includes("harmonic")), []);
    assertEquals((await runPage(ran.reports)).html.includes("harmonic"), false);
    assertEquals(modelCard(ran.reports, { file: "x", sha256: "ab" }).includes("harmonic"), false);
    assertEquals(compareReports(ran.reports).methods[0].h, null);
  });
});

Deno.test("fewer images than shots, one validation image, and a class without test images are told", async () => {
  await inFolder(async () => {
    await writeSplit("split.json", {
      train: (name) => name === "Lake" ? [0] : [0, 1, 2],
      val: (name) => name === "Field" ? [4] : [],
      test: (name) => name === "River" ? [] : [5, 6, 7, 8],
    });
    const ran = await runHere(gda, { data: "images", split: "split.json", train: "all", eval: ["all"], shots: 3 });
    assertEquals(texts(ran), [
      "No test image is of River: accuracy says nothing of what is not tested.",
      "3 shots were asked for, and Lake has 1: it is learned from those.",
      "GDA, seed 1, chose its settings on one validation image: the choice is chance.",
    ]);
    await assertToldEverywhere(ran, gda, { early: false });
    for (const text of texts(ran).slice(0, 2)) assert(ran.said.includes(`warning: ${text}`));
  });
});

Deno.test("images in training and test are told by their names and by their bytes", async () => {
  await inFolder(async () => {
    await writeSplit("split.json", { train: () => [0, 1], val: () => [2], test: () => [1, 5, 6] });
    const named = await runHere(gda, { data: "images", split: "split.json", train: "all", eval: ["all"], shots: 2 });
    assertEquals(texts(named).length, 1);
    assertStringIncludes(texts(named)[0], "4 test images are training images too, Field/2_keep_rgb.jpg the first");
    await assertToldEverywhere(named, gda);

    const files = [...Deno.readDirSync("images/Field")].map(({ name }) => name).sort();
    await Deno.copyFile(`images/Lake/${files[0]}`, `images/River/${files[8]}`);
    await Deno.copyFile(`images/Lake/${files[5]}`, `images/Forest/${files[6]}`);
    await writeSplit("split.json", { train: () => [0, 1], val: () => [2], test: () => [5, 6, 8] });
    const out = "runs-of-bytes";
    const ran = await runHere(gda, { data: "images", split: "split.json", train: "all", eval: ["all"], shots: 2, out });
    assertEquals(texts(ran), [
      `1 test image is a training image too, River/${files[8]} the first: what is measured on them says little.`,
      `1 test image is a copy of other test images, Lake/${files[5]} the first: it counts twice.`,
    ]);
    await assertToldEverywhere(ran, gda);
  });
});

Deno.test("two labels of one name give the same accuracy whichever comes first", async () => {
  await inFolder(async () => {
    const accuracies: number[] = [];
    for (const [out, labels] of [["a", [3, 7, 9, 11]], ["b", [7, 3, 9, 11]]] as const) {
      const nameOf = (folder: string) => ["Field", "Forest"].includes(folder) ? "sunglasses" : "Sea or Lake";
      const parts = { train: () => [0, 1], val: () => [2], test: () => [5, 6, 7, 8] };
      await writeSplit(`${out}.json`, parts, { nameOf, labels: [...labels] });
      const ran = await runHere(zeroShot, { data: "images", split: `${out}.json`, eval: ["all"], out });
      accuracies.push(ran.reports[0].results.metrics.accuracy);
      assertEquals(texts(ran)[0].startsWith('Labels 3 and 7 have one name, "sunglasses"'), true);
      assertEquals(texts(ran)[1].startsWith('Labels 9 and 11 have one name, "sea or lake"'), true);
      assertEquals(texts(ran)[2].startsWith("The labels of the split have gaps"), true);
      await assertToldEverywhere(ran, zeroShot);
      // Of equal logits the first is taken: rounding never chooses the second.
      const { predictions } = ran.reports[0].results.predictions;
      assertEquals([predictions.length, predictions.filter((label) => label === 1 || label === 3)], [16, []]);
    }
    assertEquals(accuracies[0], accuracies[1]);
  });
});

Deno.test("an image that is none ends a run before it learns, wherever it will be needed", async () => {
  await inFolder(async () => {
    await writeSplit("split.json", { train: () => [0, 1], val: () => [2], test: () => [5, 6] });
    const bad = `images/River/${[...Deno.readDirSync("images/Field")].map(({ name }) => name).sort()[6]}`;
    await Deno.writeTextFile(bad, "GIF89a, and no JPEG");
    const given = { ...COOP, split: "split.json", train: "all", eval: ["base", "all"] } as const;
    const said: string[] = [];
    const progress = {
      say: (line: string) => void said.push(line),
      finish: (line: string) => void said.push(line),
      update() {},
    };
    const error = await assertRejects(
      () => runHere(coop, { ...given, eval: [...given.eval] }, { progress }),
      UserError,
    );
    assertStringIncludes(
      error.message,
      `The image ${bad.slice("images/".length)} is not a JPEG, PNG, WebP or TIFF file`,
    );
    assertEquals(said.filter((line) => /train|features/i.test(line) && !line.startsWith("Data:")), []);
  });
});

Deno.test("a run that is resumed on another engine names both in its report, and says so", async () => {
  await inFolder(async () => {
    const given = { ...COOP, epochs: 4, batchSize: 2, checkpointEvery: 1, train: "base", eval: ["base"] } as const;
    const stop = {
      say() {},
      finish() {},
      update({ what, done }: { what: string; done: number }) {
        if (what.startsWith("training") && done === 3) throw new Error("stopped here");
      },
    };
    await assertRejects(
      () => runHere(coop, { ...given, eval: [...given.eval] }, { progress: stop }),
      Error,
      "stopped here",
    );
    const ran = await runHere(coop, { ...given, eval: [...given.eval], engine: "cpu" });
    assertEquals(ran.reports[0].run.trainedWithEngine, "onnx, then cpu");
    assertEquals(texts(ran), [
      "CoOp, seed 1, was resumed on another engine: its steps were computed by onnx, then cpu, and results repeat bit by bit " +
      "on one engine only.",
    ]);
    await assertToldEverywhere(ran, coop, { early: false });
    assert(ran.said.some((line) => line.includes("was computed by the engine onnx, and the rest will be by cpu")));
    assertStringIncludes((await runPage(ran.reports)).html, "onnx, then cpu");
  });
});
