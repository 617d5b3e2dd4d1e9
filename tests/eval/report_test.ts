import { assert, assertAlmostEquals, assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import Ajv from "npm:ajv@8.20.0/dist/2020.js";
import schema from "../../data/report.schema.json" with { type: "json" };
import config from "../../deno.json" with { type: "json" };
import { UserError } from "../../src/errors.ts";
import { joinOutcomes, outcomeOf } from "../../src/eval/outcome.ts";
import { hashTestList, type Report } from "../../src/eval/report.ts";
import { formatReport, readReport, writeReport } from "../../src/eval/report_file.ts";
import { KIT_VERSION } from "../../src/version.ts";
import { makeReport } from "./report_cases.ts";

const validate = new Ajv.default({ allErrors: true, strictTypes: false }).compile(schema);

Deno.test("reports of learned and of zero-shot runs fit the schema, as built and as read from a file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const method of ["cocoop", "zeroshot"]) {
      const report = await makeReport({ method, evaluatedOn: "new" });
      assert(validate(report), JSON.stringify(validate.errors));
      const path = await writeReport(folder, report);
      assertEquals(path, `${folder}/report-new.json`);
      assertEquals(await readReport(path), report);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the schema refuses what is missing, unknown or of the wrong kind", async () => {
  const report = await makeReport();
  const broken = (change: (copy: Report) => void) => {
    const copy = structuredClone(report);
    change(copy);
    return !validate(copy);
  };
  assert(broken((copy) => Object.assign(copy, { more: 1 })));
  assert(broken((copy) => Object.assign(copy, { reportVersion: 3 })));
  assert(broken((copy) => copy.results.metrics.accuracy = 100.5));
  assert(broken((copy) => copy.on.model.sha256 = "abc"));
  assert(broken((copy) => Object.assign(copy.run, { evaluatedOn: "old" })));
  assert(broken((copy) => delete (copy.results.training as Partial<NonNullable<Report["results"]["training"]>>).loss));
});

Deno.test("two equal runs give reports that differ in their timing only", async () => {
  const { timing: first, ...one } = await makeReport();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const { timing: second, ...other } = await makeReport();
  assertEquals(one, other);
  assert(first.finishedAt !== second.finishedAt);
  assertEquals(first.seconds.training, 61.235);
});

Deno.test("lists of numbers stand on one line, so that a report can be read", async () => {
  const text = formatReport(await makeReport());
  assert(text.split("\n").length < 500, `${text.split("\n").length} lines`);
  assert(/"predictions": \[\d(,\d)+\]/.test(text));
  assertEquals(JSON.parse(text).results.predictions.labels.length, 400);
});

Deno.test("the worst mistakes are mistakes, surest first", async () => {
  const { results } = await makeReport();
  assertEquals(results.worst.length, 24);
  for (const [rank, { index, label, prediction, confidence }] of results.worst.entries()) {
    assert(label !== prediction);
    assertEquals(results.predictions.labels[index], label);
    assertEquals(results.predictions.predictions[index], prediction);
    assert(rank === 0 || confidence <= results.worst[rank - 1].confidence);
  }
});

Deno.test("outcomes are softmax and the first of the largest logits, joined in order", () => {
  const one = outcomeOf({ shape: [2, 2], data: Float32Array.of(0, Math.log(3), 50, -50) });
  assertEquals(one.predictions, [1, 0]);
  assertAlmostEquals(one.confidences[0], 0.75, 1e-6);
  assertEquals(one.confidences[1], 1);
  assertAlmostEquals(one.margins[0], 0.5, 1e-6);
  assertAlmostEquals(outcomeOf({ shape: [1, 3], data: Float32Array.of(1, 1, 0) }).margins[0], 0);
  assertEquals(joinOutcomes([one, one]).predictions, [1, 0, 1, 0]);
  assertEquals([one.losses, joinOutcomes([one, one]).losses], [undefined, undefined]);
  const { losses } = outcomeOf({ shape: [3, 2], data: Float32Array.of(0, Math.log(3), 1000, -1000, 5, 5) }, [0, 1, 1]);
  // A quarter, one that is less than any number, a half.
  assertAlmostEquals(losses![0], Math.log(4), 1e-7);
  assertEquals(losses!.slice(1), [2000, Math.log(2)]);
  const labelled = outcomeOf({ shape: [1, 2], data: Float32Array.of(0, 0) }, [0]);
  assertEquals(joinOutcomes([labelled, labelled]).losses, [Math.log(2), Math.log(2)]);
  const equal = outcomeOf({ shape: [3, 3], data: Float32Array.of(1, 2, 2, -3, -1, -2, 5, 5, 5) });
  assertEquals(equal.predictions, [1, 1, 0]);
});

Deno.test("the hash of a test list knows order and labels", async () => {
  const [a, b] = [{ path: "a.jpg", label: 0 }, { path: "b.jpg", label: 1 }];
  const hashes = await Promise.all([[a, b], [b, a], [a, { ...b, label: 0 }]].map(hashTestList));
  assertEquals(new Set(hashes).size, 3);
});

Deno.test("a report that cannot be used is named in a sentence", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/report-base.json`;
    const refusal = async (text: string) => {
      await Deno.writeTextFile(path, text);
      return (await assertRejects(() => readReport(path), UserError)).message;
    };
    assertStringIncludes(await refusal("{}"), "is not a report of this kit");
    assertStringIncludes(await refusal("null"), "is not a report of this kit");
    assertStringIncludes(await refusal('{"reportVersion": 7}'), "layout version 7");
    const deep = `{"reportVersion": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    assertStringIncludes(await refusal(deep), "layout version a list of 1, and this kit");
    assertStringIncludes(await refusal('{"reportVersion": 1}'), "not whole");
    assertStringIncludes(await refusal('{"reportVersion": 1'), "not valid JSON");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the version in reports is the package's", () => {
  assertEquals(KIT_VERSION, config.version);
});
