import { assert, assertLess } from "jsr:@std/assert@1.0.19";
import { block, type BlockOptions } from "../../src/clip/block.ts";
import { pickRows } from "../../src/engine/rows.ts";
import type { Activation } from "../../src/clip/config.ts";
import { freezeBlock, type FrozenBlock } from "../../src/clip/block_weights.ts";
import type { HostTensor, Ops } from "../../src/engine/ops.ts";
import { randomTensor, relativeL2, runOnce, withEngine } from "../engine/ops_cases.ts";
import { awayFromDifferences, bothGradients, inner, TWO_LAYERS, twoLayers } from "./tower_cases.ts";

const [N, L, Q, X] = [2, 5, 2, 1];
const D = TWO_LAYERS.text.width;
const H = TWO_LAYERS.text.heads;

/** 0/1, one row of each sequence after the other. */
function picking(rows: number, all: number, from: number): HostTensor {
  const data = new Float32Array(rows * all);
  for (let r = 0; r < rows; r++) data[r * all + (from + 2 * r) % all] = 1;
  return { shape: [1, rows, all], data };
}

/** Row r must not see keys behind it. */
function causal(extra: number): HostTensor {
  const data = new Float32Array(L * (extra + L));
  for (let r = 0; r < L; r++) data.fill(-1e9, r * (extra + L) + extra + r + 1, (r + 1) * (extra + L));
  return { shape: [1, 1, L, extra + L], data };
}

interface Case {
  name: string;
  inputs: Record<string, HostTensor>;
  rowsOut: number;
}

const shared = { keys: randomTensor([X, 1, H, 64], 21), values: randomTensor([X, 1, H, 64], 22) };
const CASES: Case[] = [
  { name: "plain", inputs: {}, rowsOut: L },
  { name: "causal mask", inputs: { mask: causal(0) }, rowsOut: L },
  { name: "keys of a start token", inputs: { mask: causal(X), ...shared }, rowsOut: L },
  { name: "picked rows", inputs: { pick: picking(Q, L, 1) }, rowsOut: Q },
  { name: "all at once", inputs: { mask: causal(X), ...shared, pick: picking(Q, L, 1) }, rowsOut: Q },
];

function run<T>(ops: Ops<T>, weights: FrozenBlock, { names, inputs }: { names: string[]; inputs: readonly T[] }) {
  const [x, ...rest] = inputs;
  const given = Object.fromEntries(names.map((name, i) => [name, rest[i]])) as Record<string, T | undefined>;
  const options: BlockOptions<T> = {
    mask: given.mask,
    pick: given.pick,
    shared: given.keys && given.values ? { keys: given.keys, values: given.values } : undefined,
  };
  return block(ops, x, weights, options);
}

const BOTH: Activation[] = ["quickgelu", "gelu"];

for (
  const { name, inputs, rowsOut, activation } of CASES.flatMap((one) =>
    BOTH.map((activation) => ({ ...one, activation }))
  )
) {
  Deno.test(`a block's pull-back (${name}, ${activation}) equals tfjs's autodiff and central differences`, async () => {
    await withEngine("cpu", async (engine) => {
      const clip = twoLayers();
      const weights = freezeBlock(engine, (tensor) => clip.tensor(tensor), {
        prefix: "transformer.resblocks.0",
        tower: { ...clip.config.text, activation },
      });
      const x = randomTensor([L, N, D], 11);
      const cotangent = randomTensor([rowsOut, N, D], 12);
      const names = Object.keys(inputs);
      const all = [x, ...Object.values(inputs)];
      const { byHand, byAutodiff } = await bothGradients(
        (ops, inputs) => run(ops, weights, { names, inputs }),
        { inputs: all, cotangent },
      );
      assertLess(relativeL2(byHand.data, byAutodiff.data), 1e-5);

      const program = engine.program("block", (ops, inputs) => [run(ops, weights, { names, inputs }).y]);
      const away = await awayFromDifferences(
        async (x) => inner((await program.run([x, ...all.slice(1)]))[0], cotangent),
        { at: x, gradient: byHand.data },
      );
      assertLess(away, 2e-3);
    });
  });
}

Deno.test("a pull-back to some rows is those rows of the whole pull-back", async () => {
  await withEngine("cpu", async (engine) => {
    const clip = twoLayers();
    const weights = freezeBlock(engine, (tensor) => clip.tensor(tensor), {
      prefix: "transformer.resblocks.1",
      tower: clip.config.text,
    });
    const rows = picking(3, L, 0);
    const [whole, some] = await runOnce(engine, (ops, [x, dy, rows]) => {
      const { pullback } = block(ops, x, weights);
      return [pickRows(ops, rows, pullback(dy)), pullback(dy, rows)];
    }, [randomTensor([L, N, D], 31), randomTensor([L, N, D], 32), rows]);
    assert(whole.data.some((value) => value !== 0));
    assertLess(relativeL2(some.data, whole.data), 1e-5);
  });
});
