/** Prompts in the towers against numbers of the published code: `deep_*` of the reference material (its README says how). */
import { assert, assertLess } from "jsr:@std/assert@1.0.19";
import { fileURLToPath } from "node:url";
import { freezeImageTower, imageTower } from "../../src/clip/image_tower.ts";
import { type ClipModel, loadModel } from "../../src/clip/model.ts";
import { toPatches } from "../../src/clip/patches.ts";
import type { ClassPrompt, PromptToken } from "../../src/clip/prompt_layout.ts";
import { textTower } from "../../src/clip/text_tower.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { type ClipWeights, loadWeights } from "../../src/clip/weights/load.ts";
import { type Engine, type HostTensor } from "../../src/engine/ops.ts";
import { tape } from "../../src/engine/tape.ts";
import { cosineLogits, crossEntropy, l2Normalize } from "../../src/methods/prompt_method.ts";
import { openFixtures, type Tensors } from "../../src/parity/fixtures.ts";
import { ENGINES, relativeL2, withEngine } from "../engine/ops_cases.ts";
import { sharedPath, sharedTest } from "../shared.ts";

/** What this test reads of a case of `deep_ivlp.json` or `deep_promptsrc.json`. */
interface DeepCase {
  model: string;
  init: string;
  n_text: number;
  depth_text: number;
  depth_vision: number;
  classnames: string[];
  new_classnames: string[];
}

const CASES = {
  deep_ivlp: ["mini4_d3", "mini4_v4t2", "mini4_text", "mini_all"],
  deep_promptsrc: ["sample_v5t3"],
};
const SAMPLE = fileURLToPath(new URL("../../data/sample/model.safetensors", import.meta.url));

/** Published names of the prompts of each layer. */
const namesOf = (tower: "text" | "image", depth: number): string[] =>
  Array.from(
    { length: depth },
    (_, i) =>
      i > 0
        ? `${tower}_encoder.transformer.resblocks.${i}.VPT_shallow`
        : tower === "text"
        ? "prompt_learner.ctx"
        : "image_encoder.VPT",
  );

/** `init name.`, whose first words are learned. */
function promptsOf(model: ClipModel, at: DeepCase, classNames: readonly string[]): ClassPrompt[] {
  const { tokenizer } = model;
  const words: PromptToken[] = tokenizer.encode(at.init).map((id) => ({ id }));
  for (let m = 0; m < at.n_text; m++) words[m] = { learned: m };
  return classNames.map((name) => ({
    tokens: [
      ...words,
      ...tokenizer.encode(`${name.replaceAll("_", " ")}.`).map((id) => ({ id })),
      { id: tokenizer.endToken },
    ],
    shared: words.length,
  }));
}

interface Bound {
  engine: Engine;
  model: ClipModel;
  weights: ClipWeights;
  at: DeepCase;
  images: HostTensor;
  labels: number[];
}

/** Logits of all images, and the gradients of their mean cross-entropy at the prompts of all layers. */
async function run(
  { engine, model, weights, at, images, labels }: Bound,
  { classNames, prompts }: { classNames: readonly string[]; prompts: readonly HostTensor[] },
): Promise<{ logits: HostTensor; gradients: HostTensor[] }> {
  const layout = model.layOut(promptsOf(model, at, classNames), { contextTokens: at.n_text, classSpecific: false });
  const text = await model.text();
  const image = freezeImageTower(engine, (name) => weights.tensor(name), { config: model.config });
  const [B, C] = [images.shape[0], classNames.length];
  const labels_BC = { shape: [B, C], data: new Float32Array(B * C) };
  // New classes have no labels: their gradients are not compared.
  labels.forEach((label, b) => labels_BC.data[b * C + Math.min(label, C - 1)] = 1);
  const program = engine.program("deep", (ops, [patches, labels, place, fixed, mask, pick, ...prompts]) => {
    const taped = tape(ops);
    const values = prompts.map((prompt) => taped.variable(prompt));
    const [contexts, rows] = [values.slice(0, at.depth_text), values.slice(at.depth_text)];
    const sequences = ops.shape(patches)[0];
    const each = rows.map((row) => taped.broadcastTo(row, [sequences, ...taped.shape(row).slice(1)]));
    const texts = textTower(ops, text, {
      learned: { place, placedOnce: layout.placedOnce, layers: contexts.map(({ value }) => value) },
      fixed,
      mask,
      pick,
    });
    const viewed = imageTower(ops, image, patches, each.map(({ value }) => value));
    const logits = cosineLogits(taped, {
      textFeatures_GCE: taped.custom(contexts, texts.features, texts.pullbackToLearned),
      imageFeatures_BE: l2Normalize(taped, taped.custom(each, viewed.features, viewed.pullbackToPrompts)),
      logitScale: model.logitScale,
    });
    return [logits.value, ...taped.gradients(crossEntropy(taped, logits, taped.fixed(labels)), values)];
  });
  const patches = toPatches(images, model.config.image.patch);
  const packs = [layout.place!, layout.fixed, layout.mask, layout.pick];
  const [logits, ...gradients] = await program.run([patches, labels_BC, ...packs, ...prompts]);
  await program.dispose();
  return { logits, gradients };
}

/** Prompts [1, M, D] by their published names. */
const read = (given: Tensors, prefix: string, names: readonly string[]): HostTensor[] =>
  names.map((name) => {
    const { shape, data } = given.float(`${prefix}/${name}`);
    return { shape: [1, ...shape], data };
  });

async function holdCase(bound: Bound, { given, name }: { given: Tensors; name: string }): Promise<void> {
  const { at } = bound;
  const names = [...namesOf("text", at.depth_text), ...namesOf("image", at.depth_vision)];
  const init = read(given, `${name}/init`, names);
  const start = await run(bound, { classNames: at.classnames, prompts: init });
  assertLess(relativeL2(start.logits.data, given.float(`${name}/logits`).data), 2e-5, `${name} at the start`);

  const final = read(given, `${name}/final`, names);
  const trained = await run(bound, { classNames: at.classnames, prompts: final });
  assertLess(relativeL2(trained.logits.data, given.float(`${name}/final_logits`).data), 2e-5, `${name}, trained`);

  // PromptSRC's loss has more terms, and its new classes are seen by averaged prompts.
  if (given.names().includes(`${name}/gpa_logits`)) {
    const prompts = read(given, `${name}/gpa`, names);
    const averaged = await run(bound, { classNames: at.new_classnames, prompts });
    assertLess(relativeL2(averaged.logits.data, given.float(`${name}/new_logits`).data), 2e-5, `${name}, new classes`);
    return;
  }
  const unseen = await run(bound, { classNames: at.new_classnames, prompts: final });
  assertLess(relativeL2(unseen.logits.data, given.float(`${name}/new_logits`).data), 2e-5, `${name}, new classes`);
  names.forEach((prompt, i) => {
    const wanted = given.float(`${name}/grad/${prompt}`).data;
    assertLess(relativeL2(start.gradients[i].data, wanted), 1e-4, `${name}: gradient at ${prompt}`);
  });
}

for (const engineName of ENGINES) {
  sharedTest(`prompts in both towers give the published logits and gradients on ${engineName}`, async () => {
    const fixtures = openFixtures(sharedPath("reference"));
    const images = await fixtures.tensors("deep_images.safetensors");
    const tokenizer = await loadTokenizer();
    await withEngine(engineName, async (engine) => {
      for (const [file, names] of Object.entries(CASES)) {
        const { cases } = await fixtures.json(`${file}.json`) as { cases: Record<string, DeepCase> };
        const given = await fixtures.tensors(`${file}.safetensors`);
        for (const name of names) {
          const at = cases[name];
          // Plain JavaScript takes the sample model half a minute.
          if (at.model === "sample" && engineName === "cpu") continue;
          const stored = at.model === "sample" ? "sample" : "mini4";
          const weights = await loadWeights(
            at.model === "sample" ? SAMPLE : fixtures.path(`${at.model}_openai.safetensors`),
          );
          const model = loadModel(weights, { engine, tokenizer });
          const labels = images.integers(`${stored}/labels`).data;
          assert(labels.every((label) => label < at.classnames.length));
          await holdCase({ engine, model, weights, at, images: images.float(`${stored}/images`), labels }, {
            given,
            name,
          });
          await model.dispose();
        }
      }
    });
  });
}
