import { assert, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { coop, gda, lpPlusPlus } from "../../src/methods/kit.ts";
import type { Method } from "../../src/methods/method.ts";
import { type Axis, parseAxes, pointsOf } from "../../src/run/axes.ts";

const axes = (text: string, method: unknown = coop) => parseAxes(text, { method: method as Method, label: "--vary" });
const random = (text: string, points: number, seed = 1) => pointsOf(axes(text), { kind: "random", points, seed });

Deno.test("axes are settings with values, each once and as the setting has them, or with a range", () => {
  assertEquals(axes("lr=1e-3, 0.001,0.2,context-tokens=4,16,class-specific=true,false,init-words=,a photo"), [
    { name: "lr", values: ["0.001", "0.2"] },
    { name: "contextTokens", values: ["4", "16"] },
    { name: "classSpecific", values: ["true", "false"] },
    { name: "initWords", values: ["", "a photo"] },
  ]);
  assertEquals(axes("lr=0.0001..1e-2,epochs=5..50,wise=0..1"), [
    { name: "lr", low: 0.0001, high: 0.01, whole: false },
    { name: "epochs", low: 5, high: 50, whole: true },
    { name: "wise", low: 0, high: 1, whole: false },
  ]);
});

Deno.test("the grid has every combination once, the last axis first", () => {
  const points = pointsOf(axes("lr=1,2,epochs=3,4"), { kind: "grid" });
  assertEquals(points.map(({ lr, epochs }) => `${lr} ${epochs}`), ["1 3", "1 4", "2 3", "2 4"]);
  assertThrows(
    () => pointsOf(axes("lr=1..2"), { kind: "grid" }),
    UserError,
    "lr has a range, and a grid has values: list them, or draw so many settings with --random 20.",
  );
});

Deno.test("draws are the same for a seed, begin alike, and do not depend on other axes", () => {
  const few = random("lr=0.0001..0.01,epochs=5..50", 4);
  assertEquals(few, random("lr=0.0001..0.01,epochs=5..50", 9).slice(0, 4));
  assertEquals(few.map(({ lr }) => lr), random("lr=0.0001..0.01", 4).map(({ lr }) => lr));
  assert(few[0].lr !== random("lr=0.0001..0.01", 1, 2)[0].lr);
  // CPython's numbers, so that another program can draw them.
  assertEquals(few.map(({ lr }) => lr), ["0.00285", "0.00161", "0.000503", "0.00108"]);
});

Deno.test("a range is drawn log-uniformly within its ends, from 0 uniformly, whole numbers where there are no others", () => {
  const lr = random("lr=0.0001..0.01", 1000).map(({ lr }) => Number(lr));
  assert(Math.min(...lr) >= 0.0001 && Math.max(...lr) <= 0.01);
  // Each decade has half of them; uniformly the lower one would have a tenth.
  const lower = lr.filter((value) => value < 0.001).length / lr.length;
  assert(lower > 0.45 && lower < 0.55, `${lower}`);
  const wise = random("wise=0..1", 500).map(({ wise }) => Number(wise));
  const half = wise.filter((value) => value < 0.5).length / wise.length;
  assert(half > 0.42 && half < 0.58, `${half}`);
  const tokens = random("context-tokens=1..8", 100).map(({ contextTokens }) => contextTokens);
  assertEquals(tokens.toSorted(), ["1", "2", "3", "4", "5", "6", "7", "8"]);
});

Deno.test("more settings than there are end, and so do ranges with fewer numbers than digits", () => {
  assertEquals(random("lr=1,2,epochs=3,4", 50).length, 4);
  const narrow: Axis[] = [{ name: "lr", low: 0.001, high: 0.0010001, whole: false }];
  assertEquals(pointsOf(narrow, { kind: "random", points: 3, seed: 1 }), [{ lr: "0.001" }]);
});

for (
  const [text, says] of [
    ["lrr=1", '--vary names "lrr", which is no setting of CoOp. Did you mean "lr"?'],
    ["learning-rate=1", 'Did you mean "lr"?'],
    ["shots=1,2", "--vary names shots, which is not CoOp's own: of its own are epochs, batch-size, lr,"],
    ["checkpoint-every=3", "is not CoOp's own"],
    ["0.1", '--vary is "0.1": name a setting first, as in lr=0.001,0.002.'],
    ["lr=a", 'lr in --vary is "a", and must be a number from 0'],
    ["lr=", 'lr in --vary is "", and must be a number from 0'],
    ["context-tokens=0", "whole number from 1"],
    ["class-token-position=end,midle", 'Did you mean "middle"?'],
    ["lr=1,lr=2", "--vary has lr twice"],
    ["lr=2..1", "a range goes from its smaller end to its larger"],
    ["lr=1,2..3", "mixes values and a range"],
    ["context-tokens=1..200", '"200", and can be 76 at most'],
    ["class-token-position=end..front", "only numbers have a range"],
  ]
) {
  Deno.test(`what cannot be varied is refused with a sentence: ${text}`, () => {
    const { message } = assertThrows(() => axes(text), UserError);
    assert(message.includes(says), message);
  });
}

Deno.test("what a method's paper fixes, or makes another method, is not varied", () => {
  for (const [method, flag] of [[gda, "tune-on=full"], [lpPlusPlus, "tune-on=full"]] as const) {
    assertThrows(() => axes(flag, method), UserError, "tune-on");
  }
});
