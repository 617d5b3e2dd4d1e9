/**
 * Every exact saving of the text tower, switched off alone and all together: time, and how far the logits move.
 * CoCoOp at ViT-B/16's size, 4 images × 5 classes, 4 context tokens; text features and their pull-back. Then those of
 * prompts inside both towers, see `tower_tricks.ts`.
 *
 *     deno task bench:tricks --json
 */
import { block } from "../src/clip/block.ts";
import { type ClassPrompt, FORBIDDEN, type PromptToken } from "../src/clip/prompt_layout.ts";
import type { FrozenTextTower } from "../src/clip/text_tower.ts";
import type { HostTensor, Ops } from "../src/engine/ops.ts";
import { UserError } from "../src/errors.ts";
import { standardized } from "../src/engine/fused.ts";
import { pickRows, spreadRows, swapped } from "../src/engine/rows.ts";
import { featureLogits, normalizeRows } from "../src/methods/zero_shot.ts";
import { alternate, benchOptions, EUROSAT_BASE, printJson, printTable, round, timed } from "./measure.ts";
import { maple } from "../src/methods/maple.ts";
import { openMethod, promptBench } from "./prompt_bench.ts";
import { towerTricks } from "./tower_tricks.ts";
import { noiseTensor } from "./random_clip.ts";

const IMAGES = 4;

/** Which savings are made. */
interface Savings {
  /** Nothing after the end token is computed. */
  noPadding: boolean;
  /** The start token's keys and values are constants. */
  startConstant: boolean;
  /** The context tokens of an image are computed once for all classes. */
  sharedPrefix: boolean;
  /** The last block computes the end token's rows alone. */
  lastRowOnly: boolean;
}

const ALL_ON: Savings = { noPadding: true, startConstant: true, sharedPrefix: true, lastRowOnly: true };
const VARIANTS: { name: string; savings: Savings }[] = [
  { name: "all savings", savings: ALL_ON },
  { name: "padding to 77 computed", savings: { ...ALL_ON, noPadding: false } },
  { name: "start token computed", savings: { ...ALL_ON, startConstant: false } },
  { name: "prefix computed for every class", savings: { ...ALL_ON, sharedPrefix: false } },
  { name: "all rows of the last block", savings: { ...ALL_ON, lastRowOnly: false } },
  {
    name: "no savings, as published",
    savings: { noPadding: false, startConstant: false, sharedPrefix: false, lastRowOnly: false },
  },
];

const options = await benchOptions("tricks", 5);
if (options.pytorch) throw new UserError("bench:tricks compares the kit with itself: leave --pytorch out.");
const { engine } = options;
const { model, session, images } = await promptBench(engine, EUROSAT_BASE);
const { width: D, context: T } = model.config.text;
const imageFeatures_BE = images(IMAGES);
const contexts_GMD = await session.contexts(imageFeatures_BE);
const M = contexts_GMD.shape[1];
const tower = await model.text();

/** Sequences of one image, as host tensors: `P` of them with `L` rows, `Q` prompts each. */
interface Sequences {
  rows: number;
  place: HostTensor;
  fixed: HostTensor;
  mask: HostTensor;
  pick: HostTensor;
}

/** Lays prompts out with or without each saving; the kit's own layout knows only how to make all of them. */
function layOut(prompts: readonly ClassPrompt[], savings: Savings): Sequences {
  const padded = prompts.map(({ tokens }): PromptToken[] => [
    ...tokens,
    ...Array.from({ length: savings.noPadding ? 0 : T - 1 - tokens.length }, () => ({ id: 0 })),
  ]);
  const shared = savings.sharedPrefix ? prompts[0].shared : 0;
  const groups = savings.sharedPrefix ? [prompts.map((_, c) => c)] : prompts.map((_, c) => [c]);
  const start = savings.startConstant ? 0 : 1;
  const head = start + shared;
  const [P, Q] = [groups.length, groups[0].length];
  const lengths = groups.map((own) => head + own.reduce((sum, c) => sum + padded[c].length - shared, 0));
  const L = Math.max(...lengths);
  const K = (1 - start) + L;
  const place = new Float32Array(P * L * M);
  const fixed = new Float32Array(P * L * D);
  const mask = new Float32Array(P * L * K).fill(FORBIDDEN);
  const pick = new Float32Array(P * Q * L);
  groups.forEach((classes, p) => {
    // Column 0 is the start token, as a constant or as row 0; what follows is row by row.
    const see = (row: number, key: number) => mask[(p * L + row) * K + key + (1 - start)] = 0;
    const put = (row: number, token: PromptToken, position: number) => {
      const out = fixed.subarray((p * L + row) * D, (p * L + row + 1) * D);
      out.set(model.positions.subarray(position * D, (position + 1) * D));
      if ("learned" in token) place[(p * L + row) * M + token.learned] = 1;
      else model.tokenEmbedding(token.id).forEach((value, i) => out[i] += value);
    };
    for (let row = 0; row < L; row++) mask[(p * L + row) * K] = 0;
    if (start === 1) put(0, { id: model.tokenizer.startToken }, 0);
    for (let row = 0; row < shared; row++) {
      put(start + row, padded[classes[0]][row], 1 + row);
      for (let key = 0; key <= row; key++) see(start + row, start + key);
    }
    let from = head;
    classes.forEach((c, q) => {
      padded[c].slice(shared).forEach((token, i) => {
        put(from + i, token, 1 + shared + i);
        for (let key = 0; key < shared; key++) see(from + i, start + key);
        for (let key = 0; key <= i; key++) see(from + i, from + key);
      });
      pick[(p * Q + q) * L + from + prompts[c].tokens.length - 1 - shared] = 1;
      from += padded[c].length - shared;
    });
  });
  return {
    rows: lengths.reduce((sum, length) => sum + length, 0),
    place: { shape: [P, L, M], data: place },
    fixed: { shape: [P, L, D], data: fixed },
    mask: { shape: [P, 1, L, K], data: mask },
    pick: { shape: [P, Q, L], data: pick },
  };
}

/** As `textTower`, where the last block may also compute all rows. */
function variantTower<Tensor>(
  ops: Ops<Tensor>,
  tower: FrozenTextTower,
  { inputs, savings }: { inputs: readonly Tensor[]; savings: Savings },
): { features: Tensor; pullback(dFeatures: Tensor): Tensor } {
  const [contexts, place, fixed, mask, pick] = inputs;
  let x = swapped(ops, ops.add(ops.matMul(place, contexts), fixed));
  const pullbacks: ((dy: Tensor, rows?: Tensor) => Tensor)[] = [];
  tower.blocks.forEach((weights, i) => {
    const { keys, values } = tower.start[i];
    const isLast = i === tower.blocks.length - 1;
    const result = block(ops, x, weights, {
      mask,
      shared: savings.startConstant ? { keys: ops.frozen(keys), values: ops.frozen(values) } : undefined,
      pick: isLast && savings.lastRowOnly ? pick : undefined,
    });
    pullbacks.push(result.pullback);
    x = result.y;
  });
  const picked = savings.lastRowOnly ? x : pickRows(ops, pick, x);
  const final = standardized(ops, picked, tower.epsilon);
  const { weight, bias } = tower.projection;
  return {
    features: swapped(ops, ops.linear(final.normalized, weight, bias)),
    pullback(dFeatures) {
      const dPicked = final.pullback(ops.linearPullback(swapped(ops, dFeatures), weight));
      let dx = savings.lastRowOnly ? dPicked : spreadRows(ops, pick, dPicked);
      for (let i = pullbacks.length - 1; i > 0; i--) dx = pullbacks[i](dx);
      return swapped(ops, pullbacks[0](dx, ops.transpose(place, [0, 2, 1])));
    },
  };
}

/** Sequences of all images: contexts repeat for every sequence of an image, sequences for every image. */
function forImages({ place, fixed, mask, pick }: Sequences): HostTensor[] {
  const P = place.shape[0];
  const tile = ({ shape, data }: HostTensor): HostTensor => {
    const out = new Float32Array(IMAGES * data.length);
    for (let g = 0; g < IMAGES; g++) out.set(data, g * data.length);
    return { shape: [IMAGES * shape[0], ...shape.slice(1)], data: out };
  };
  const contexts = new Float32Array(IMAGES * P * M * D);
  for (let g = 0; g < IMAGES; g++) {
    for (let p = 0; p < P; p++) {
      contexts.set(contexts_GMD.data.subarray(g * M * D, (g + 1) * M * D), (g * P + p) * M * D);
    }
  }
  // With one sequence an image the masks are the same for all, and broadcast.
  const all = (tensor: HostTensor) => P === 1 ? tensor : tile(tensor);
  return [{ shape: [IMAGES * P, M, D], data: contexts }, ...[place, fixed, mask, pick].map(all)];
}

const C = session.prompts.length;
const E = model.config.embedding;

/** One way of computing the text features of all images, and pulling a gradient back to the contexts. */
function contestant({ name, savings }: { name: string; savings: Savings }) {
  const sequences = layOut(session.prompts, savings);
  const inputs = forImages(sequences);
  const cotangent = noiseTensor([inputs[0].shape[0], sequences.pick.shape[1], E], 9);
  const program = engine.program(`text features: ${name}`, (ops, [cotangent, ...inputs]) => {
    const { features, pullback } = variantTower(ops, tower, { inputs, savings });
    return [features, pullback(cotangent)];
  });
  const run = async () => (await program.run([cotangent, ...inputs]))[0].data;
  return {
    tokenRows: sequences.rows,
    run,
    async logits(): Promise<number[]> {
      const features = await run();
      return Array.from({ length: IMAGES }, (_, g) => {
        const image = { shape: [1, E], data: imageFeatures_BE.data.subarray(g * E, (g + 1) * E) };
        const texts = { shape: [C, E], data: features.subarray(g * C * E, (g + 1) * C * E) };
        return Array.from(featureLogits(image, normalizeRows(texts), { logitScale: model.logitScale }).data);
      }).flat();
    },
    dispose: () => program.dispose(),
  };
}

const PUBLISHED = VARIANTS[VARIANTS.length - 1];
const published = contestant(PUBLISHED);
const wanted = await published.logits();
await published.dispose();
const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

const quick = contestant(VARIANTS[0]);
const results = [];
for (const variant of VARIANTS) {
  // Two programs at a time: each holds the tower's weights as its engine packs them.
  const other = variant === VARIANTS[0] ? quick : contestant(variant);
  const logits = await other.logits();
  const [quickMs, ms] = await alternate(options.rounds, [() => timed(quick.run), () => timed(other.run)]);
  const largest = logits.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i])), 0);
  results.push({
    variant: variant.name,
    tokenRowsAnImage: other.tokenRows,
    ms: round(ms),
    slower: other === quick ? 1 : round(ms / quickMs, 2),
    largestDifference: Number(largest.toPrecision(2)),
    relative: Number((largest / scale).toPrecision(2)),
  });
  if (other !== quick) await other.dispose();
}
console.log(`Exact savings of the text tower, ViT-B/16 size, ${IMAGES} images × ${C} classes, forward and pull-back`);
console.log(
  `${engine.device}, ${options.threads} threads; differences are those of the logits from the published pass`,
);
printTable([
  ["", "token rows an image", "ms", "slower", "largest difference", "of the largest logit"],
  ...results.map((row) => Object.values(row).map(String)),
]);
await quick.dispose();
const deep = await openMethod(model, maple, EUROSAT_BASE);
const towers = await towerTricks(engine, { model, session: deep, rounds: options.rounds });
console.log(
  `\nPrompts inside both towers: the blocks of a MaPLe step, ${IMAGES} images × ${C} classes, forward and pull-back`,
);
printTable([Object.keys(towers[0]), ...towers.map((row) => Object.values(row).map(String))]);
printJson(options, {
  bench: "tricks",
  engine: engine.name,
  device: engine.device,
  threads: options.threads,
  largestLogit: round(scale, 2),
  variants: results,
  towers,
});
await engine.dispose();
