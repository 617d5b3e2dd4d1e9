import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { resultLines } from "../../../recipes/cli/results.ts";
import { harmonicMean } from "../../../src/eval/metrics.ts";
import { makeReport } from "../../eval/report_cases.ts";

const SAMPLE = { model: { name: "sample", sample: true }, command: "deno task cocoop" };
const REAL = { ...SAMPLE, model: { name: "ViT-B/16", sample: false } };
const report = (seed: number, evaluatedOn: "base" | "new") => makeReport({ seed, evaluatedOn });

Deno.test("each seed has its lines and the harmonic mean of its base and new classes", async () => {
  const reports = [await report(1, "base"), await report(1, "new"), await report(2, "base"), await report(2, "new")];
  const lines = resultLines(reports, REAL);
  assertEquals(lines.length, 6);
  const h = harmonicMean(reports[0].results.metrics.accuracy, reports[1].results.metrics.accuracy);
  assertEquals(lines[2], `cocoop, seed 1, H (harmonic mean of base and new): ${h.toFixed(2)} %`);
  assert(lines[3].startsWith("cocoop, seed 2, "), lines[3]);
});

Deno.test("one seed on new classes is told to say little, and so is the sample model", async () => {
  const one = [await report(1, "base"), await report(1, "new")];
  assert(resultLines(one, REAL).at(-1)!.startsWith("One seed says little"));
  assertEquals(resultLines([one[0]], REAL).length, 1);
  const lines = resultLines([one[0]], SAMPLE);
  assert(lines.some((line) => line.includes("say nothing about OpenAI's CLIP")), lines.join("\n"));
  assertEquals(
    lines.at(-1),
    "  deno task cocoop --model ViT-B/16 --data data/eurosat --train base --seeds 1,2,3 --eval base,new",
  );
});

Deno.test("a method without seeds has none in its lines and its command", async () => {
  const zero = await makeReport({ method: "zeroshot" });
  const lines = resultLines([zero], { ...SAMPLE, command: "deno task zeroshot" });
  assert(lines[0].startsWith("zeroshot, "), lines[0]);
  assertEquals(lines.at(-1), "  deno task zeroshot --model ViT-B/16 --data data/eurosat --eval base,new");
});
