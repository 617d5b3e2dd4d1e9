import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { UserError } from "../../src/errors.ts";
import { kgcoop } from "../../src/methods/kgcoop.ts";
import { maple } from "../../src/methods/maple.ts";
import { tcp } from "../../src/methods/tcp.ts";
import { publishedValues } from "../../src/methods/method.ts";
import type { PromptLearning } from "../../src/methods/method.ts";
import type { PublishedPrompt } from "../../src/published/checkpoint.ts";
import { fittingParameters } from "../../src/published/fit.ts";
import { layoutOf } from "../../src/published/layouts.ts";
import { CLASSES, UNEQUAL } from "../methods/tower_method_cases.ts";

/** The parameters of tensors of these shapes that fit the small model, by name. */
async function fitting(method: unknown, shapes: Record<string, number[]>, settings: Record<string, unknown>) {
  const learning = method as PromptLearning;
  const params = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, { shape, data: new Float32Array() }]),
  );
  const layout = layoutOf(new Map(Object.entries(shapes)), "FILE");
  const prompt = { layout, params, file: { path: "FILE" } } as unknown as PublishedPrompt;
  const tokenizer = await loadTokenizer();
  return Object.keys(
    await fittingParameters(prompt, {
      method: learning,
      values: { ...publishedValues(learning as never, null, 16), ...settings },
      classNames: CLASSES,
      table: { tokenizer, width: 64, name: "small", embedding: () => new Float32Array(64) },
      config: UNEQUAL,
    }),
  );
}

const DEEP = {
  ctx: [2, 64],
  "proj.weight": [128, 64],
  "proj.bias": [128],
  "compound_prompts_text.0": [2, 64],
  "compound_prompt_projections.0.weight": [128, 64],
  "compound_prompt_projections.0.bias": [128],
};

Deno.test("the tensors are those of the method in this model; MaPLe's of layers beyond the shorter tower are left out", async () => {
  assertEquals(await fitting(maple, DEEP, { depth: 2 }), Object.keys(DEEP));
  const beyond = {
    ...DEEP,
    "compound_prompts_text.1": [2, 64],
    "compound_prompt_projections.1.weight": [128, 64],
    "compound_prompt_projections.1.bias": [128],
  };
  assertEquals(await fitting(maple, beyond, { depth: 3 }), Object.keys(DEEP));
  assertEquals(await fitting(kgcoop, { ctx: [3, 5, 64] }, { contextTokens: 5, classSpecific: true }), ["ctx"]);
  // TCP's features of hand-written texts take no model that computes.
  const net = {
    ctx: [4, 64],
    "meta_net.linear1.weight": [6, 24],
    "meta_net.linear1.bias": [6],
    "meta_net.linear2.weight": [256, 6],
    "meta_net.linear2.bias": [256],
  };
  assertEquals(await fitting(tcp, net, { classBlock: 2 }), Object.keys(net));
  await assertRejects(
    () => fitting(tcp, net, {}),
    UserError,
    "TCP's tokens of the classes come in before text block 8, and the text tower of small has blocks 0 to 2: say before " +
      "which they came in by --class-block.",
  );
  const missing = { ...DEEP } as Partial<typeof DEEP>;
  delete missing["compound_prompt_projections.0.bias"];
  await assertRejects(
    () => fitting(maple, missing as typeof DEEP, { depth: 2 }),
    UserError,
    'FILE is not whole, MaPLe\'s tensor "compound_prompt_projections.0.bias" is missing in it',
  );
  await assertRejects(
    () => fitting(maple, { ...DEEP, "proj.weight": [64, 64] }, { depth: 2 }),
    UserError,
    '"proj.weight" of FILE is [64, 64] and MaPLe learns [128, 64] with small',
  );
  await assertRejects(
    () => fitting(maple, { ...DEEP, "proj.scale": [1] }, { depth: 2 }),
    UserError,
    'FILE holds "proj.scale", which MaPLe does not learn with small',
  );
});
