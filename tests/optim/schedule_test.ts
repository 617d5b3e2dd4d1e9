import { assertAlmostEquals, assertEquals } from "jsr:@std/assert@1.0.19";
import { learningRate } from "../../src/optim/schedule.ts";

const notebook = { rate: 0.0025, epochs: 100, warmupEpochs: 1, warmupRate: 1e-5 };

Deno.test("one epoch of warm-up, then the base rate", () => {
  assertEquals(learningRate(1, notebook), 1e-5);
  assertEquals(learningRate(2, notebook), 0.0025);
});

// Made with torch.optim.lr_scheduler.CosineAnnealingLR(T_max=100), stepped e − 2 times; the last is what the published log ends with.
Deno.test("the cosine is PyTorch's, to all digits that a log prints", () => {
  const printed = { 3: "2.4994e-03", 27: "2.1339e-03", 52: "1.2500e-03", 100: "2.4666e-06" };
  for (const [epoch, digits] of Object.entries(printed)) {
    const [mantissa, exponent] = learningRate(Number(epoch), notebook).toExponential(4).split("e");
    assertEquals(`${mantissa}e-0${-Number(exponent)}`, digits);
  }
});

Deno.test("without a warm-up the cosine starts in the first epoch", () => {
  const schedule = { ...notebook, warmupEpochs: 0, epochs: 10 };
  assertEquals(learningRate(1, schedule), 0.0025);
  assertAlmostEquals(learningRate(6, schedule), 0.00125, 1e-12);
});
