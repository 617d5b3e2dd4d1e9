import { assertEquals } from "jsr:@std/assert@1.0.19";
import schema from "../../data/report.schema.json" with { type: "json" };
import { reportFault } from "../../src/eval/report_check.ts";
import type { Report } from "../../src/eval/report.ts";
import { formatReport } from "../../src/eval/report_file.ts";
import { makeReport } from "./report_cases.ts";

type Loose = Record<string, unknown>;

Deno.test("a report, learned or zero-shot, has no fault after a way through JSON", async () => {
  for (const options of [{}, { method: "zeroshot" }, { evaluatedOn: "new" as const, images: 7 }]) {
    assertEquals(reportFault(JSON.parse(formatReport(await makeReport(options)))), undefined);
  }
});

Deno.test("what keeps a value from being a report is named with its place", async () => {
  const report = await makeReport({ images: 40 });
  const cases: [change: (copy: Report) => void, fault: string][] = [
    [(r) => delete (r as Partial<Report>).run, "run is missing"],
    [(r) => (r as unknown as Loose).more = 1, "more is unknown"],
    [
      (r) => (r.run.hyperparameters as Loose)["lr\x1b[31m"] = 1,
      'run.hyperparameters."lr\\u001b[31m" has no name that fits a line',
    ],
    [(r) => r.run.classNames[0] = "a\nb", 'run.classNames[0] is "a\\nb"'],
    [(r) => r.run.command = "deno \u202e", 'run.command is "deno \u202e"'],
    [(r) => (r.run as unknown as Loose).shots = 0, "run.shots is 0"],
    [(r) => (r.run as unknown as Loose).shots = "16", 'run.shots is "16", not integer'],
    [(r) => (r.run.classNames as unknown[])[2] = null, "run.classNames[2] is null, not string"],
    [
      (r) => (r.run as unknown as Loose).evaluatedOn = "old",
      'run.evaluatedOn is "old", not one of "base", "new", "all"',
    ],
    [(r) => r.on.model.sha256 = "xyz", 'on.model.sha256 is "xyz"'],
    [(r) => (r.on.model.config as unknown as Loose).image = [], "on.model.config.image is a list of 0, not object"],
    [(r) => r.results.metrics.accuracy = 101, "results.metrics.accuracy is 101"],
    [(r) => r.results.metrics.accuracy = 12, "results.metrics are not those of results.predictions"],
    [(r) => r.results.metrics.confusion[0][1]++, "results.metrics are not those of results.predictions"],
    [(r) => r.results.predictions.labels.pop(), "results.predictions has lists of two lengths"],
    [(r) => r.results.predictions.labels[3] = 5, "results.predictions names a class that is not there"],
    [(r) => r.results.worst[0].index = 1e6, "results.worst has a mistake at 1000000 that results.predictions has not"],
    [(r) => r.on.data.name = "a\x1b[31m", 'on.data.name is "a\\u001b[31m"'],
    [(r) => r.run.prompts.pop(), "run.prompts are not as many as run.classNames"],
    [(r) => r.timing.finishedAt = "yesterday", 'timing.finishedAt is "yesterday"'],
    [(r) => r.timing.seconds.training = -1, "timing.seconds.training is -1"],
  ];
  for (const [change, fault] of cases) {
    const copy = structuredClone(report);
    change(copy);
    assertEquals(reportFault(copy), fault);
  }
  assertEquals(reportFault([]), "the whole is a list of 0, not object");
});

Deno.test("the schema uses no word that the check does not know", () => {
  const known = new Set(
    ["$schema", "$id", "$defs", "title", "description", "$ref", "type", "const", "enum", "anyOf", "items", "properties"]
      .concat(["required", "additionalProperties", "minItems", "minLength", "minimum", "maximum", "pattern"]),
  );
  const walk = (part: unknown): string[] => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return [];
    return Object.entries(part).flatMap(([word, value]) => {
      if (!known.has(word)) return [word];
      if (word === "properties" || word === "$defs") return Object.values(value as object).flatMap(walk);
      if (word === "anyOf") return (value as unknown[]).flatMap(walk);
      return ["items", "additionalProperties"].includes(word) ? walk(value) : [];
    });
  };
  assertEquals(walk(schema), []);
});
