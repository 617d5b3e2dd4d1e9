import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { modelCard } from "../../src/eval/model_card.ts";
import { makeReport } from "./report_cases.ts";

const options = { file: "prompt.safetensors", sha256: "ef".repeat(32) };

Deno.test("a card says what the prompt is, what it does, how it was made, and what not to expect", async () => {
  const reports = [await makeReport({ seed: 3 }), await makeReport({ seed: 3, evaluatedOn: "new", accuracy: 0.5 })];
  const card = modelCard(reports, options);
  const [base, fresh] = reports.map(({ results }) => results.metrics);
  for (
    const text of [
      "# CoCoOp prompt for eurosat",
      "35,360 numbers in `prompt.safetensors`",
      `sha256 \`${"ab".repeat(32)}\``,
      `| base | 400 | ${base.accuracy.toFixed(1)} | ${base.macroF1.toFixed(1)} |`,
      `| new | 400 | ${fresh.accuracy.toFixed(1)} |`,
      "H (harmonic mean of base and new)",
      "kit's small sample",
      "deno task classify --prompt prompt.safetensors image.jpg",
      "One seed (3)",
      "- lr: 0.0025",
      "- Command: `deno task cocoop --eval base --seed 3`",
      "token 2: photo (0.610)",
      "## Limits",
      "Prompt: not stated.",
    ]
  ) assertStringIncludes(card, text);
});

Deno.test("names cannot become markup, tables or headings", async () => {
  const report = await makeReport({ evaluatedOn: "new" });
  report.run.classNames = ["a|b", "# c\n# d", "<img src=x>", "*e*", "f"];
  report.run.command = "echo `x`";
  const card = modelCard([report], options);
  assert(!/(^|[^\\])<img/.test(card));
  assertStringIncludes(card, "a\\|b, \\# c \\# d, \\<img src=x\\>, \\*e\\*, f");
  assertStringIncludes(card, "`` echo `x` ``");
  assertEquals(card.split("\n").filter((line) => /^# /.test(line)).length, 1);
});
