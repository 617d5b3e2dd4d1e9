/** MMRL in runs: its first blocks' output is stored once for all prompts, and only classes that it learned from get both logits. */
import { assert, assertEquals, assertLess, assertNotEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { parseDescription } from "../../src/data/description.ts";
import { UserError } from "../../src/errors.ts";
import { mmrl, type MmrlSettings } from "../../src/methods/mmrl.ts";
import type { Given } from "../../src/run/config.ts";
import { openRun } from "../../src/run/run.ts";
import { decodeCheckpoint } from "../../src/train/checkpoint.ts";
import { relativeL2 } from "../engine/ops_cases.ts";
import { otherWeights, writeImages } from "../small_run.ts";
import { inFolder, linesInto, runHere } from "./run_here.ts";

const SMALL: Given & Partial<MmrlSettings> = {
  ...{ data: "images", shots: 2, batchSize: 2, epochs: 2, views: 2, train: "all", eval: ["all"] },
  tokenWidth: 16,
};

/** The files of the store. */
async function stored(): Promise<string[]> {
  const [folder] = await Array.fromAsync(Deno.readDir(".cache/features"));
  const files = await Array.fromAsync(Deno.readDir(`.cache/features/${folder.name}`));
  return files.map(({ name }) => name).sort();
}

/** What the run said of the first blocks. */
const told = (said: readonly string[]) => said.filter((line) => line.startsWith("Output of the first"));

async function promptIn(folder: string) {
  const name = `${folder}/checkpoint-0002.safetensors`;
  return decodeCheckpoint(await Deno.readFile(name), name).state;
}

Deno.test("the first blocks' output is told, stored, and taken by the next prompt; without it the results are the same", async () => {
  await inFolder(async () => {
    const sentence = (what: string, images: number) =>
      `Output of the first 2 blocks, ${what}: ${images} of 49 KiB are 1 MiB in the cache, less what is there.`;
    {
      await using run = await openRun(mmrl, { engine: "onnx", threads: 1, ...SMALL }, { progress: linesInto([]) });
      assertEquals(told((await run.plan()).lines), [
        sentence("training views of a seed", 16),
        sentence("training images of a seed", 8),
        sentence("test images", 12),
      ]);
    }
    const { said, folders, reports } = await runHere(mmrl, SMALL);
    assertEquals(told(said), [
      sentence("training views", 16),
      sentence("all test images", 12),
      sentence("training images", 8),
    ]);
    const first = await stored();
    // Two views, test and training images: frozen or prompted features of each, and rows.
    assertEquals(first.length, 8);

    // Another prompt: its features of test and training images, from rows that are there.
    await runHere(mmrl, { ...SMALL, lr: 0.01 });
    const second = await stored();
    assertEquals(second.filter((name) => !first.includes(name)).length, 2);

    const without = await runHere(mmrl, { ...SMALL, lowerStore: 0, out: "other" });
    const computed = (what: string, images: number) =>
      `Output of the first 2 blocks, ${what}: ${images} of 49 KiB are 1 MiB, more than the 0 MiB of --lower-store: ` +
      "they are computed each time.";
    assertEquals(told(without.said)[0], computed("training views", 16));
    const added = (await stored()).filter((name) => !second.includes(name));
    // Batches of another size: where the engine rounds otherwise, the prompt is another one.
    assert(added.length === 0 || added.length === 2, `${added.length}`);
    const [a, b] = [await promptIn(folders[0]), await promptIn(without.folders[0])];
    for (const [i, loss] of a.losses.entries()) assertLess(Math.abs(b.losses[i] / loss - 1), 1e-4);
    for (const [name, { data }] of Object.entries(a.params)) {
      assertLess(relativeL2(b.params[name].data, data), 1e-3, name);
    }
    assertEquals(without.reports[0].results.predictions, reports[0].results.predictions);
    const { lambdaTaken, tokenWidthTaken, logitScale } = reports[0].run.hyperparameters;
    assertEquals([lambdaTaken, tokenWidthTaken, logitScale], [1, 16, 100]);
    assertEquals(reports[0].run.prompts[1], ["X X X X X a photo of a Forest."]);
    assertEquals(reports[0].results.nearestWords, null);
  });
});

Deno.test("only the classes that were learned from get both logits", async () => {
  await inFolder(async () => {
    const both = async (alpha: number) => {
      const { reports } = await runHere(mmrl, { ...SMALL, alpha, eval: ["all", "./images:all"], out: `alpha${alpha}` });
      const [own, other] = reports.map(({ results }) => results.worst.map(({ confidence }) => confidence));
      return { own, other };
    };
    // With the class row's feature alone nothing is left to tell them apart.
    const alone = await both(1);
    assertEquals(alone.own, alone.other);
    assert(alone.own.length > 0);
    const mixed = await both(0.3);
    assertNotEquals(mixed.own, mixed.other);
  });
});

Deno.test("classes of another data set have its template, and the tokens the width of the one that was learned from", async () => {
  await inFolder(async () => {
    await otherWeights("other.safetensors");
    await writeImages("data/oxford_pets");
    const names = ["Field", "Forest", "Lake", "River"];
    const rows = names.flatMap((name, label) => ["grey", "2_grey"].map((file) => [`${name}/${file}.jpg`, label, name]));
    const split = JSON.stringify({ train: rows, val: rows, test: rows });
    await Deno.writeTextFile("data/oxford_pets/split_zhou_OxfordPets.json", split);
    const given = { ...SMALL, tokenWidth: undefined, epochs: 1, model: "other.safetensors", train: "base" as const };
    const run = (template: string, evaluated: Given["eval"]) =>
      runHere(mmrl, { ...given, eval: evaluated }, {
        description: parseDescription({ name: "EuroSAT", template }, "mine.yaml"),
      });
    const { reports, folders: [folder], said } = await run("seen from above: {}", ["base", "oxford_pets:all"]);
    assertEquals(reports.map(({ run }) => run.prompts.map(([text]) => text)), [
      ["X X X X X seen from above: Field", "X X X X X seen from above: Forest"],
      names.map((name) => `X X X X X a photo of a ${name}, a type of pet.`),
    ]);
    for (const { run } of reports) assertEquals(run.hyperparameters.tokenWidthTaken, 2048);
    const layers =
      "The published towers have 12 layers: tokens come in at layer 3 of 6 for images and 2 of 4 for text.";
    assertEquals(said.filter((line) => line === layers).length, 1);
    assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/identity.json`)).template, "seen from above: {}");
    await assertRejects(() => run("drawn: {}", ["base"]), UserError, "template");
  });
});
