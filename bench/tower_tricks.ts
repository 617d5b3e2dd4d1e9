/**
 * Every exact saving of prompts inside both towers, switched off: time of the blocks of both towers at ViT-B/16's size,
 * forward and pull-back to the learned rows of a MaPLe step, and how far the gradients move.
 */
import type { BlockOptions } from "../src/clip/block.ts";
import { pickRows, spreadRows } from "../src/engine/rows.ts";
import type { FrozenBlock } from "../src/clip/block_weights.ts";
import type { ClipModel } from "../src/clip/model.ts";
import { FORBIDDEN } from "../src/clip/prompt_layout.ts";
import { stack } from "../src/clip/stack.ts";
import { causalMask } from "../src/clip/text_tower.ts";
import type { Engine, Frozen, HostTensor, Ops } from "../src/engine/ops.ts";
import type { PromptSession } from "../src/prompt/session.ts";
import { alternate, round, timed } from "./measure.ts";
import { placeholderTokens } from "./prompt_bench.ts";
import { noiseTensor } from "./random_clip.ts";

const IMAGES = 4;

/** What is computed as well. */
interface Extra {
  /** All rows of the last blocks. */
  lastRows?: boolean;
  /** What learned rows become in a block before which they are replaced again. */
  replaced?: boolean;
  /** The gradient at all rows of the first blocks' input; the learned rows are picked from it. */
  firstRows?: boolean;
  /** The gradients of the frozen maps. */
  weights?: boolean;
  /** The image tower without prompts, whose features are stored. */
  teacher?: boolean;
  /** Texts of 77 tokens, every class by itself. */
  padded?: boolean;
}

const VARIANTS: { name: string; extra: Extra }[] = [
  { name: "all savings", extra: {} },
  { name: "all rows of the last blocks", extra: { lastRows: true } },
  { name: "learned rows before they are replaced", extra: { replaced: true } },
  { name: "… and all rows of the first pull-backs", extra: { replaced: true, firstRows: true } },
  { name: "… and gradients of the frozen maps", extra: { replaced: true, firstRows: true, weights: true } },
  { name: "frozen image tower (PromptSRC)", extra: { teacher: true } },
  { name: "texts of 77 tokens", extra: { padded: true } },
  {
    name: "no savings, frozen tower, without maps",
    extra: { lastRows: true, replaced: true, firstRows: true, teacher: true, padded: true },
  },
];

/** One tower's sequences. */
interface Sequences {
  /** [L, N, D], learned rows of layer 0 in it. */
  x: HostTensor;
  /** [1, L, M] */
  place: HostTensor;
  /** The first learned row. */
  from: number;
  /** [1 or N, Q, L] */
  pick: HostTensor;
  mask?: HostTensor;
}

/** The rows of the image tower: class, patches, learned ones last. */
function imageSequences({ image }: ClipModel["config"], M: number): Sequences {
  const before = 1 + (image.size / image.patch) ** 2;
  const L = before + M;
  return {
    x: noiseTensor([L, IMAGES, image.width], 11),
    place: oneIn([1, L, M], (row, m) => row === before + m),
    from: before,
    pick: oneIn([1, 1, L], (_, row) => row === 0),
  };
}

/** The packs of a session's classes, or every class by itself with 77 tokens. */
function textSequences(model: ClipModel, session: PromptSession, padded: boolean): Sequences {
  const [ctx, M] = [session.params.ctx, session.method.shape.contextTokens];
  const D = model.config.text.width;
  if (!padded) {
    const { fixed, mask, pick, place } = model.layOut(session.prompts, session.method.shape);
    const data = fixed.data.slice();
    for (let i = 0; i < M * D; i++) data[i] += ctx.data[i];
    return { x: { shape: [fixed.shape[1], 1, D], data }, place: place!, from: 0, pick, mask };
  }
  const tokens = placeholderTokens(model, session.classNames);
  const [C, T] = [tokens.length, model.config.text.context];
  const data = new Float32Array(T * C * D);
  tokens.forEach((ids, c) =>
    ids.forEach((id, t) => {
      const learned = t >= 1 && t <= M;
      const row = learned ? ctx.data.subarray((t - 1) * D, t * D) : model.tokenEmbedding(id);
      for (let i = 0; i < D; i++) data[(t * C + c) * D + i] = row[i] + model.positions[t * D + i];
    })
  );
  const ends = tokens.map((ids) => ids.indexOf(model.tokenizer.endToken));
  const pick = new Float32Array(C * T);
  ends.forEach((end, c) => pick[c * T + end] = 1);
  return {
    x: { shape: [T, C, D], data },
    place: oneIn([1, T, M], (row, m) => row === 1 + m),
    from: 1,
    pick: { shape: [C, 1, T], data: pick },
    mask: causalMask(T, FORBIDDEN),
  };
}

function oneIn(shape: [number, number, number], isOne: (row: number, column: number) => boolean): HostTensor {
  const columns = shape[2];
  const data = Float32Array.from(
    { length: shape[1] * columns },
    (_, i) => +isOne(Math.floor(i / columns), i % columns),
  );
  return { shape, data };
}

/** Products that also give the gradients of the maps; `taken` adds each of them up to a number. */
function withWeightGradients<T>(ops: Ops<T>, blocks: readonly FrozenBlock[], taken: T[]): Ops<T> {
  const inputs = new Map<Frozen, T>();
  const parts = new Map(
    blocks.flatMap((b) => [[b.queryKeyValue.weight, b.key], [b.keyValue, b.key]] as [Frozen, Frozen][]),
  );
  const matrix = (x: T) => ops.reshape(x, [ops.shape(x).slice(0, -1).reduce((a, b) => a * b, 1), ops.shape(x).at(-1)!]);
  return {
    ...ops,
    linear(x, weight, bias) {
      inputs.set(weight, x);
      return ops.linear(x, weight, bias);
    },
    linearPullback(dy, weight) {
      const x = (inputs.get(weight) ?? inputs.get(parts.get(weight)!))!;
      taken.push(ops.sum(ops.sum(ops.matMul(matrix(dy), matrix(x), { transposeA: true }), 0), 1));
      return ops.linearPullback(dy, weight);
    },
  };
}

/** A tower's blocks on given sequences: the gradients at the learned rows of all layers, [1, depth·M, D]. */
function gradients<T>(
  ops: Ops<T>,
  blocks: readonly FrozenBlock[],
  at: {
    extra: Extra;
    from: number;
    tensors: readonly T[];
    shared?: (layer: number) => BlockOptions<T>["shared"];
  },
): T {
  const { extra, from, shared, tensors: [x, place, pick, cotangent, tokens, mask] } = at;
  const M = ops.shape(place)[2];
  const [, rows, D] = ops.shape(tokens);
  const layers = Array.from({ length: rows / M }, (_, i) => ops.slice(tokens, [0, i * M, 0], [1, M, D]));
  const learned = { place, placedOnce: !extra.firstRows, from: extra.replaced ? undefined : from, layers };
  const result = stack(ops, x, blocks, { learned, mask, pick: extra.lastRows ? undefined : pick, shared });
  const dy = extra.lastRows ? spreadRows(ops, pick, cotangent) : cotangent;
  const dTokens = ops.sum(ops.concat(result.pullbackToLearned(dy), 1), 0);
  // The features have to be computed too, as a step's loss needs them.
  const y = extra.lastRows ? pickRows(ops, pick, result.y) : result.y;
  return ops.add(dTokens, ops.scale(ops.sum(ops.sum(ops.sum(y, 0), 1), 2), 0));
}

/** Times all variants of a MaPLe step's blocks. */
export async function towerTricks(
  engine: Engine,
  { model, session, rounds }: { model: ClipModel; session: PromptSession; rounds: number },
): Promise<Record<string, string | number>[]> {
  const text = await model.text();
  const image = model.image();
  const M = session.method.shape.contextTokens;
  const depth = session.method.depth!.image;
  const images = imageSequences(model.config, M);

  function contestant({ name, extra }: { name: string; extra: Extra }) {
    const texts = textSequences(model, session, extra.padded ?? false);
    const C = session.classNames.length;
    const inputs = [images, texts].flatMap(({ x, place, pick, mask }, tower) => {
      const D = x.shape[2];
      const [rows, sequences] = tower === 0 ? [1, IMAGES] : extra.padded ? [1, C] : [C, 1];
      const cotangent = noiseTensor([rows, sequences, D], 21 + tower);
      return [x, place, pick, cotangent, noiseTensor([1, depth * M, D], 31 + tower, 0.02), ...mask ? [mask] : []];
    });
    const program = engine.program(`blocks: ${name}`, (plain, tensors) => {
      type T = typeof tensors[number];
      const taken: T[] = [];
      const ops = extra.weights ? withWeightGradients(plain, [...text.blocks, ...image.blocks], taken) : plain;
      const start = (layer: number) => {
        const { keys, values } = text.start[layer];
        return { keys: ops.frozen(keys), values: ops.frozen(values) };
      };
      const outputs = [
        gradients(ops, image.blocks, { extra, from: images.from, tensors: tensors.slice(0, 5) }),
        gradients(ops, text.blocks, {
          extra,
          from: texts.from,
          tensors: tensors.slice(5),
          shared: extra.padded ? undefined : start,
        }),
      ];
      if (extra.teacher) {
        const [L, N, D] = ops.shape(tensors[0]);
        const rows = ops.slice(tensors[0], [0, 0, 0], [L - M, N, D]);
        outputs.push(stack(ops, rows, image.blocks, { pick: ops.frozen(image.pick) }).y);
      }
      return [...outputs, ...taken];
    });
    const run = async () => (await program.run(inputs)).slice(0, 2).flatMap(({ data }) => [...data]);
    const rows = images.x.shape[0] * IMAGES + texts.x.shape[0] * texts.x.shape[1];
    return { rows, run, dispose: () => program.dispose() };
  }

  const published = contestant(VARIANTS[VARIANTS.length - 1]);
  const wanted = await published.run();
  await published.dispose();
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const quick = contestant(VARIANTS[0]);
  const results = [];
  for (const variant of VARIANTS) {
    const other = variant === VARIANTS[0] ? quick : contestant(variant);
    const got = await other.run();
    const [quickMs, ms] = await alternate(rounds, [() => timed(quick.run), () => timed(other.run)]);
    const away = got.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i])), 0);
    results.push({
      "both towers": variant.name,
      "token rows": other.rows,
      ms: round(ms),
      slower: other === quick ? 1 : round(ms / quickMs, 2),
      "of the largest gradient": Number((away / largest).toPrecision(2)),
    });
    if (other !== quick) await other.dispose();
  }
  await quick.dispose();
  return results;
}
