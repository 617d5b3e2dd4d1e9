/** The training loop itself on published trajectories: PromptSRC's average, ProMetaR's two steps. */
import { assertEquals, assertLess } from "jsr:@std/assert@1.0.19";
import { loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { openPrompt } from "../../src/prompt/session.ts";
import { chosen, type DeepCase, deepImages, methodAt, paramsAt } from "../../src/parity/deep.ts";
import { openFixtures } from "../../src/parity/fixtures.ts";
import { relativeL2 } from "../../src/parity/row.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/train/checkpoint.ts";
import { train } from "../../src/train/loop.ts";
import type { TrainingState, TrainOptions } from "../../src/train/training.ts";
import type { MetaStream } from "../../src/train/meta_draw.ts";
import { withEngine } from "../engine/ops_cases.ts";
import { sharedPath, sharedTest } from "../shared.ts";

const BATCH = 4;

/** Of a step whose batch has two labels or more. */
interface Draw {
  query_label: number;
  mix: number[];
  lambda: number[];
}

type Case = DeepCase & {
  lr: number;
  epochs: number;
  warmup_lr: number;
  adapt_lr: number;
  outer_ratio: number;
  first_order: boolean;
  v_warmup_lr: number;
  draws?: (Draw | null)[];
};

/** Gives the batches of a published run. */
function publishedOrder({ order, steps_per_epoch }: Case): TrainOptions["order"] {
  let epoch = 0;
  return {
    shuffle(items) {
      const at = epoch++ * steps_per_epoch;
      const shown = order.slice(at, at + steps_per_epoch).flat();
      const first = shown as unknown as typeof items;
      items.splice(0, items.length, ...first, ...items.filter((item) => !first.includes(item)));
    },
    state: () => [epoch],
    restore: ([to]) => void (epoch = to),
  };
}

/** Gives the draws of a published run: the loop makes labels, mixtures and shares of them by its own law. */
function publishedDraws(draws: readonly (Draw | null)[]): MetaStream {
  const drawn = draws.filter((draw) => draw !== null);
  let step = -1;
  let [shares, mixes]: [number[], number[]] = [[], []];
  return {
    shuffle(labels) {
      const { query_label, lambda, mix } = drawn[++step];
      [shares, mixes] = [[...lambda], [...mix]];
      labels.splice(0, labels.length, query_label, ...labels.filter((label) => label !== query_label));
    },
    random: () => 2 / Math.PI * Math.asin(Math.sqrt(shares.shift()!)),
    below: () => mixes.shift()!,
    state: () => [step],
    restore: ([to]) => void (step = to),
  };
}

/** Trains as a published run did, from the start or from what another one saved. */
async function trained(
  { kind, key, resume, save }: { kind: string; key: string } & Pick<TrainOptions, "resume" | "save">,
): Promise<{ state: TrainingState; maps: Record<string, HostTensor>; wanted: (stage: string) => Wanted }> {
  const fixtures = openFixtures(sharedPath("reference"));
  const { cases } = await fixtures.json(`deep_${kind}.json`) as { cases: Record<string, Case> };
  const about = cases[key];
  const given = await fixtures.tensors(`deep_${kind}.safetensors`);
  const wanted = (stage: string) => paramsAt(given, `${stage}/`);
  return await withEngine("onnx", async (engine) => {
    const weights = await loadWeights(fixtures.path(`${about.model}_openai.safetensors`));
    const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
    const images = await deepImages(model, { fixtures, name: about.model });
    const params = wanted(`${key}/init`);
    const method = await methodAt(model, { kind, about, classNames: about.classnames, params });
    const meta = method.meta && {
      maps: wanted(`${key === "mini4_first" ? "mini4_strong" : key}/init_v`),
      adaptRate: about.adapt_lr,
      outerRatio: about.outer_ratio,
      order: about.first_order ? "first" as const : "second" as const,
      rate: about.v_warmup_lr,
    };
    const session = await openPrompt(model, { method: { ...method, meta }, classNames: about.classnames });
    const state = await train(session, {
      images: {
        labels: Int32Array.from(images.labels),
        views: 1,
        view: () => Promise.resolve(images.stored_BE),
        patches: (indices) => Promise.resolve(chosen(images, indices).patches_BNK),
      },
      batchSize: BATCH,
      schedule: { rate: about.lr, epochs: about.epochs, warmupEpochs: 1, warmupRate: about.warmup_lr },
      momentum: about.momentum,
      weightDecay: about.weight_decay,
      order: publishedOrder(about),
      average: about.gpa_weights,
      meta: meta && { random: publishedDraws(about.draws!), rate: meta.rate },
      resume,
      checkpointEvery: 1,
      save,
    });
    assertEquals(state.step, about.order.length);
    await session.dispose();
    await model.dispose();
    return { state, maps: session.meta?.maps ?? {}, wanted: (stage) => wanted(`${key}/${stage}`) };
  });
}

type Wanted = Record<string, HostTensor>;

function assertAll(
  got: Record<string, { data: ArrayLike<number> }>,
  { wanted, within }: { wanted: Wanted; within: number },
): void {
  assertEquals(Object.keys(got).sort(), Object.keys(wanted).sort());
  for (const [name, { data }] of Object.entries(wanted)) assertLess(relativeL2(got[name].data, data), within, name);
}

sharedTest("the loop keeps PromptSRC's average of the epochs, as published", async () => {
  const { state, wanted } = await trained({ kind: "promptsrc", key: "mini4_d3" });
  assertAll(state.params, { wanted: wanted("gpa"), within: 1e-4 });
});

for (const key of ["mini4_d3", "mini4_strong", "mini4_first"]) {
  sharedTest(`the loop makes ProMetaR's two steps with one momentum, as published: ${key}`, async () => {
    const { state, maps, wanted } = await trained({ kind: "prometar", key });
    assertAll(state.params, { wanted: wanted("final"), within: 1e-4 });
    const velocity = Object.entries(state.velocity).map(([name, data]) => [name, { data }]);
    assertAll(Object.fromEntries(velocity), { wanted: wanted("final_momentum"), within: 1e-3 });
    if (key === "mini4_strong") assertAll(maps, { wanted: wanted("final_v"), within: 1e-5 });
  });
}

sharedTest(
  "from any checkpoint ProMetaR goes on with the same bits: net, its momentum and draws are in it",
  async () => {
    const kept: Uint8Array[] = [];
    const whole = await trained({
      ...{ kind: "prometar", key: "mini4_strong" },
      save: (state) => Promise.resolve(void kept.push(encodeCheckpoint(state, {}))),
    });
    assertEquals(kept.length, 21);
    // Within the first epoch, within another, before the last step.
    for (const step of [2, 7, 20]) {
      const { state } = decodeCheckpoint(kept[step - 1], "checkpoint.safetensors");
      assertEquals(Object.keys(state.meta!.maps).length, Object.keys(whole.maps).length);
      const { state: again, maps } = await trained({ kind: "prometar", key: "mini4_strong", resume: state });
      assertEquals(
        [again.params, again.velocity, maps],
        [whole.state.params, whole.state.velocity, whole.maps],
        `${step}`,
      );
    }
  },
);
