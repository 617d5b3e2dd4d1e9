import { assert, assertAlmostEquals, assertEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { learnTipAdapter, learnTipAdapterF } from "../../src/methods/tip_adapter.ts";
import { assertClose, fixture, task, test_NE } from "./feature_cases.ts";

Deno.test("Tip-Adapter finds PyTorch's α and β and has its logits", () => {
  const found = learnTipAdapter(task);
  assertAlmostEquals(found.chosen.beta, fixture.tip.beta, 1e-12);
  assertAlmostEquals(found.chosen.alpha, fixture.tip.alpha, 1e-12);
  assertClose(found.logits(test_NE).data, fixture.tip.logits, 1e-6);
  assert(typeof found.newClasses !== "function" && found.newClasses.impossible.includes("no keys"));
});

Deno.test("Tip-Adapter-F tunes its keys as torch.optim.AdamW does and keeps the first of the epochs that validate best", () => {
  const found = learnTipAdapterF(task, { epochs: fixture.tipF.epochs, lr: fixture.tipF.lr });
  // Of 30 validation images, 25, 26, 26, 25, … are right after each epoch.
  assertEquals([found.chosen.epoch, fixture.tipF.epoch], [2, 2]);
  assertAlmostEquals(found.chosen.beta, fixture.tipF.beta, 1e-12);
  assertAlmostEquals(found.chosen.alpha, fixture.tipF.alpha, 1e-12);
  assertClose(found.logits(test_NE).data, fixture.tipF.logits, 1e-6);
});

Deno.test("where tuning changes no prediction, Tip-Adapter-F keeps the first epoch", () => {
  assertEquals(learnTipAdapterF(task, { epochs: 5, lr: 1e-9 }).chosen.epoch, 1);
});

Deno.test("smaller batches take more steps and other paths, the same on every run", () => {
  const run = (batchSize: number) => learnTipAdapterF(task, { epochs: 3, lr: 0.02, batchSize }).logits(test_NE).data;
  assertEquals(run(5), run(5));
  assert(run(5).some((value, i) => Math.abs(value - run(256)[i]) > 1e-3));
});

Deno.test("keys that are too large to compute with end in a sentence: their exponentials are zeros, and zero-shot CLIP is left", () => {
  for (const [lr, words] of [[1e308, "is not finite"], [1e30, "too large to compute with"]] as const) {
    const { message } = assertThrows(() => learnTipAdapterF(task, { epochs: 3, lr }), UserError);
    assertStringIncludes(message, "Training of Tip-Adapter-F stopped in epoch 1: what it learned (keys) ");
    assertStringIncludes(message, words);
  }
});
