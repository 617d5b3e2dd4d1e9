/** Which methods' steps read frozen CLIP's image features, and what happens where one says that it does not and does. */
import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import type { ClipModel } from "../../src/clip/model.ts";
import type { Ops } from "../../src/engine/ops.ts";
import { UserError } from "../../src/errors.ts";
import { ivlp } from "../../src/methods/ivlp.ts";
import { KIT_METHODS } from "../../src/methods/kit.ts";
import { maple, type MapleSettings } from "../../src/methods/maple.ts";
import { learnsPrompts, type PromptLearning, publishedValues, readsFrozenImages } from "../../src/methods/method.ts";
import { promptLoss, type PromptMethod } from "../../src/methods/prompt_method.ts";
import { normalizeRows } from "../../src/methods/zero_shot.ts";
import { openPrompt, type PromptSession } from "../../src/prompt/session.ts";
import { loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { randomClip } from "../../bench/random_clip.ts";
import { randomTensor, withEngine } from "../engine/ops_cases.ts";
import { CLASSES, promptOf, UNEQUAL, withModel } from "../methods/tower_method_cases.ts";
import { inFolder, runHere } from "../run/run_here.ts";

const { image: { size, patch }, embedding: E } = UNEQUAL;
const LABELS = [0, 2, 1];
const B = LABELS.length;
const SHALLOW = {
  depth: 2,
  textDepth: 2,
  imageDepth: 2,
  classBlock: 1,
  tokenWidth: 8,
  firstLayer: 8,
  contextTokens: 2,
};
/** More rows than one program takes. */
const MANY = Array.from({ length: 400 }, (_, i) => `n${i}`);
const frozen_BE = normalizeRows(randomTensor([B, E], 32));

async function sessionOf(
  model: ClipModel,
  method: PromptLearning,
  { classNames = CLASSES, change = (prompt) => prompt }: {
    classNames?: string[];
    change?: (prompt: PromptMethod) => PromptMethod;
  } = {},
): Promise<PromptSession> {
  const prompt = await promptOf(method, { model, classNames, ...SHALLOW });
  return await openPrompt(model, { method: change(prompt), classNames });
}

/** A step, with frozen features or without. */
async function stepOf(session: PromptSession, { withFrozen }: { withFrozen: boolean }) {
  const patches = randomTensor([B, (size / patch) ** 2, 3 * patch ** 2], 33, 2);
  return await session.step({
    labels: LABELS,
    ...(withFrozen ? { imageFeatures_BE: frozen_BE } : {}),
    ...(session.encodeImages ? { patches_BNK: await session.lower?.rows(patches) ?? patches } : {}),
  });
}

const SAYS = (name: string) =>
  `The method ${name} says "readsFrozenImages: false", and reads frozen CLIP's features of the training views: say ` +
  '"readsFrozenImages: true" in its file.';

const METHODS = KIT_METHODS.filter(learnsPrompts);

Deno.test("every method's field is true of its steps: those that read frozen features do not go without, others are equal", async () => {
  await withModel(async (model) => {
    const without: string[] = [];
    for (const method of METHODS) {
      const settings = { ...publishedValues(method, null, 16), ...SHALLOW };
      const session = await sessionOf(model, method);
      const given = await stepOf(session, { withFrozen: true });
      if (readsFrozenImages(method, settings)) {
        const error = await assertRejects(() => stepOf(session, { withFrozen: false }), UserError);
        assertEquals(error.message, SAYS(session.method.name));
      } else {
        assertEquals(await stepOf(session, { withFrozen: false }), given);
        without.push(method.name);
      }
      await session.dispose();
    }
    assertEquals(without, ["ivlp", "maple"]);
  });
  assertEquals(readsFrozenImages(ivlp as never, { imageDepth: 0 }), true);
});

Deno.test("a step in pieces goes without frozen features too, to the same bits", async () => {
  await withModel(async (model) => {
    const session = await sessionOf(model, maple as never, { classNames: MANY });
    const given = await stepOf(session, { withFrozen: true });
    assertEquals(await stepOf(session, { withFrozen: false }), given);
    await session.dispose();
  });
});

/** Ways to read what a method says it does not. */
const READING: Record<string, (prompt: PromptMethod) => PromptMethod> = {
  "the loss": (prompt) => ({
    ...prompt,
    losses: (ops, inputs) => [ops.add(promptLoss(ops, inputs), mean(ops, inputs.storedFeatures_BE))],
  }),
  "the loss, after a spread": (prompt) => ({
    ...prompt,
    losses: (ops, inputs) => {
      const copy = { ...inputs };
      return [ops.add(promptLoss(ops, copy), mean(ops, copy.storedFeatures_BE))];
    },
  }),
  "the loss, as the tower gives them": (prompt) => ({
    ...prompt,
    losses: (ops, inputs) => [ops.add(promptLoss(ops, inputs), mean(ops, inputs.rawFeatures_BE!))],
  }),
  "the loss, their shape alone": (prompt) => ({
    ...prompt,
    losses: (ops, inputs) => [ops.scale(promptLoss(ops, inputs), ops.shape(inputs.storedFeatures_BE)[0])],
  }),
  "the contexts": (prompt) => ({
    ...prompt,
    contexts: (ops, inputs) => {
      const contexts = prompt.contexts(ops, inputs);
      return ops.add(contexts, ops.reshape(mean(ops, inputs.imageFeatures_BE), [1, 1, 1]));
    },
  }),
};

function mean<T>(ops: Ops<T>, x: T): T {
  return ops.mean(ops.mean(x, 1), 0);
}

for (const name of ["onnx", "cpu"] as const) {
  Deno.test(`${name}: whichever way frozen features are read, and whole or in pieces, a step without them says so`, async () => {
    await withEngine(name, async (engine) => {
      const model = loadModel(randomClip(UNEQUAL), { engine, tokenizer: await loadTokenizer() });
      for (const [what, change] of Object.entries(READING)) {
        for (const classNames of name === "onnx" ? [CLASSES, MANY] : [CLASSES]) {
          const session = await sessionOf(model, maple as never, { classNames, change });
          const error = await assertRejects(() => stepOf(session, { withFrozen: false }), UserError, undefined, what);
          assertEquals(error.message, SAYS("maple"), what);
          await session.dispose();
        }
      }
      await model.dispose();
    });
  });
}

Deno.test("a spread of inputs alone reads nothing", async () => {
  await withModel(async (model) => {
    const session = await sessionOf(model, maple as never, {
      change: (prompt) => ({
        ...prompt,
        losses: (ops, { ...inputs }) => [promptLoss(ops, { ...inputs, logitScale: 10 })],
      }),
    });
    await stepOf(session, { withFrozen: false });
    await session.dispose();
  });
});

Deno.test("a run of such a method ends with that sentence before a number is learned; told the truth, it runs", async () => {
  await inFolder(async () => {
    const leaning: PromptLearning<MapleSettings> = {
      ...maple,
      name: "leaning",
      async prompt(task) {
        const base = await maple.prompt(task);
        return {
          ...base,
          name: "leaning",
          losses: (ops, inputs) => [ops.add(promptLoss(ops, inputs), mean(ops, inputs.storedFeatures_BE))],
        };
      },
    };
    const given = {
      data: "images",
      shots: 2,
      batchSize: 2,
      epochs: 1,
      depth: 2,
      train: "base",
      eval: ["base"],
    } as const;
    const error = await assertRejects(() => runHere(leaning, given as never), UserError);
    assertEquals(error.message, SAYS("leaning"));
    const { said } = await runHere({ ...leaning, readsFrozenImages: true }, { ...given, fresh: true } as never);
    assertEquals(said.filter((line) => line.includes("training views")), [
      "Image features, 1 training views: 4 computed, 0 from the cache in .cache/features.",
    ]);
  });
});
