/** `export` as people type it: the files that it writes, what other programs make of them, and what it refuses. */
import { assert, assertAlmostEquals, assertEquals } from "jsr:@std/assert@1.0.19";
import { imageView } from "../../src/data/views.ts";
import { loadOnnxRuntime } from "../../src/deps.ts";
import { featureLogits, normalizeRows } from "../../src/methods/zero_shot.ts";
import { ROOT } from "../tasks.ts";
import { classified, ended, exportFolder, PROMPT } from "./export_cases.ts";

const SIZE = 64;

/** The probabilities that ONNX Runtime gives of images, from the file alone. */
async function run(file: string, images: readonly string[]): Promise<number[][]> {
  const runtime = await loadOnnxRuntime();
  const session = await runtime.InferenceSession.create(file, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const data = new Uint8Array(images.length * SIZE * SIZE * 3);
  for (const [i, path] of images.entries()) {
    const view = await imageView(await Deno.readFile(path), { size: SIZE, recipe: { kind: "test" }, path });
    data.set(view, i * view.length);
  }
  const input = new runtime.Tensor("uint8", data, [images.length, SIZE, SIZE, 3]);
  const { probabilities: { data: values, dims: [, C] } } = await session.run({ images: input });
  await session.release();
  return images.map((_, i) => [...(values as Float32Array).subarray(i * C, (i + 1) * C)]);
}

function assertNear(actual: readonly number[], wanted: readonly number[]): void {
  assertEquals(actual.length, wanted.length);
  wanted.forEach((value, c) => assertAlmostEquals(actual[c], value, 1e-5));
}

/** A text of the file's metadata, which stands in it as it is. */
function holds(file: Uint8Array, text: string): boolean {
  return new TextDecoder("latin1").decode(file).includes(text);
}

Deno.test("a learned prompt as a file gives the answers of classify, on the classes that are named", async () => {
  const folder = await exportFolder();
  try {
    const classes = ["--classes", "forest,river,sea"];
    const { stdout } = await ended(folder, "export", { args: [PROMPT, ...classes, "--out", "out/sea.onnx"] });
    assertEquals(stdout, "out/sea.onnx: CoCoOp, 3 classes.\n");
    const images = ["Forest/sampling_420.jpg", "Lake/grey.jpg"].map((name) => `images/${name}`);
    const wanted = await classified(folder, ["--prompt", PROMPT, ...classes, ...images]);
    const found = await run(`${folder}/out/sea.onnx`, images.map((path) => `${folder}/${path}`));
    found.forEach((probabilities, i) => assertNear(probabilities, wanted[i]));
    assert(Math.abs(wanted[0][0] - wanted[1][0]) > 1e-3);
    const bytes = await Deno.readFile(`${folder}/out/sea.onnx`);
    for (const text of ['["forest","river","sea"]', "Resize the smaller edge to 64", '"method":"cocoop"']) {
      assert(holds(bytes, text), text);
    }
    assertEquals([...Deno.readDirSync(`${folder}/out`)].map(({ name }) => name), ["sea.onnx"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a run of a method on features is learned again, and its file gives the predictions of its report", async () => {
  const folder = await exportFolder();
  try {
    const learn = "--data images --shots 4 --views 0 --engine onnx".split(" ");
    await ended(folder, "gda", { args: learn });
    const place = "runs/images/gda/published+views=0/sample-on-images/shots4/seed1";
    await ended(folder, "export", { args: [place, "--classes", "new"] });
    const lines = (await Deno.readTextFile(`${folder}/${place}/predictions-new.csv`)).trim().split("\n").slice(1);
    const rows = lines.map((line) => line.split(","));
    const { run: { classNames } } = JSON.parse(await Deno.readTextFile(`${folder}/${place}/report-new.json`));
    const found = await run(`${folder}/${place}/export.onnx`, rows.map(([path]) => `${folder}/images/${path}`));
    assert(rows.length > 3);
    rows.forEach(([, , predicted, probability], i) =>
      assertAlmostEquals(found[i][classNames.indexOf(predicted)], Number(probability), 1e-5)
    );
    const refused = async (args: string[], message: string) => {
      const { stderr } = await ended(folder, "export", { args: [place, ...args], code: 2 });
      assertEquals(stderr, `error: ${message}\n`);
    };
    await refused(
      ["--classes", "Forest,Field"],
      "GDA tells apart the 2 classes that it learned from, in their order: leave --classes out, or name others only.",
    );
    await Deno.remove(`${folder}/images/Field`, { recursive: true });
    await Deno.rename(`${folder}/images/Lake`, `${folder}/images/Field`);
    const { stderr } = await ended(folder, "export", { args: [place], code: 2 });
    assert(stderr.includes(`${place} was learned with split `), stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("text features go to programs that have image features: the example of the docs gives the kit's answers", async () => {
  const folder = await exportFolder();
  try {
    await ended(folder, "export", { args: ["--classes", "forest,river", "--format", "json"] });
    const exported = JSON.parse(await Deno.readTextFile(`${folder}/runs/export.json`));
    assertEquals([exported.classNames, exported.provenance.method], [["forest", "river"], "zeroshot"]);
    const docs = await Deno.readTextFile(`${ROOT}docs/export.md`);
    const [, example] = /```js\n(function probabilities[\s\S]*?)```/.exec(docs)!;
    const probabilities = new Function(`${example}; return probabilities;`)();
    const features = Float32Array.from({ length: 128 }, (_, e) => Math.sin(e * e));
    const texts_CE = { shape: [2, 128], data: Float32Array.from(exported.textFeatures.flat()) };
    const unit = normalizeRows({ shape: [1, 128], data: features });
    const { data: [a, b] } = featureLogits(unit, texts_CE, { logitScale: exported.logitScale });
    const share = 1 / (1 + Math.exp(b - a));
    assert(Math.abs(share - 0.5) > 1e-2);
    assertNear(probabilities([...features], exported), [share, 1 - share]);
    exported.textFeatures.forEach((row: number[]) => assertAlmostEquals(Math.hypot(...row), 1, 1e-6));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("what cannot be exported is refused in a sentence, and nothing is written", async () => {
  const folder = await exportFolder();
  try {
    const refused = async (args: string[], message: string) => {
      const { stdout, stderr } = await ended(folder, "export", { args, code: 2 });
      assertEquals([stdout, stderr], ["", `error: ${message}\n`]);
    };
    await refused([], 'Name a run, or say what images may be: --classes "river,forest,sea".');
    await refused(
      [PROMPT, "--templates", "a {}"],
      "--templates are for words, and the run has a learned prompt: leave --templates or the run out.",
    );
    await refused(
      [PROMPT, "--format", "json"],
      "CoCoOp is more than text features beside frozen CLIP's image features: export the whole with --format onnx.",
    );
    await refused(
      [PROMPT, "--page", "--out", "images"],
      "images holds Field, which is no part of a page: give another folder with --out.",
    );
    await refused([PROMPT, "--out", "images"], "images is a folder: give the name of a file with --out.");
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assertEquals(names, ["images", PROMPT]);
    if (Deno.build.os === "windows") return;
    // A link, because a file in the place of the device itself would harm the machine.
    await Deno.symlink("/dev/null", `${folder}/nowhere`);
    await refused([PROMPT, "--out", "nowhere"], "nowhere is a pipe or a device: give the name of a file with --out.");
    assertEquals(Deno.readLinkSync(`${folder}/nowhere`), "/dev/null");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
