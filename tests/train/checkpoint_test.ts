import { assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/train/checkpoint.ts";
import type { TrainingState } from "../../src/train/training.ts";

const START: TrainingState = {
  step: 0,
  losses: [],
  params: { ctx: { shape: [2], data: Float32Array.of(1, 2) } },
  velocity: {},
  order: [1],
};

Deno.test("a state comes back as it was, with what the writer said of the run, and equal states are equal bytes", () => {
  const state = {
    ...START,
    step: 2,
    losses: [0.1, 1 / 3],
    velocity: { ctx: Float32Array.of(0.5, -2) },
    order: [2 ** 53, 0.1],
  };
  const bytes = encodeCheckpoint(state, { method: "coop", "classes-seen": '["Ü"]' });
  const read = decodeCheckpoint(bytes, "x");
  assertEquals(read.state, state);
  assertEquals(read.metadata, { method: "coop", "classes-seen": '["Ü"]', "checkpoint-version": "1", step: "2" });
  assertEquals(encodeCheckpoint(structuredClone(state), { method: "coop", "classes-seen": '["Ü"]' }), bytes);
});

Deno.test("what does not fit together is refused with the file and what is wrong", () => {
  const refused = (state: Partial<TrainingState>, words: string) => {
    const bytes = encodeCheckpoint({ ...START, ...state }, {});
    assertThrows(() => decodeCheckpoint(bytes, "x.safetensors"), UserError, `x.safetensors is not a usable`);
    assertThrows(() => decodeCheckpoint(bytes, "x.safetensors"), UserError, words);
  };
  refused({ step: 3, losses: [1] }, "it says step 3 and has 1 losses");
  refused({ step: 1, losses: [1] }, 'the momentum of "ctx" is missing');
  refused({ params: {} }, "no learned tensor");
  refused({ step: 1, losses: [NaN] }, '"history/losses" holds numbers that are not finite');
  refused({ order: [Infinity] }, '"stream/batch-order" holds numbers that are not finite');
  refused(
    { params: { ctx: { shape: [2], data: Float32Array.of(1, NaN) } } },
    '"ctx" holds numbers that are not finite',
  );
  const bytes = encodeCheckpoint(START, {});
  const version = new TextDecoder("latin1").decode(bytes).indexOf('version":"1"') + 'version":"'.length;
  bytes[version] = "2".charCodeAt(0);
  assertThrows(() => decodeCheckpoint(bytes, "x"), UserError, "layout version 2, not 1");
});

Deno.test("Adam's squares come back, and are refused where one is missing", () => {
  const ctx = Float32Array.of(0.5, 2);
  const state = { ...START, step: 1, losses: [1], velocity: { ctx }, squares: { ctx } };
  assertEquals(decodeCheckpoint(encodeCheckpoint(state, {}), "x").state, state);
  const bias = { shape: [1], data: Float32Array.of(1) };
  const short = { ...state, params: { ...START.params, bias }, velocity: { ctx, bias: bias.data } };
  assertThrows(() => decodeCheckpoint(encodeCheckpoint(short, {}), "x"), UserError, 'gradients of "bias" is missing');
});

Deno.test("a damaged average in a checkpoint is refused", () => {
  const damaged = [{ ctx: Float64Array.of(1, NaN) }, { ctx: Float64Array.of(1) }];
  for (const average of damaged) {
    assertThrows(() => decodeCheckpoint(encodeCheckpoint({ ...START, average }, {}), "x.safetensors"), Error);
  }
  const average = { ctx: Float64Array.of(0.1, -2) };
  assertEquals(decodeCheckpoint(encodeCheckpoint({ ...START, average }, {}), "x").state, { ...START, average });
});
