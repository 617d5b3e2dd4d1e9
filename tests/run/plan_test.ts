/** What `--dry-run` tells: nothing is learned or written, and what is told is what the run then does. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { cocoop, coop, gda, linearProbe, maple, prometar, promptsrc, zeroShot } from "../../src/methods/kit.ts";
import type { Method } from "../../src/methods/method.ts";
import { completeSettings, type Given } from "../../src/run/config.ts";
import { configYaml } from "../../src/run/config_yaml.ts";
import { openRun } from "../../src/run/run.ts";
import { inFolder, runHere } from "./run_here.ts";

async function planOf(method: unknown, given: Given): Promise<string[]> {
  await using run = await openRun(method as Method, { engine: "onnx", threads: 1, ...given });
  return (await run.plan()).lines;
}

/** Estimates differ from machine to machine. */
const ESTIMATE = /^Estimate: (.*); about \d.* and [\d,]+ MiB of disk in all\. Nothing was run\.$/;

Deno.test("a prompt method: configuration, folders, images, classes, prompts by token, learned numbers, estimates", async () => {
  await inFolder(async () => {
    const given: Given = {
      ...{ data: "images", train: "base", eval: ["base", "new", "./images:all"], shots: 2, views: 3, epochs: 4 },
      ...{ contextTokens: 2, classTokenPosition: "middle", seeds: [1, 5], batchSize: 4, engine: "onnx", threads: 1 },
    };
    const lines = await planOf(coop, given);
    assertEquals(
      lines[0],
      configYaml(completeSettings(coop, given), { header: "The resolved configuration." }).trimEnd(),
    );
    const part = "seed-notebook+epochs=4+views=3+context-tokens=2+class-token-position=middle/sample-on-images";
    assertEquals(lines.slice(1, 11), [
      "",
      `Run folder: runs/images/coop/${part}/shots2/seed1`,
      `Run folder: runs/images/coop/${part}/shots2/seed5`,
      "2 base classes: 4 train, 4 val, 6 test images.",
      "Evaluated on 2 base classes: 4 train, 4 val, 6 test images.",
      "Evaluated on 2 new classes: 4 train, 4 val, 6 test images.",
      "Evaluated on images: 4 all classes: 0 train, 0 val, 12 test images.",
      "Classes: Field, Forest",
      'Prompt "X Field X.": 49406 X1 1570 X2 269 49407',
      'Prompt "X Forest X.": 49406 X1 4167 X2 269 49407',
    ]);
    assertEquals(lines[11], "Learned numbers: 256: ctx [2, 128]");
    // Test images, and of each seed four training images in three views and the plain one.
    assert(lines[12].startsWith("Image features: 56 images, about "), lines[12]);
    // Four epochs of one step.
    const work = ESTIMATE.exec(lines[13])?.[1].replace(/of \d+ ms/, "of N ms");
    assertEquals(work, "4 steps of N ms and 24 test images for each of 2 seeds");
    assertEquals(lines.length, 14);
    assertEquals([...Deno.readDirSync(".")].map(({ name }) => name).filter((name) => name !== ".cache"), ["images"]);

    const { folders } = await runHere(coop, { ...given, eval: ["base"] });
    assertEquals(folders, lines.slice(2, 4).map((line) => line.slice("Run folder: ".length)));
  });
});

Deno.test("methods on features and zero-shot CLIP: their hand-written prompts by token, or none", async () => {
  await inFolder(async () => {
    const tokenizer = await loadTokenizer();
    const ids = (text: string) => `"${text}" [49406 ${tokenizer.encode(text).join(" ")} 49407]`;
    const zero = await planOf(zeroShot, { eval: ["new"], templates: "a {}.|{}" });
    assertEquals(zero.slice(1, 5), [
      "",
      "Run folder: runs/eurosat/zeroshot/a-.-/sample",
      "Evaluated on 5 new classes: 0 train, 0 val, 3,900 test images.",
      `  Pasture Land: ${ids("a Pasture Land.")}, ${ids("Pasture Land")}`,
    ]);
    assertEquals(zero.slice(8, 11), [
      `  Sea or Lake: ${ids("a Sea or Lake.")}, ${ids("Sea or Lake")}`,
      "Learned numbers: 0.",
      "Image features are stored.",
    ]);
    assert(ESTIMATE.test(zero[11]), zero[11]);
    const learned = await planOf(gda, { shots: 2, eval: ["base"] });
    assert(learned.includes("5 base classes: 10 train, 10 val, 4,200 test images."), learned.join("\n"));
    assert(learned.some((line) => line.includes('"a photo of a Forest." [49406 320 1125 539 320 4167 269 49407]')));
    const chosen = await planOf(gda, { shots: 2, eval: ["val"], train: "base" });
    assert(chosen.includes("Evaluated on 10 validation images of the base classes."), chosen.join("\n"));
    assert(chosen.at(-1)!.startsWith("Estimate: 10 validation images; about "), chosen.at(-1));
    const probe = await planOf(linearProbe, { data: "images", shots: 2, eval: ["base"] });
    assertEquals(probe.filter((line) => line.startsWith("  ")), []);
    // Four training and four validation images, six of the test.
    assert(probe.some((line) => line.startsWith("Image features: 14 images, about ")), probe.join("\n"));
  });
});

Deno.test("a prompt that is there is only evaluated: no step, and the folder that it lies in", async () => {
  await inFolder(async () => {
    const lines = await planOf(cocoop, { eval: ["new"] });
    assert(lines.includes("Run folder: runs/eurosat/cocoop/seed-notebook/sample/shots16/seed1"), lines.join("\n"));
    assert(lines.at(-1)!.startsWith("Estimate: 0 steps of "), lines.at(-1));
    assert(
      lines.some((line) => line.startsWith("Learned numbers: 2,696: ctx [4, 128], meta_net.linear1.weight [8, 128]")),
    );
    assertEquals(lines.filter((line) => line.startsWith("train:")), []);
  });
});

Deno.test("methods inside the towers: the words that stay, and a step that is two where the method has two", async () => {
  await inFolder(async () => {
    const given: Given = { data: "images", train: "base", eval: ["base"], shots: 2, views: 1, epochs: 40 };
    const lines = await planOf(maple, { ...given, depth: 2 });
    const prompt = lines.find((line) => line.startsWith("Prompt"));
    assertEquals(prompt, 'Prompt "X X of a Field.": 49406 X1 X2 539 320 1570 269 49407');
    // 2·128 twice, and two maps from 128 to 192 numbers with their bias.
    assert(lines.some((line) => line.startsWith("Learned numbers: 50,048: ctx [2, 128], proj.weight [192, 128]")));
    // Six test images, and four training images once: the loss reads no frozen feature of their views.
    assert(lines.some((line) => line.startsWith("Image features: 10 images, about ")), lines.join("\n"));
    const near = await planOf(promptsrc, { ...given, textDepth: 1, imageDepth: 1 });
    assert(near.some((line) => line.startsWith("Image features: 14 images, about ")), near.join("\n"));
    const { reports: [{ run }] } = await runHere(maple, { ...given, epochs: 1, depth: 2 });
    assertEquals(run.prompts, [["X X of a Field."], ["X X of a Forest."]]);

    const milliseconds = async (meta: string) => {
      const shallow = { ...given, textDepth: 1, imageDepth: 1, meta };
      return Number(/ steps of (\d+) ms/.exec((await planOf(prometar, shallow)).at(-1)!)![1]);
    };
    const [one, both] = [await milliseconds("off"), await milliseconds("second")];
    assert(both > 1.5 * one, `${one} ms and ${both} ms`);
  });
});
