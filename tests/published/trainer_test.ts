import { assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import type { PublishedPrompt } from "../../src/published/checkpoint.ts";
import { methodOf } from "../../src/published/trainer.ts";

const of = (...methods: string[]) => ({ layout: { methods }, file: { path: "FILE" } }) as unknown as PublishedPrompt;
const CONTEXT = of("coop", "kgcoop", "prograd");
const TOWERS = of("ivlp", "promptsrc", "prometar");

Deno.test("a prompt's method is the one that its folder says, that is asked for, or that alone leaves such tensors", () => {
  for (
    const [prompt, from, method] of [
      [CONTEXT, { folder: "KgCoOp" }, "kgcoop"],
      [CONTEXT, { folder: "ProGrad", asked: "prograd" }, "prograd"],
      [CONTEXT, { asked: "coop" }, "coop"],
      [CONTEXT, { asked: "KgCoOp" }, "kgcoop"],
      // No trainer's name: what stands in its place may be anything.
      [CONTEXT, { folder: "vit_b16", asked: "coop" }, "coop"],
      [TOWERS, { folder: "PromptSRC" }, "promptsrc"],
      [of("maple"), {}, "maple"],
      [of("tcp"), { folder: "TCP" }, "tcp"],
      [of("kgcoop-dept"), {}, "kgcoop-dept"],
      [of("coop-dept"), { folder: "ExtrasLinearProbeCoOp" }, "coop-dept"],
      [of("cocoop-dept"), { asked: "cocoop-dept" }, "cocoop-dept"],
    ] as const
  ) assertEquals(methodOf(prompt, from).name, method);
});

Deno.test("where nothing tells, or what tells disagrees, the method is asked for and not made up", () => {
  const refused = (prompt: PublishedPrompt, from: Parameters<typeof methodOf>[1], message: string) =>
    assertEquals(assertThrows(() => methodOf(prompt, from), UserError).message, message);
  const leave = "FILE holds tensors as CoOp, KgCoOp or ProGrad leave them";
  const say = "say --method coop, kgcoop or prograd.";
  refused(CONTEXT, {}, `${leave}, and its folders do not say which trained it: ${say}`);
  refused(CONTEXT, { folder: "LASP" }, `${leave}, and its folder says "LASP": ${say}`);
  refused(
    CONTEXT,
    { folder: "CoCoOp" },
    `${leave}, and its folder says CoCoOp: give the file from another folder, with ${say.slice(4)}`,
  );
  refused(CONTEXT, { asked: "maple" }, `${leave}, and --method says maple: ${say}`);
  refused(
    of("maple"),
    { folder: "LASP" },
    'FILE holds tensors as MaPLe leaves them, and its folder says "LASP": say --method maple.',
  );
  refused(CONTEXT, { asked: "kgcop" }, `No method "kgcop" learns prompts. Did you mean "kgcoop"? For this file ${say}`);
  const folder = "FILE was trained by KgCoOp, as its folder says, and not by CoOp";
  refused(
    CONTEXT,
    { folder: "KgCoOp", asked: "coop" },
    `${folder}: leave --method out, or give the file from another folder.`,
  );
  for (const asked of [undefined, "mmrl"]) {
    const other = "FILE was trained by MMRL, as its folder says: prompts of that method are not imported.";
    refused(CONTEXT, { folder: "MMRL", asked }, other);
  }
  // Tensors as CoOp's in another's folder, or the other way around, are not called CoOp's.
  for (const name of ["TCP", "ExtrasLinearProbeCoOp"]) {
    const where = `its folder says ${name}: give the file from another folder, with ${say.slice(4)}`;
    refused(CONTEXT, { folder: name }, `${leave}, and ${where}`);
  }
  refused(
    CONTEXT,
    { folder: "TCP", asked: "coop" },
    "FILE was trained by TCP, as its folder says, and not by CoOp: leave --method out, or give the file from another folder.",
  );
  refused(
    of("coop-dept"),
    { folder: "CoOp" },
    "FILE holds tensors as CoOp with DePT leaves them, and its folder says CoOp: give the file from another folder, with " +
      "--method coop-dept.",
  );
  refused(
    of("promptsrc", "prometar"),
    { folder: "IVLP" },
    "FILE holds tensors as PromptSRC or ProMetaR leave them, and its folder says IVLP: give the file from " +
      "another folder, with --method promptsrc or prometar.",
  );
});
