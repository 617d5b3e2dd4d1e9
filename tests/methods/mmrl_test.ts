/** MMRL against an independent transcription in PyTorch (`fixtures/mmrl.py`), on towers of twelve and of other depths. */
import { assertEquals, assertLess, assertThrows } from "jsr:@std/assert@1.0.19";
import { noiseTensor } from "../../bench/random_clip.ts";
import { loadModel } from "../../src/clip/model.ts";
import { toPatches } from "../../src/clip/patches.ts";
import { namedStream } from "../../src/data/random.ts";
import { UserError } from "../../src/errors.ts";
import { mmrl, type MmrlSettings, mmrlTerms } from "../../src/methods/mmrl.ts";
import type { PromptMethod } from "../../src/methods/prompt_method.ts";
import { normalizeRows } from "../../src/methods/zero_shot.ts";
import { openFixtures } from "../../src/parity/fixtures.ts";
import { openPrompt, type PromptSession } from "../../src/prompt/session.ts";
import { promptLogits } from "../../src/run/prompt_learner.ts";
import { train } from "../../src/train/loop.ts";
import { gentleClip, letters } from "../clip/tower_cases.ts";
import { ENGINES, relativeL2, withEngine } from "../engine/ops_cases.ts";
import { assertNormal, COMMON, presetValues, promptOf, shapesOf, withModel } from "./tower_method_cases.ts";

const [BASE, NEW] = [["Crop", "Wood", "Sea_x"], ["River", "Lane"]];
const [IMAGES, BATCH, PER_EPOCH, EPOCHS] = [20, 4, 5, 4];
const CASES = {
  twelve: { text: 12, image: 12, lambda: 0.7, seed: 1000 },
  unequal: { text: 4, image: 6, lambda: 3, seed: 2000 },
};
const fixtures = openFixtures(new URL("../fixtures", import.meta.url).pathname);

/** The start of the transcription, whose maps are unequal. */
function startOf(params: PromptMethod["params"], seed: number): PromptMethod["params"] {
  const stream = (name: string): [seed: number, spread: number] => {
    if (name === "compound_rep_tokens") return [seed, 0.5];
    if (name === "image_encoder.proj_rep") return [seed + 1, 0.15];
    const [, tower, layer, part] = /_r2([vt])proj\.(\d+)\.(\w+)$/.exec(name)!;
    const at = seed + 100 + 50 * +(tower === "t") + 2 * Number(layer);
    return part === "weight" ? [at, 1] : [at + 1, 0.3];
  };
  return Object.fromEntries(
    Object.entries(params).map(([name, { shape }]) => [name, noiseTensor(shape, ...stream(name))]),
  );
}

for (const engineName of ENGINES) {
  for (const [key, { text, image, lambda, seed }] of Object.entries(CASES)) {
    Deno.test(`MMRL is the published method on ${engineName}: ${key}`, async () => {
      const given = await fixtures.tensors("mmrl.safetensors");
      const wanted = (name: string) => given.float(`${key}/${name}`).data;
      const weights = gentleClip({
        embedding: 24,
        image: { size: 16, patch: 8, width: 128, layers: image, heads: 2 },
        text: { context: 77, vocabulary: 50, width: 64, layers: text, heads: 1 },
      });
      await withEngine(engineName, async (engine) => {
        const model = loadModel(weights, { engine, tokenizer: letters });
        const patches_BNK = toPatches(noiseTensor([IMAGES, 3, 16, 16], 77, 2), 8);
        const stored_BE = normalizeRows(await model.encodeImages(patches_BNK));
        const labels = Int32Array.from({ length: IMAGES }, (_, i) => i % BASE.length);
        const methodOf = async (classNames: string[], changed: Partial<MmrlSettings> = {}) => {
          const settings = { ...presetValues(mmrl, "mmrl-cvpr25") as MmrlSettings, tokenWidth: 8, lambda, ...changed };
          const random = { uniform: () => 0, normal: () => 0 } as never;
          const task = { model, classNames, settings, template: "a {} is.", random: () => random };
          const method = await mmrl.prompt(task);
          return { ...method, params: startOf(method.params, seed) };
        };
        /** Logits on classes that were learned from, and on others. */
        const logitsOf = async (session: PromptSession, learnedFrom: boolean) => {
          const logits = await promptLogits(model, session, { learnedFrom });
          return (await logits(await session.encodeImages!(patches_BNK))).data;
        };
        const mixed = (stage: string) => {
          const second = wanted(`${stage}/token_logits`);
          return wanted(`${stage}/logits`).map((value, i) => 0.7 * value + 0.3 * second[i]);
        };
        const near = (got: ArrayLike<number>, name: ArrayLike<number>, within: number, what: string) =>
          assertLess(relativeL2(got, name), within, `${engineName}, ${key}: ${what}`);

        for (const [name, classNames] of [["base", BASE], ["new", NEW]] as const) {
          const session = await openPrompt(model, { method: await methodOf(classNames), classNames });
          near(await logitsOf(session, false), wanted(`initial_${name}/logits`), 2e-5, `${name} logits`);
          near(await logitsOf(session, true), mixed(`initial_${name}`), 2e-5, `${name} mixture`);
          await session.dispose();
          const tokensAlone = await methodOf(classNames, { alpha: 0 });
          const second = await openPrompt(model, { method: tokensAlone, classNames });
          near(await logitsOf(second, true), wanted(`initial_${name}/token_logits`), 2e-5, `${name} token logits`);
          await second.dispose();
        }

        const method = await methodOf(BASE);
        const session = await openPrompt(model, { method, classNames: BASE });
        const rows_BRD = await session.lower!.rows(patches_BNK);
        const taken = ({ shape, data }: typeof rows_BRD, indices: readonly number[]) => {
          const size = data.length / shape[0];
          const parts = indices.flatMap((index) => [...data.subarray(index * size, (index + 1) * size)]);
          return { shape: [indices.length, ...shape.slice(1)], data: Float32Array.from(parts) };
        };
        const order = Array.from(
          { length: EPOCHS * PER_EPOCH },
          (_, s) =>
            Array.from(
              { length: BATCH },
              (_, b) => (7 * (BATCH * (s % PER_EPOCH) + b) + Math.floor(s / PER_EPOCH)) % IMAGES,
            ),
        );
        const batch = {
          imageFeatures_BE: taken(stored_BE, order[0]),
          patches_BNK: taken(rows_BRD, order[0]),
          labels: order[0].map((index) => labels[index]),
        };
        const parts: PromptMethod["losses"] = (ops, inputs) => {
          const { ce, tokenCe, imageAway, textAway } = mmrlTerms(ops, inputs);
          return [ce, tokenCe, imageAway, textAway];
        };
        const apart = await openPrompt(model, { method: { ...method, losses: parts }, classNames: BASE });
        const { losses: terms } = await apart.step(batch);
        await apart.dispose();
        for (const [i, term] of wanted("terms").entries()) assertLess(Math.abs(terms[i] / term - 1), 2e-5, `term ${i}`);
        const { gradients } = await session.step(batch);
        for (const [name, gradient] of Object.entries(gradients)) {
          near(gradient, wanted(`gradient/${name}`), 1e-4, name);
        }

        const values = presetValues(mmrl, "mmrl-cvpr25") as MmrlSettings;
        let epoch = 0;
        const { losses } = await train(session, {
          images: {
            labels,
            views: 1,
            view: () => Promise.resolve(stored_BE),
            patches: (indices) => Promise.resolve(taken(rows_BRD, indices)),
          },
          batchSize: values.batchSize,
          schedule: { rate: values.lr, epochs: EPOCHS, warmupEpochs: values.warmupEpochs, warmupRate: values.warmupLr },
          momentum: values.momentum,
          weightDecay: values.weightDecay,
          optimizer: session.method.optimizer,
          order: {
            shuffle(items) {
              const all = order.slice(PER_EPOCH * epoch, PER_EPOCH * ++epoch).flat();
              items.splice(0, items.length, ...all as unknown as typeof items);
            },
            state: () => [],
            restore: () => {},
          },
        });
        assertEquals(losses.length, order.length);
        for (const [i, loss] of wanted("losses").entries()) {
          assertLess(Math.abs(losses[i] / loss - 1), 2e-5, `${engineName}, ${key}: loss of step ${i}`);
        }
        near(await logitsOf(session, true), mixed("final_base"), 1e-4, "final base logits");
        const others = await openPrompt(model, { method: await methodOf(NEW), classNames: NEW });
        for (const [name, { data }] of Object.entries(session.params)) others.params[name].data.set(data);
        near(await logitsOf(others, false), wanted("final_new/logits"), 1e-4, "final new logits");
        await others.dispose();
        await session.dispose();
        await model.dispose();
      });
    });
  }
}

Deno.test("MMRL's preset is the published numbers; layers and shares that are none are refused in a sentence", () => {
  const values = { ...COMMON, epochs: 10, lr: 0.001, contextTokens: 5, firstLayer: 6, lowerStore: 4, alpha: 0.7 };
  const { initWords: _, ...published } = { ...values, tokenWidth: "published", lambda: "published" };
  assertEquals(presetValues(mmrl, "mmrl-cvpr25"), published);
  assertEquals([mmrl.leastArea, mmrl.needsImages!(published as MmrlSettings)], [0.5, true]);
  for (const [name, value] of [["firstLayer", 13], ["alpha", 1.5]] as const) {
    assertThrows(() => mmrl.check!({ ...published, [name]: value } as MmrlSettings), UserError, "as published");
  }
  for (const name of ["lambda", "tokenWidth"] as const) {
    assertEquals([mmrl.settings[name].parse("7", ""), mmrl.settings[name].parse("published", "")], [7, "published"]);
    assertThrows(() => mmrl.settings[name].parse("much", "--it"), UserError, "--it (published, or a number)");
  }
});

Deno.test("MMRL's weight and width are its data set's; it starts from copies of one map a tower", async () => {
  await withModel(async (model) => {
    const task = {
      model,
      classNames: BASE,
      template: "a photo of a {}.",
      random: (name: string) => namedStream(1, name),
    };
    const settings = presetValues(mmrl, "mmrl-cvpr25") as MmrlSettings;
    const given = async (dataset?: string, changed: Partial<MmrlSettings> = {}) =>
      (await mmrl.prompt({ ...task, learnedOn: dataset, settings: { ...settings, ...changed } })).given;
    assertEquals(await given("EuroSAT"), { lambdaTaken: 0.01, tokenWidthTaken: 2048, logitScale: 100 });
    assertEquals(await given("stanford_cars"), { lambdaTaken: 7, tokenWidthTaken: 512, logitScale: 100 });
    for (const dataset of ["Mine", undefined]) {
      assertEquals(await given(dataset), { lambdaTaken: 1, tokenWidthTaken: 512, logitScale: 100 });
    }
    const mine = { lambda: 2, tokenWidth: 16 };
    assertEquals(await given("EuroSAT", mine), { lambdaTaken: 2, tokenWidthTaken: 16, logitScale: 100 });

    // Three layers of text and two of images: the tokens enter above one of three, and at the first of two.
    const { params, shape, depth, frozen } = await promptOf(mmrl, { model, tokenWidth: 16 });
    assertEquals([shape.below, depth], [{ text: 1, image: 0 }, { text: 1, image: 2 }]);
    assertEquals(shapesOf(params), [
      "compound_rep_tokens [5, 16]",
      "compound_rep_tokens_r2vproj.0.weight [128, 16]",
      "compound_rep_tokens_r2vproj.0.bias [128]",
      "compound_rep_tokens_r2vproj.1.weight [128, 16]",
      "compound_rep_tokens_r2vproj.1.bias [128]",
      "compound_rep_tokens_r2tproj.0.weight [64, 16]",
      "compound_rep_tokens_r2tproj.0.bias [64]",
      "compound_rep_tokens_r2tproj.1.weight [64, 16]",
      "compound_rep_tokens_r2tproj.1.bias [64]",
      "image_encoder.proj_rep [128, 24]",
    ]);
    assertNormal(params.compound_rep_tokens);
    const [first, second] = [0, 1].map((j) => params[`compound_rep_tokens_r2vproj.${j}.weight`].data);
    assertEquals(first, second);
    assertEquals(new Set([first.buffer, second.buffer]).size, 2);
    const { data } = params["image_encoder.proj_rep"];
    const deviation = Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length);
    assertLess(Math.abs(deviation * Math.sqrt(128) - 1), 0.05);
    const norms = Array.from({ length: 3 }, (_, c) => frozen!.hand_features.data.subarray(24 * c, 24 * (c + 1)))
      .map((row) => Math.hypot(...row));
    for (const norm of norms) assertLess(Math.abs(norm - 1), 1e-5);
  });
});
