import { assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import {
  type ClassPrompt,
  classPrompt,
  type ClassTokenPosition,
  FORBIDDEN,
  layOut,
  packSizes,
} from "../../src/clip/prompt_layout.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { UserError } from "../../src/errors.ts";

const [NAME, STOP, END] = [10, 2, 49];

const prompt = (
  position: ClassTokenPosition,
  options: { name?: number[]; M?: number; classSpecific?: boolean } = {},
) => {
  const { name = [NAME, NAME + 1], M = 3, classSpecific = false } = options;
  return classPrompt([...name, STOP, END], {
    contextTokens: M,
    nameLength: name.length,
    position,
    classSpecific,
    longest: 12,
    className: "pond",
  });
};

/** `v0` a learned token, a number a frozen one. */
const spelled = ({ tokens }: ClassPrompt) =>
  tokens.map((token) => "id" in token ? String(token.id) : `v${token.learned}`).join(" ");

Deno.test("learned tokens, name and full stop stand as published in all three positions", () => {
  assertEquals(spelled(prompt("end")), "v0 v1 v2 10 11 2 49");
  assertEquals(spelled(prompt("middle")), "v0 10 11 v1 v2 2 49");
  assertEquals(spelled(prompt("front")), "10 11 v0 v1 v2 2 49");
  assertEquals((["end", "middle", "front"] as const).map((position) => prompt(position).shared), [3, 1, 0]);
  assertEquals(prompt("end", { classSpecific: true }).shared, 0);
});

Deno.test("a prompt that is longer than the model reads is a user error that names the class", () => {
  assertEquals(prompt("end", { M: 7 }).tokens.length, 11);
  assertThrows(() => prompt("end", { M: 8 }), UserError, '"pond" has 13 tokens, more than the 12');
});

const layout = (
  prompts: ClassPrompt[],
  options: { classSpecific?: boolean; rowsPerPack?: number; branches?: boolean } = {},
) =>
  layOut(prompts, {
    contextTokens: 3,
    branches: options.branches,
    classSpecific: options.classSpecific ?? false,
    width: 2,
    embedding: (id) => Float32Array.of(id, 0),
    positions: Float32Array.from({ length: 24 }, (_, i) => i % 2 === 1 ? (i - 1) / 2 : 0),
    rowsPerPack: options.rowsPerPack ?? 100,
  });

/** Which keys a row sees, the start token as `s`. */
function sees({ mask }: ReturnType<typeof layout>, row: number): string {
  const K = mask.shape[3];
  const keys = Array.from(mask.data.subarray(row * K, (row + 1) * K));
  return keys.map((value, key) => value === FORBIDDEN ? "" : key === 0 ? "s" : String(key - 1)).filter((k) => k).join(
    " ",
  );
}

Deno.test("two classes share the context rows, see their own rows alone, and end where their end token is", () => {
  const pack = layout([prompt("end", { name: [10] }), prompt("end", { name: [20, 21] })]);
  assertEquals(pack.fixed.shape, [1, 3 + 3 + 4, 2]);
  assertEquals(pack.tokenRows, 10);
  assertEquals([0, 2, 3, 5, 6, 9].map((row) => sees(pack, row)), [
    "s 0",
    "s 0 1 2",
    "s 0 1 2 3",
    "s 0 1 2 3 4 5",
    "s 0 1 2 6",
    "s 0 1 2 6 7 8 9",
  ]);
  assertEquals([0, 1].map((q) => pack.pick.data.subarray(q * 10, (q + 1) * 10).indexOf(1)), [5, 9]);
  const rows = Array.from({ length: 10 }, (_, row) => Array.from(pack.fixed.data.subarray(row * 2, row * 2 + 2)));
  // Token id, then position: both names begin at position 4, behind start and context.
  assertEquals(rows.slice(3), [[10, 4], [2, 5], [49, 6], [20, 4], [21, 5], [2, 6], [49, 7]]);
});

Deno.test("a learned token stands in one row, or in one row for every class of a pack", () => {
  const two = (position: ClassTokenPosition, classSpecific = false) =>
    layout([prompt(position, { classSpecific }), prompt(position, { classSpecific })], { classSpecific });
  const most = ({ place }: ReturnType<typeof layout>) => {
    const [, L, M] = place!.shape;
    const columns = Array.from(
      { length: M },
      (_, m) => Array.from({ length: L }, (_, row) => place!.data[row * M + m]).reduce((sum, value) => sum + value, 0),
    );
    return Math.max(...columns);
  };
  assertEquals([two("end"), two("middle"), two("front"), two("middle", true)].map(most), [1, 2, 2, 1]);
  assertEquals(
    [two("end"), two("middle"), two("front"), two("middle", true)].map(({ placedOnce }) => placedOnce),
    [true, false, false, true],
  );
});

Deno.test("classes fill packs evenly, and what is missing in the last pack picks its first class", () => {
  const packs = layout(Array.from({ length: 5 }, () => prompt("end")), { rowsPerPack: 11 });
  assertEquals(packs.pick.shape, [3, 2, 11]);
  assertEquals(packs.classes, 5);
  const last = packs.pick.data.subarray(4 * 11);
  assertEquals([last.subarray(0, 11).indexOf(1), last.subarray(11).indexOf(1)], [6, 6]);
});

Deno.test("packs that are laid out a few at a time are those of all prompts at once", () => {
  const names = [[10], [11, 12, 13], [14, 15], [16], [17, 18, 19, 20], [21], [22]];
  const prompts = names.map((name) => prompt("end", { name, M: 0 }));
  const options = {
    ...{ contextTokens: 0, classSpecific: false, width: 2, rowsPerPack: 9 },
    embedding: (id: number) => Float32Array.of(id, 0),
    positions: Float32Array.from({ length: 24 }, (_, i) => i),
  };
  const { P, Q, L } = packSizes(prompts, options);
  assertEquals([P, Q, L], [3, 3, 12]);
  const whole = layOut(prompts, options);
  for (let p = 0; p < P; p += 2) {
    const few = layOut(prompts.slice(p * Q, (p + 2) * Q), { ...options, classesPerPack: Q, rows: L });
    for (const name of ["fixed", "mask", "pick"] as const) {
      const a = whole[name];
      const size = a.data.length / P;
      assertEquals(few[name].shape.slice(1), a.shape.slice(1));
      assertEquals([...few[name].data], [...a.data.subarray(p * size, (p + 2) * size)], name);
    }
  }
});

Deno.test("where rows branch, each class goes on with its own rows, and contexts of its own come in", () => {
  const prompts = [prompt("end", { name: [10] }), prompt("end", { name: [20, 21] }), prompt("end", { name: [30] })];
  const { branch, ...pack } = layout(prompts, { branches: true, rowsPerPack: 10 });
  const { place, spread, mask } = branch!;
  assertEquals([pack.fixed.shape, place.shape, spread.shape], [[2, 10, 2], [2, 13, 6], [2, 13, 10]]);
  const ones = (x: HostTensor, pack: number) => {
    const [, rows, columns] = x.shape;
    const at = (row: number) => [...x.data.subarray((pack * rows + row) * columns).subarray(0, columns)].indexOf(1);
    return Array.from({ length: rows }, (_, row) => at(row)).join(" ");
  };
  // Three contexts, then name, full stop and end: of the first class rows 3 to 5 of the shared pack, of the second 6 to 9.
  assertEquals(ones(place, 0), "0 1 2 -1 -1 -1 3 4 5 -1 -1 -1 -1");
  assertEquals(ones(spread, 0), "-1 -1 -1 3 4 5 -1 -1 -1 6 7 8 9");
  assertEquals(ones(spread, 1), "-1 -1 -1 3 4 5 -1 -1 -1 -1 -1 -1 -1");
  assertEquals(ones(pack.pick, 0), "5 12");
  // The last pack has one class, which stands in for the one that is missing.
  assertEquals(ones(pack.pick, 1), "5 5");
  assertEquals([5, 6, 12].map((row) => sees({ ...pack, mask }, row)), ["s 0 1 2 3 4 5", "s 6", "s 6 7 8 9 10 11 12"]);
});
