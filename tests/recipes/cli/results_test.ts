import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { harmonicMean } from "../../../src/eval/metrics.ts";
import { nextStep } from "../../../recipes/cli/next_step.ts";
import { linesOfReport, resultLines } from "../../../recipes/cli/results.ts";
import { KIT_METHODS } from "../../../src/methods/kit.ts";
import { completeSettings, type Given } from "../../../src/run/config.ts";
import { makeReport } from "../../eval/report_cases.ts";

const REPORT = await makeReport();
const STARTED = { args: [], folders: [] };

/** The last line after a run on the sample: the command for ViT-B/16, less what is the same in all. */
function lastLine(name: string, given: Given = {}): string {
  const method = KIT_METHODS.find((one) => one.name === name)!;
  const config = completeSettings(method, given);
  const lines = resultLines([REPORT], {
    ...STARTED,
    model: { name: "sample", sample: true },
    config,
    words: ["deno", "task", name],
  });
  const line = lines.find((line) => line.includes("--model ViT-B/16"))!;
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
  ...STARTED,
  model: { name: "ViT-B/16", sample: false },
  config: completeSettings(KIT_METHODS.find((one) => one.name === "cocoop")!, {}),
  words: ["deno", "task", "cocoop"],
};
const report = (seed: number, evaluatedOn: "base" | "new") => makeReport({ seed, evaluatedOn });

Deno.test("each seed has its lines and the harmonic mean of its base and new classes", async () => {
  const reports = [await report(1, "base"), await report(1, "new"), await report(2, "base"), await report(2, "new")];
  const lines = resultLines(reports, REAL);
  assertEquals(lines.filter((line) => line.startsWith("cocoop, seed")).length, 6);
  const h = harmonicMean(reports[0].results.metrics.accuracy, reports[1].results.metrics.accuracy);
  assertEquals(lines[2], `cocoop, seed 1, H (harmonic mean of base and new): ${h.toFixed(2)} %`);
  assertStringIncludes(lines[3], "cocoop, seed 2, ");
  // As they come, the same lines; and what is told is not told again.
  const come = reports.flatMap((one, i) => linesOfReport(one, reports.slice(0, i)));
  assertEquals(come, lines.slice(0, 6));
  assertEquals(resultLines(reports, { ...REAL, told: reports }), lines.slice(6));
  assertEquals(resultLines(reports, { ...REAL, told: reports.slice(0, 3) }), lines.slice(4));
  const turned = [reports[1], reports[0]].flatMap((one, i, all) => linesOfReport(one, all.slice(0, i)));
  assertEquals(turned, [lines[1], lines[0], lines[2]]);
});

Deno.test("the sample model is told to say nothing of CLIP, with the commands for it", async () => {
  const one = [await report(1, "base")];
  const lines = resultLines([one[0]], { ...REAL, model: { name: "sample", sample: true } });
  assertStringIncludes(lines.join("\n"), "say nothing about OpenAI's CLIP");
  assert(
    lines.includes(
      "  deno task cocoop --model ViT-B/16 --data data/eurosat --train base --seeds 1,2,3 --eval base,new",
    ),
  );
});

Deno.test("after a run on the user's own images nothing speaks of EuroSAT or its papers", async () => {
  const report = await makeReport();
  report.on.data.name = "Birds";
  const args = ["--data", "birds", "--model=sample", "--train", "base"];
  const lines = resultLines([report], { ...REAL, args, model: { name: "sample", sample: true } });
  assert(!/eurosat|papers/i.test(lines.join("\n")), lines.join("\n"));
  assert(lines.includes("  deno task cocoop --data birds --train base --model ViT-B/16"), lines.join("\n"));
});

/** What one would type after this. */
function nextCommand(name: string, given: Given, args: string): string | undefined {
  const method = KIT_METHODS.find((one) => one.name === name)!;
  const words = ["deno", "task", name];
  return nextStep({
    config: completeSettings(method, given),
    words,
    args: args.split(" ").filter((word) => word !== ""),
  })
    ?.command;
}

Deno.test("the next command: the other classes, then other seeds, then another method, with what was typed", () => {
  const base: Given = { train: "base", eval: ["base"] };
  assertEquals(nextCommand("coop", base, "--train base --eval base --json"), "deno task coop:new");
  assertEquals(
    nextCommand("kgcoop", { ...base, lr: 0.1, fresh: true }, "--train base --eval base --lr 0.1 --fresh"),
    "deno task kgcoop --train base --lr 0.1 --eval new",
  );
  assertEquals(
    nextCommand("coop", { train: "base", eval: ["base", "new"] }, "--train base --eval base --eval base,new --seed 1"),
    "deno task coop --train base --eval base,new --seeds 1,2,3",
  );
  // An evaluation alone takes what is trained, and of other seeds nothing may be.
  assertEquals(
    nextCommand("cocoop", { eval: ["new"] }, "--eval new"),
    "deno task cocoop --eval new --train base --seeds 1,2,3",
  );
  assertEquals(nextCommand("gda", { eval: ["new"] }, "--eval new"), "deno task gda --eval new --seeds 1,2,3");
  const seeds = { seeds: [1, 2, 3] };
  assertEquals(
    nextCommand(
      "kgcoop",
      { ...seeds, train: "base", eval: ["base", "new"], over: "cocoop" },
      "--train base --seeds 1-3 --over cocoop",
    ),
    "deno task compare --methods zeroshot,kgcoop-cocoop --train base --seeds 1-3",
  );
  // It can have no result on new classes: there is nothing to evaluate.
  assertEquals(nextCommand("tip-adapter", base, "--eval base"), "deno task tip-adapter --eval base --seeds 1,2,3");
  assertEquals(nextCommand("zeroshot", {}, ""), "deno task compare --methods zeroshot,coop");
  assertEquals(nextCommand("coop", { ...seeds, train: "base", eval: ["new"] }, "--config my.yaml"), undefined);
  // What was looked at on validation images is tested, and a comparison is of test images.
  const chosen: Given = { train: "base", eval: ["val"], seeds: [2] };
  assertEquals(
    nextCommand("coop", chosen, "--train base --eval val --seeds 2 --lr 0.1"),
    "deno task coop --train base --seeds 2 --lr 0.1 --eval base",
  );
  assertEquals(
    nextCommand("coop", { ...seeds, train: "all", eval: ["val", "all"] }, "--train all --eval val,all --seeds 1-3"),
    "deno task compare --methods zeroshot,coop --train all --seeds 1-3",
  );
});

Deno.test("the report is named, of several seeds in one path", async () => {
  const folders = [1, 2].map((seed) => `runs/x/shots16/seed${seed}`);
  const lines = resultLines([await report(1, "base")], { ...REAL, folders });
  assert(lines.includes("Report: runs/x/shots16/{seed1,seed2}/report.html"), lines.join("\n"));
  const one = resultLines([await report(1, "base")], { ...REAL, folders: folders.slice(0, 1) });
  assert(one.includes("Report: runs/x/shots16/seed1/report.html"));
  // A run that was evaluated on nothing of its own test images has no other page.
  const onValidation = await makeReport({ method: "coop", validation: true });
  const apart = resultLines([onValidation], { ...REAL, folders: folders.slice(0, 1) });
  assert(apart.includes("Report: runs/x/shots16/seed1/val/report.html"), apart.join("\n"));
  assertStringIncludes(apart[0], "coop, seed 1, base, validation images: accuracy ");
  const both = [await report(1, "new"), onValidation];
  const told = resultLines(both, { ...REAL, folders: folders.slice(0, 1) });
  assert(told.includes("Report: runs/x/shots16/seed1/report.html"), told.join("\n"));
  assert(!told.some((line) => line.includes("H (harmonic mean")), "H is of test images");
});

Deno.test("a method without seeds has none in its lines", async () => {
  const zero = await makeReport({ method: "zeroshot" });
  const [first] = resultLines([zero], { ...REAL, words: ["deno", "task", "zeroshot"] });
  assertStringIncludes(first, "zeroshot, ");
});
