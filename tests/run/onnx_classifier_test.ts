/** Every method of the kit as an ONNX file gives the probabilities that the kit gives, for any number of images. */
import { assert, assertEquals, assertLess, assertThrows } from "jsr:@std/assert@1.0.19";
import { probabilities } from "../../recipes/cli/answer_table.ts";
import { type ClipModel, loadModel } from "../../src/clip/model.ts";
import { namedStream } from "../../src/data/random.ts";
import { normalizeToPatches } from "../../src/data/views.ts";
import { loadOnnxRuntime } from "../../src/deps.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { UserError } from "../../src/errors.ts";
import { KIT_METHODS } from "../../src/methods/kit.ts";
import { learnsPrompts, publishedValues, withVariants } from "../../src/methods/method.ts";
import { cosinesWith, featureLogits, normalizeRows } from "../../src/methods/zero_shot.ts";
import { openPrompt } from "../../src/prompt/session.ts";
import { onnxClassifier } from "../../src/run/onnx_classifier.ts";
import { promptLogits } from "../../src/run/prompt_learner.ts";
import { gentleClip, letters } from "../clip/tower_cases.ts";
import { withEngine } from "../engine/ops_cases.ts";
import { task, test_NE, textNew_CE } from "../methods/feature_cases.ts";

const CLASSES = ["Crop", "Wood", "Sea_x"];
const SIZE = 16;
const PATCH = 8;
const IMAGES = 5;

/** Noise [N, size, size, 3], with both ends of the scale in it. */
const bytes = Uint8Array.from(
  { length: IMAGES * SIZE * SIZE * 3 },
  (_, i) => Math.round(127.5 + 128 * Math.sin(i * i)),
);

function patchesOf(bytes: Uint8Array): HostTensor {
  const each = SIZE * SIZE * 3;
  const data = new Float32Array(bytes.length);
  for (let from = 0; from < bytes.length; from += each) {
    const target = data.subarray(from, from + each);
    normalizeToPatches(bytes.subarray(from, from + each), { size: SIZE, patch: PATCH, target });
  }
  return { shape: [bytes.length / each, (SIZE / PATCH) ** 2, 3 * PATCH * PATCH], data };
}

async function withModel(body: (model: ClipModel) => Promise<void>): Promise<void> {
  await withEngine("onnx", async (engine) => {
    const weights = gentleClip({
      embedding: 24,
      image: { size: SIZE, patch: PATCH, width: 128, layers: 4, heads: 2 },
      text: { context: 77, vocabulary: 50, width: 64, layers: 4, heads: 1 },
    });
    const model = loadModel(weights, { engine, tokenizer: letters });
    await body(model);
    await model.dispose();
  });
}

/** What ONNX Runtime makes of the first images, from the file alone. */
async function run(parts: readonly Uint8Array[], images: number): Promise<number[]> {
  const runtime = await loadOnnxRuntime();
  const file = new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
  const session = await runtime.InferenceSession.create(file, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const input = new runtime.Tensor("uint8", bytes.slice(0, images * SIZE * SIZE * 3), [images, SIZE, SIZE, 3]);
  const { probabilities } = await session.run({ images: input });
  assertEquals(probabilities.dims[0], images);
  await session.release();
  return [...probabilities.data as Float32Array];
}

function furthest(a: readonly number[], b: readonly number[]): number {
  assertEquals(a.length, b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}

/** Methods whose text features say all, beside frozen CLIP's image features. */
const TEXTS_ALONE = ["coop", "kgcoop", "prograd", "tcp"];
const ABOUT = { label: "It", metadata: {} };
const learning = KIT_METHODS.flatMap(withVariants).filter(learnsPrompts);

for (const method of learning) {
  Deno.test(`${method.label} as a file gives the kit's probabilities`, () =>
    withModel(async (model) => {
      const settings = publishedValues(method, null, 16);
      const prompt = await method.prompt({
        model,
        classNames: CLASSES,
        settings: { ...settings, initWords: "", ...("tokenWidth" in settings && { tokenWidth: 8 }) },
        template: "a {} is.",
        random: (name) => namedStream(1, name),
        trains: false,
      });
      const session = await openPrompt(model, { method: prompt, classNames: CLASSES });
      // Trained prompts are larger than those at the start.
      for (const { data } of Object.values(session.params)) data.forEach((value, i) => data[i] = 2 * value + 0.01);
      const features = await (session.encodeImages ?? model.encodeImages)(patchesOf(bytes));
      const answers: number[][] = [];
      for (const learnedFrom of [true, false]) {
        const logits = await promptLogits(model, session, { learnedFrom });
        const images = Array.from({ length: IMAGES }, String);
        const wanted = probabilities(await logits(features), { images, classNames: CLASSES })
          .flatMap(({ probabilities }) => probabilities);
        const counts: unknown[] = [];
        const functions = await session.functions({ learnedFrom, onProgress: (count) => counts.push(count) });
        assertEquals(counts.at(-1), prompt.imageConditioned ? undefined : { done: 3, total: 3 });
        const parts = onnxClassifier(model, functions, ABOUT);
        answers.push(await run(parts, IMAGES));
        assertLess(furthest(answers[answers.length - 1], wanted), 1e-5);
        assertLess(furthest(await run(parts, 1), wanted.slice(0, CLASSES.length)), 1e-5);
        // Otherwise any image, or any class, would do.
        assert(furthest(wanted.slice(0, 3), wanted.slice(3, 6)) > 1e-3, String(wanted));
        assertEquals(functions.texts_CE !== undefined, TEXTS_ALONE.includes(method.name));
        if (functions.texts_CE !== undefined) {
          const cosines = featureLogits(normalizeRows(features), functions.texts_CE, { logitScale: model.logitScale });
          assertLess(furthest([...cosines.data], [...(await logits(features)).data]), 1e-4);
        }
        if (method.name !== "mmrl") break;
      }
      assertEquals(answers.length === 2 && furthest(answers[0], answers[1]) > 1e-3, method.name === "mmrl");
      await session.dispose();
    }));
}

for (const method of KIT_METHODS) {
  if (learnsPrompts(method)) continue;
  Deno.test(`${method.label} as a graph gives the kit's logits`, () =>
    withEngine("onnx", async (engine) => {
      const settings = publishedValues(method, null, 16);
      const learned = method.learn(task, { settings, trainedOn: "base" });
      const others = typeof learned.newClasses === "function" ? [learned.newClasses(textNew_CE)] : [];
      for (const { logits, graph, texts_CE } of [learned, ...others]) {
        const wanted = [...logits(test_NE).data];
        const fn = graph ?? cosinesWith(texts_CE!, task.logitScale);
        const program = engine.program("graph", (ops, [x]) => [fn(ops, x)]);
        const [{ data }] = await program.run([test_NE]);
        assertLess(furthest([...data], wanted) / Math.max(...wanted.map(Math.abs)), 1e-6);
      }
    }));
}

Deno.test("logits that are no function of tensors, and a file beyond ONNX's size, are refused", () =>
  withModel((model) => {
    assertThrows(
      () => onnxClassifier(model, {}, { ...ABOUT, label: "Nearest mean" }),
      UserError,
      "Nearest mean cannot be exported",
    );
    const logits = cosinesWith({ shape: [1, 24], data: new Float32Array(24) }, 1);
    assertThrows(() => onnxClassifier(model, { logits }, { ...ABOUT, most: 2 ** 20 }), UserError, "and 1 are the most");
    return Promise.resolve();
  }));
