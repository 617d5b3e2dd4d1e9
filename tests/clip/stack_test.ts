import { assertEquals, assertLess, assertThrows } from "jsr:@std/assert@1.0.19";
import { block, type BlockOptions } from "../../src/clip/block.ts";
import { freezeBlock, type FrozenBlock } from "../../src/clip/block_weights.ts";
import { type LearnedRows, stack, type StackOptions } from "../../src/clip/stack.ts";
import type { Engine, HostTensor, Ops } from "../../src/engine/ops.ts";
import { randomTensor, relativeL2, runOnce, withEngine } from "../engine/ops_cases.ts";
import { awayFromDifferences, bothGradients, inner, TWO_LAYERS, twoLayers } from "./tower_cases.ts";

const [N, L, M, Q, X] = [2, 6, 2, 2, 1];
const BLOCKS = 3;
const D = TWO_LAYERS.text.width;
const H = TWO_LAYERS.text.heads;

/** Token m stands in row 1 + m, as contexts do in a text. */
const FROM = 1;
const PLACE = zeroOne([1, L, M], (row, m) => row === FROM + m);
/** Token 0 stands in rows 1 and 4, token 1 in rows 2 and 5. */
const TWICE = zeroOne([1, L, M], (row, m) => row % 3 === FROM + m);

function zeroOne(shape: [number, number, number], isOne: (row: number, column: number) => boolean): HostTensor {
  const [, rows, columns] = shape;
  return {
    shape,
    data: Float32Array.from({ length: rows * columns }, (_, i) => +isOne(Math.floor(i / columns), i % columns)),
  };
}

/** What a case gives besides the rows; the keys of the start token come before the others. */
const PARTS = {
  mask: (withShared: boolean): HostTensor => {
    const extra = withShared ? X : 0;
    const data = Float32Array.from({ length: L * (extra + L) }, (_, i) => {
      const [row, key] = [Math.floor(i / (extra + L)), i % (extra + L)];
      return key > extra + row ? -1e9 : 0;
    });
    return { shape: [1, 1, L, extra + L], data };
  },
  pick: zeroOne([1, Q, L], (row, column) => column === (row === 0 ? 0 : L - 1)),
  shared: [randomTensor([X, 1, H, 64], 21), randomTensor([X, 1, H, 64], 22)],
};

interface Case {
  /** Layers of learned tokens: 0, 1 or several. */
  depth: number;
  mask: boolean;
  pick: boolean;
  shared: boolean;
  twice: boolean;
  /** The stack knows where the learned rows are, and need not compute those that it replaces. */
  known?: boolean;
}

const BOOLEANS = [false, true];
const CASES: Case[] = [0, 1, 2, BLOCKS].flatMap((depth) =>
  BOOLEANS.flatMap((mask) =>
    BOOLEANS.flatMap((pick) => BOOLEANS.map((shared) => ({ depth, mask, pick, shared, twice: false })))
  )
);
CASES.push(...CASES.filter(({ depth }) => depth > 0).map((at) => ({ ...at, known: true })));
CASES.push(...[1, 2].map((depth) => ({ depth, mask: true, pick: true, shared: true, twice: true })));

function nameOf({ depth, twice, ...parts }: Case): string {
  const rows = depth === 0 ? "no learned rows" : depth === 1 ? "rows of layer 0" : `rows of ${depth} layers`;
  const others = Object.entries(parts).filter(([, given]) => given).map(([name]) => name);
  return [twice ? `${rows}, each token twice` : rows, ...others].join(", ");
}

/** What a stack is given as tensors: the rows, all tokens [N, depth·M, D], and what the case adds. */
function inputsOf({ depth, mask, pick, shared, twice }: Case): HostTensor[] {
  return [
    depth === 0 ? randomTensor([L, N, D], 31) : randomTensor([N, depth * M, D], 32),
    randomTensor([L, N, D], 31),
    twice ? TWICE : PLACE,
    ...(mask ? [PARTS.mask(shared)] : []),
    ...(pick ? [PARTS.pick] : []),
    ...(shared ? PARTS.shared : []),
  ];
}

/** The rows before the first block, and the stack's options, of those tensors. */
function given<T>(ops: Ops<T>, at: Case, inputs: readonly T[]): { x: T; options: StackOptions<T> } {
  const [first, rows_LND, place, ...rest] = inputs;
  const layers = Array.from({ length: at.depth }, (_, i) => ops.slice(first, [0, i * M, 0], [N, M, D]));
  const learned: LearnedRows<T> | undefined = at.depth === 0 ? undefined : {
    place,
    placedOnce: !at.twice,
    from: at.known ? FROM : undefined,
    layers,
  };
  const mask = at.mask ? rest.shift() : undefined;
  const pick = at.pick ? rest.shift() : undefined;
  const [keys, values] = rest;
  const x = at.depth === 0 ? first : ops.add(rows_LND, ops.transpose(ops.matMul(place, layers[0]), [1, 0, 2]));
  return { x, options: { learned, mask, pick, shared: at.shared ? () => ({ keys, values }) : undefined } };
}

async function withBlocks(fn: (engine: Engine, blocks: FrozenBlock[]) => Promise<void>): Promise<void> {
  await withEngine("cpu", async (engine) => {
    const clip = twoLayers();
    const [a, b] = [0, 1].map((i) =>
      freezeBlock(engine, (name) => clip.tensor(name), {
        prefix: `transformer.resblocks.${i}`,
        tower: clip.config.text,
      })
    );
    await fn(engine, [a, b, a]);
  });
}

for (const depth of [0, 1, 2, BLOCKS]) {
  Deno.test(`a stack's pull-back equals tfjs's autodiff and central differences, ${depth} layers learned`, async () => {
    await withBlocks(async (engine, blocks) => {
      for (const at of CASES.filter((at) => at.depth === depth)) {
        const inputs = inputsOf(at);
        const cotangent = randomTensor([at.pick ? Q : L, N, D], 41);
        const { byHand, byAutodiff } = await bothGradients((ops, inputs) => {
          const { x, options } = given(ops, at, inputs);
          const { y, pullback, pullbackToLearned } = stack(ops, x, blocks, options);
          return { y, pullback: (dy) => depth === 0 ? pullback(dy) : ops.concat(pullbackToLearned(dy), 1) };
        }, { inputs, cotangent });
        assertLess(relativeL2(byHand.data, byAutodiff.data), 1e-5, nameOf(at));

        const program = engine.program("stack", (ops, inputs) => {
          const { x, options } = given(ops, at, inputs);
          return [stack(ops, x, blocks, options).y];
        });
        const away = await awayFromDifferences(
          async (first) => inner((await program.run([first, ...inputs.slice(1)]))[0], cotangent),
          { at: inputs[0], gradient: byHand.data, directions: 2 },
        );
        assertLess(away, 5e-3, nameOf(at));
      }
    });
  });
}

/** The blocks one after the other, written out: rows before the learned ones, the learned ones, rows after them. */
function writtenOut<T>(ops: Ops<T>, blocks: readonly FrozenBlock[], { x, options }: ReturnType<typeof given<T>>): T {
  const { learned, mask, pick, shared } = options;
  let h = x;
  blocks.forEach((weights, i) => {
    const tokens = i > 0 ? learned?.layers[i] : undefined;
    if (tokens !== undefined) {
      const before = ops.slice(h, [0, 0, 0], [FROM, N, D]);
      const after = ops.slice(h, [FROM + M, 0, 0], [L - FROM - M, N, D]);
      h = ops.concat([before, ops.transpose(tokens, [1, 0, 2]), after], 0);
    }
    const atBlock: BlockOptions<T> = { mask, shared: shared?.(i), pick: i === blocks.length - 1 ? pick : undefined };
    h = block(ops, h, weights, atBlock).y;
  });
  return h;
}

Deno.test("rows are replaced before the blocks after the first, and flow on after the last layer", async () => {
  await withBlocks(async (engine, blocks) => {
    for (const at of CASES.filter(({ twice }) => !twice)) {
      const [got, wanted] = await runOnce(engine, (ops, inputs) => {
        const all = given(ops, at, inputs);
        return [stack(ops, all.x, blocks, all.options).y, writtenOut(ops, blocks, all)];
      }, inputsOf(at));
      assertLess(relativeL2(got.data, wanted.data), 1e-6, nameOf(at));
    }
  });
});

Deno.test("sequences may share the tokens of a layer; the pull-back gives each sequence's part", async () => {
  const at: Case = { depth: 2, mask: true, pick: true, shared: true, twice: false };
  await withBlocks(async (engine, blocks) => {
    const [, ...others] = inputsOf(at);
    const tokens = randomTensor([1, 2 * M, D], 51);
    const each = { shape: [N, 2 * M, D], data: Float32Array.of(...tokens.data, ...tokens.data) };
    const outputs = await runOnce(
      engine,
      (ops, [tokens, each, cotangent, ...others]) =>
        [tokens, each].flatMap((tokens) => {
          const { x, options } = given(ops, at, [each, ...others]);
          const layers = [0, 1].map((i) => ops.slice(tokens, [0, i * M, 0], [ops.shape(tokens)[0], M, D]));
          const result = stack(ops, x, blocks, { ...options, learned: { ...options.learned!, layers } });
          return [result.y, ...result.pullbackToLearned(cotangent)];
        }),
      [tokens, each, randomTensor([Q, N, D], 52), ...others],
    );
    const [shared, separate] = [outputs.slice(0, 3), outputs.slice(3)];
    assertEquals(shared.slice(1).map(({ shape }) => shape), [[N, M, D], [N, M, D]]);
    shared.forEach(({ data }, i) => assertLess(relativeL2(data, separate[i].data), 1e-6));
  });
});

Deno.test("the gradient at all rows of the first block equals tfjs's autodiff where later blocks replace some", async () => {
  const at: Case = { depth: 2, mask: true, pick: false, shared: false, twice: false };
  await withBlocks(async (_, blocks) => {
    const [tokens, rows, place, ...others] = inputsOf(at);
    const { byHand, byAutodiff } = await bothGradients((ops, [x, tokens, place, ...others]) => {
      const { options } = given(ops, at, [tokens, x, place, ...others]);
      const { y, pullback } = stack(ops, x, blocks, options);
      return { y, pullback };
    }, { inputs: [rows, tokens, place, ...others], cotangent: randomTensor([L, N, D], 61) });
    assertLess(relativeL2(byHand.data, byAutodiff.data), 1e-5);
  });
});

Deno.test("a stack refuses more layers than blocks, and a pull-back to rows that are not there", async () => {
  await withBlocks(async (engine, blocks) => {
    await runOnce(engine, (ops, [x, place, tokens]) => {
      const layers = new Array(blocks.length + 1).fill(tokens);
      assertThrows(() => stack(ops, x, blocks, { learned: { place, layers } }), Error, "4 layers do not fit 3 blocks");
      const { y, pullbackToLearned } = stack(ops, x, blocks);
      assertThrows(() => pullbackToLearned(y), Error, "No rows of this stack are learned");
      return [y];
    }, [randomTensor([L, N, D], 31), PLACE, randomTensor([1, M, D], 32)]);
  });
});
