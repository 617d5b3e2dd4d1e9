import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { answersText, probabilities } from "../../recipes/cli/answer_table.ts";
import { type ClipModel, loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { openEngine } from "../../src/engine/choose.ts";
import { UserError } from "../../src/errors.ts";
import { cocoopPrompt } from "../../src/methods/cocoop.ts";
import { coopPrompt } from "../../src/methods/coop.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/train/checkpoint.ts";
import { copyParameters } from "../../src/train/parameters.ts";
import { readPublishedPrompt } from "../../src/published/checkpoint.ts";
import { openPrompt } from "../../src/prompt/session.ts";
import { openStoredPrompt, type StoredPrompt, storedPrompt } from "../../src/prompt/stored_prompt.ts";
import { tiffOf } from "../data/tiff_fixtures.ts";
import { ROOT } from "../tasks.ts";

const FIXTURES = `${ROOT}tests/fixtures/`;
const SAMPLE = `${ROOT}data/sample/model.safetensors`;
const SEEN = ["annual crop land", "herbaceous vegetation land", "river"];

async function withModel(body: (model: ClipModel) => Promise<void>): Promise<void> {
  const engine = await openEngine("onnx", { threads: 1 });
  const [weights, tokenizer] = await Promise.all([loadWeights(SAMPLE), loadTokenizer()]);
  const model = loadModel(weights, { engine, tokenizer });
  try {
    await body(model);
  } finally {
    await model.dispose();
    await engine.dispose();
  }
}

async function checkpointBytes(file: string): Promise<Uint8Array> {
  const { params } = readPublishedPrompt(`${FIXTURES}published/${file}`);
  const state = { step: 0, losses: [], params, velocity: {}, order: [] };
  return encodeCheckpoint(state, {
    method: file.split(".")[0],
    model: "sample",
    "model-sha256": (await loadWeights(SAMPLE)).sha256,
    "classes-seen": JSON.stringify(SEEN),
    "class-token-position": "end",
  });
}

async function stored(file: string): Promise<StoredPrompt> {
  return storedPrompt(decodeCheckpoint(await checkpointBytes(file), file), file);
}

/** Normalised, and different for every image. */
function features(images: number): { shape: number[]; data: Float32Array } {
  const data = Float32Array.from({ length: images * 128 }, (_, i) => Math.sin(i * i) / 8);
  return { shape: [images, 128], data };
}

Deno.test("a stored prompt gives the logits of the method that it was learned with, on classes of the caller's choice", () =>
  withModel(async (model) => {
    const classNames = ["forest", "sea", "river", "parking lot"];
    const nothing = { normal: () => 0, uniform: () => 0 };
    for (const file of ["coop.pth.tar-50", "cocoop.pth.tar-10"]) {
      const prompt = await stored(file);
      const contextTokens = prompt.params.ctx.shape[0];
      const method = prompt.method === "cocoop"
        ? cocoopPrompt({ model, contextTokens, random: nothing, metaNetRandom: nothing, embedding: 128 })
        : coopPrompt({
          model,
          contextTokens,
          random: nothing,
          classSpecific: false,
          classTokenPosition: "end",
          classes: 4,
        });
      const trained = await openPrompt(model, { method, classNames });
      copyParameters(prompt.params, trained.params);
      const session = await openStoredPrompt(prompt, { model, classNames });
      const logits = await session.logits(features(3));
      assertEquals(logits, await trained.logits(features(3)), file);
      assertEquals(logits.shape, [3, 4]);
      await session.dispose();
      await trained.dispose();
    }
  }));

Deno.test("contexts of single classes follow their classes, and new classes are refused", () =>
  withModel(async (model) => {
    const shared = await stored("coop.pth.tar-50");
    const { data } = shared.params.ctx;
    const own = Float32Array.from(
      { length: 3 * data.length },
      (_, i) => data[i % data.length] + Math.floor(i / data.length),
    );
    const prompt = { ...shared, params: { ctx: { shape: [3, 16, 128], data: own } } };
    const all = await openStoredPrompt(prompt, { model, classNames: SEEN });
    const two = await openStoredPrompt(prompt, { model, classNames: ["River", "annual_crop_land"] });
    const [a, b] = [await all.logits(features(1)), await two.logits(features(1))];
    assertAlmostEquals(b.data[0], a.data[2], 1e-3);
    assertAlmostEquals(b.data[1], a.data[0], 1e-3);
    assert(Math.abs(a.data[2] - a.data[0]) > 0.01);
    await all.dispose();
    await two.dispose();
    await assertRejects(
      () => openStoredPrompt(prompt, { model, classNames: ["river", "sea"] }),
      UserError,
      'none for "sea"',
    );
    const other = { ...shared, model: { name: "ViT-B/16", sha256: "5".repeat(64) } };
    const error = await assertRejects(() => openStoredPrompt(other, { model, classNames: SEEN }), UserError);
    assertStringIncludes(error.message, "trained with ViT-B/16 (sha256 555555555555…)");
  }));

Deno.test("a checkpoint that does not say what it belongs to is refused", async () => {
  const checkpoint = decodeCheckpoint(await checkpointBytes("coop.pth.tar-50"), "x");
  const refused = (change: Record<string, string>, message: string) => {
    const metadata = { ...checkpoint.metadata, ...change };
    assertStringIncludes(
      assertThrows(() => storedPrompt({ ...checkpoint, metadata }, "x"), UserError).message,
      message,
    );
  };
  refused({ "model-sha256": "" }, "does not say its model sha256");
  refused({ "classes-seen": "[1]" }, "does not list the classes");
  refused({ "classes-seen": "[" }, "does not list the classes");
  refused({ "class-token-position": "behind" }, 'unknown class token position "behind"');
});

Deno.test("answers are probabilities in the order of the classes, and tables show all or the surest", () => {
  const logits = { shape: [2, 3], data: Float32Array.of(0, Math.log(3), 0, 900, 0, 0) };
  const answers = probabilities(logits, { images: ["a.jpg", "long name.png"], classNames: ["sea", "forest", "river"] });
  assertEquals(answers.map((answer) => answer.class), ["forest", "sea"]);
  answers[0].probabilities.forEach((value, c) => assertAlmostEquals(value, [0.2, 0.6, 0.2][c], 1e-6));
  assertEquals(answersText(answers, { classNames: ["sea", "forest", "river"] }), [
    "image          answer      sea  forest   river",
    "a.jpg          forest   20.0 %  60.0 %  20.0 %",
    "long name.png  sea     100.0 %   0.0 %   0.0 %",
  ]);
  const many = Array.from({ length: 9 }, (_, c) => `class ${c}`);
  const [nine] = probabilities({ shape: [1, 9], data: Float32Array.from(many, (_, c) => c) }, {
    images: ["b.jpg"],
    classNames: many,
  });
  assertEquals(answersText([nine], { classNames: many })[1], "b.jpg  class 8  63.2 %  class 7  23.3 %  class 6  8.6 %");
  assertThrows(
    () =>
      probabilities({ shape: [1, 2], data: Float32Array.of(NaN, 0) }, { images: ["c.jpg"], classNames: ["a", "b"] }),
    UserError,
    "The logits of c.jpg are not finite",
  );
});

async function classify(args: string[], cwd: string): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-all", `${ROOT}recipes/classify.ts`, "--engine", "onnx", ...args],
    cwd,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("deno task classify answers for the good images, names the bad ones, and says what it left out or ignored", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(folder, "p/older"), { recursive: true });
    for (const name of ["sampling_444.jpg", "exif_orientation.jpg", "rgb.png"]) {
      await Deno.copyFile(`${FIXTURES}images/${name}`, join(folder, "p", name));
    }
    await Deno.writeTextFile(join(folder, "p/gif.jpg"), "GIF89a, and no JPEG");
    await Deno.writeFile(join(folder, "p/bands.tif"), tiffOf({ samples: 5, bits: 8, photometric: 1 }));
    for (const name of ["p/x.bmp", "p/.DS_Store", "p/Thumbs.db"]) await Deno.writeTextFile(join(folder, name), "x");
    const good = ["p/exif_orientation.jpg", "p/rgb.png", "p/sampling_444.jpg"];

    const table = await classify(["--classes", "forest,sea", "--quiet", "p"], folder);
    assertEquals(table.code, 1, table.err);
    assertEquals(table.out.trim().split("\n").slice(1).map((line) => line.split(" ")[0]), good);
    assertEquals(table.err.trim().split("\n"), [
      "warning: 2 files or folders in p are left out, older the first: JPEG, PNG, WebP and TIFF files in the folder itself " +
      "are read.",
      "warning: 1 image has an orientation in EXIF, p/exif_orientation.jpg the first: it is ignored, as in the published " +
      "code; --exif applies it.",
      "error: p/bands.tif is not classified. The image p/bands.tif has 5 bands: it is multispectral, and this kit reads RGB: " +
      "convert it to RGB or take it out of the data.",
      "error: p/gif.jpg is not classified. The image p/gif.jpg is not a JPEG, PNG, WebP or TIFF file: convert it or take it " +
      "out of the data.",
    ]);
    const json = async (...flags: string[]) => {
      const { code, out } = await classify(["--classes", "forest,sea", "--json", ...flags, "p"], folder);
      assertEquals(code, 1);
      return JSON.parse(out);
    };
    const [plain, turned] = [await json(), await json("--exif")];
    const of = (answers: { answers: { image: string; probabilities: number[] }[] }, image: string) =>
      answers.answers.find((answer) => answer.image === image)!.probabilities;
    assertEquals(plain.failed.map(({ image }: { image: string }) => image), ["p/bands.tif", "p/gif.jpg"]);
    assertEquals([plain.exif, turned.exif].map(({ applied, images }) => [applied, images]), [
      [false, [good[0]]],
      [true, [good[0]]],
    ]);
    assertEquals(of(turned, good[1]), of(plain, good[1]));
    assert(Math.abs(of(turned, good[0])[0] - of(plain, good[0])[0]) > 1e-4);

    const none = await classify(["--classes", "forest,sea", "--quiet", "p/gif.jpg"], folder);
    assertEquals([none.code, none.out], [1, ""]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("deno task classify answers for images of any folder, with a prompt, its file, or words", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const run = join(folder, "seed1");
    await Deno.mkdir(run);
    await Deno.writeFile(join(run, "checkpoint-0010.safetensors"), await checkpointBytes("cocoop.pth.tar-10"));
    const image = `${FIXTURES}images/sampling_444.jpg`;
    await Deno.mkdir(join(folder, "photos"));
    await Deno.copyFile(image, join(folder, "photos/b.jpg"));
    await Deno.copyFile(`${FIXTURES}images/cmyk.jpg`, join(folder, "photos/a.jpg"));
    await Deno.writeTextFile(join(folder, "photos/notes.txt"), "no image");

    const json = await classify(
      ["--prompt", run, "--classes", "forest,sea", "--json", "--quiet", "photos", image],
      folder,
    );
    assertEquals([json.code, json.err], [0, ""]);
    const said = JSON.parse(json.out);
    assertEquals(said.answers.map((answer: { image: string }) => answer.image), [
      "photos/a.jpg",
      "photos/b.jpg",
      image,
    ]);
    for (const { probabilities } of said.answers) assertAlmostEquals(probabilities[0] + probabilities[1], 1, 1e-9);
    said.answers[2].probabilities.forEach((value: number, c: number) =>
      assertAlmostEquals(value, said.answers[1].probabilities[c], 1e-5)
    );
    assertEquals([said.model.name, said.by.method, said.classNames], ["sample", "cocoop", ["forest", "sea"]]);

    const table = await classify(["--prompt", join(run, "checkpoint-0010.safetensors"), "photos/b.jpg"], folder);
    assertEquals(table.code, 0, table.err);
    assertStringIncludes(table.out.split("\n")[0], "annual crop land  herbaceous vegetation land");
    assertEquals(table.out.trim().split("\n").length, 2);

    const words = await classify(["--classes", "forest,sea", "--quiet", "photos/b.jpg"], folder);
    assertEquals(words.code, 0, words.err);
    assertStringIncludes(words.out.split("\n")[0], "image         answer");

    for (
      const [args, message] of [
        [["photos/b.jpg"], "Say what the images may be"],
        [["--prompt", run], "Name images"],
        [["--prompt", "photos", "photos/b.jpg"], "holds no trained prompt"],
        [["--classes", "a,b", "photos/none.jpg"], "photos/none.jpg"],
        [["--classes", "a,b", "--model", "ViT-B/16", "photos/b.jpg"], "deno task download ViT-B/16"],
      ] as const
    ) {
      const { code, err } = await classify([...args], folder);
      assertEquals(code, 2, err);
      assertStringIncludes(err, message);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
