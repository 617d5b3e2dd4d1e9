import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { cocoop, coop, kgcoop, prograd } from "../../src/methods/kit.ts";
import { withVariants } from "../../src/methods/method.ts";

for (
  const [method, name, label, preset, own] of [
    [kgcoop, "kgcoop", "KgCoOp", "kgcoop-cvpr23", ["lambda"]],
    [prograd, "prograd", "ProGrad", "prograd-iccv23", ["lambda", "contextStart"]],
  ] as const
) {
  Deno.test(`${label} goes over CoOp's contexts, and over CoCoOp's as a method of another name`, () => {
    const [over, other, ...heads] = withVariants(method as never);
    assertEquals(heads.map(({ name }) => name), name === "kgcoop" ? ["kgcoop-dept"] : []);
    assertEquals([over.name, over.label, Object.keys(over.presets)], [name, label, ["seed-notebook", preset]]);
    assertEquals([other.name, other.label, Object.keys(other.presets)], [
      `${name}-cocoop`,
      `${label} over CoCoOp`,
      ["seed-notebook"],
    ]);
    for (const [one, base] of [[over, coop], [other, cocoop]] as const) {
      const { settings, settings: { lambda, over: whose } } = one;
      assertEquals(Object.keys(settings), [...Object.keys(base.settings), ...own, "over"]);
      for (const [setting, value] of Object.entries(base.settings)) assert(settings[setting] === value, setting);
      assertEquals([whose.default, whose.changesNumbers, lambda.changesNumbers], [base.name, false, undefined]);
    }
  });
}
