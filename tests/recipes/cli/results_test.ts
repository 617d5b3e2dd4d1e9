import { assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { harmonicMean } from "../../../src/eval/metrics.ts";
import { resultLines } from "../../../recipes/cli/results.ts";
import { KIT_METHODS } from "../../../src/methods/kit.ts";
import { completeSettings, type Given } from "../../../src/run/config.ts";
import { makeReport } from "../../eval/report_cases.ts";

const REPORT = await makeReport();

/** The last line after a run on the sample: the command for ViT-B/16, less what is the same in all. */
function lastLine(name: string, given: Given = {}): string {
  const method = KIT_METHODS.find((one) => one.name === name)!;
  const config = completeSettings(method, given);
  const line = resultLines([REPORT], { model: { name: "sample", sample: true }, config, words: ["deno", "task", name] })
    .at(-1)!;
  const start = `  deno task ${name} `;
  assertStringIncludes(line, " --model ViT-B/16 --data data/eurosat");
  assertEquals(line.slice(0, start.length), start);
  return line.slice(start.length).replace("--model ViT-B/16 --data data/eurosat ", "").replace("--seeds 1,2,3 ", "");
}

Deno.test("the last line is a command that the method can run, for what was run", () => {
  for (const name of ["coop", "cocoop", "kgcoop", "prograd", "gda", "clip-adapter"]) {
    assertEquals(lastLine(name), "--train base --eval base,new", name);
  }
  for (const name of ["tip-adapter", "tip-adapter-f", "lp++", "linear-probe"]) {
    assertEquals(lastLine(name), "--train base --eval base", name);
    assertEquals(lastLine(name, { train: "new" }), "--train new --eval new", name);
  }
  for (const name of ["coop", "gda", "tip-adapter", "linear-probe"]) {
    assertEquals(lastLine(name, { train: "all" }), "--train all --eval all", name);
  }
  assertEquals(lastLine("gda", { eval: ["all"] }), "--train all --eval all");
  assertEquals(lastLine("coop", { train: "all", eval: ["base", "caltech101:all"] }), "--train all --eval base");
  assertEquals(lastLine("coop", { eval: ["new"] }), "--train base --eval base,new");
  assertEquals(lastLine("zeroshot"), "--eval base,new");
  assertEquals(lastLine("zeroshot", { eval: ["new"] }), "--eval base,new");
  assertEquals(lastLine("zeroshot", { eval: ["all"] }), "--eval all");
});

Deno.test("variant, preset and shots of the run stay in the last line", () => {
  assertEquals(lastLine("kgcoop", { over: "cocoop" }), "--over cocoop --train base --eval base,new");
  assertEquals(lastLine("gda", { tuneOn: "full" }), "--tune-on full --train base --eval base,new");
  assertEquals(
    lastLine("coop", { preset: "coop-ijcv22", shots: 4 }),
    "--preset coop-ijcv22 --shots 4 --train all --eval all",
  );
});

const REAL = {
  model: { name: "ViT-B/16", sample: false },
  config: completeSettings(KIT_METHODS.find((one) => one.name === "cocoop")!, {}),
  words: ["deno", "task", "cocoop"],
};
const report = (seed: number, evaluatedOn: "base" | "new") => makeReport({ seed, evaluatedOn });

Deno.test("each seed has its lines and the harmonic mean of its base and new classes", async () => {
  const reports = [await report(1, "base"), await report(1, "new"), await report(2, "base"), await report(2, "new")];
  const lines = resultLines(reports, REAL);
  assertEquals(lines.length, 6);
  const h = harmonicMean(reports[0].results.metrics.accuracy, reports[1].results.metrics.accuracy);
  assertEquals(lines[2], `cocoop, seed 1, H (harmonic mean of base and new): ${h.toFixed(2)} %`);
  assertStringIncludes(lines[3], "cocoop, seed 2, ");
});

Deno.test("one seed on new classes is told to say little, and so is the sample model", async () => {
  const one = [await report(1, "base"), await report(1, "new")];
  assertStringIncludes(resultLines(one, REAL).at(-1)!, "One seed says little");
  assertEquals(resultLines([one[0]], REAL).length, 1);
  const lines = resultLines([one[0]], { ...REAL, model: { name: "sample", sample: true } });
  assertStringIncludes(lines.join("\n"), "say nothing about OpenAI's CLIP");
  assertEquals(
    lines.at(-1),
    "  deno task cocoop --model ViT-B/16 --data data/eurosat --train base --seeds 1,2,3 --eval base,new",
  );
});

Deno.test("of another data set there is no command for EuroSAT", async () => {
  const report = await makeReport();
  report.on.data.name = "Birds";
  const lines = resultLines([report], { ...REAL, model: { name: "sample", sample: true } });
  assertStringIncludes(lines.at(-1)!, "say nothing about OpenAI's CLIP.");
});

Deno.test("a method without seeds has none in its lines", async () => {
  const zero = await makeReport({ method: "zeroshot" });
  const [first] = resultLines([zero], { ...REAL, words: ["deno", "task", "zeroshot"] });
  assertStringIncludes(first, "zeroshot, ");
});
