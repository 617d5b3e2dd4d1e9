import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { sweepPage } from "../../../src/eval/page/sweep_page.ts";
import { type Sweep, type SweepInput, sweepOf } from "../../../src/eval/sweep.ts";
import { makeReport } from "../report_cases.ts";

type Points = Record<string, string>[];

async function swept(points: Points, more: Pick<SweepInput, "axes" | "search">): Promise<Sweep> {
  const settings = await Promise.all(points.map(async (values, i) => ({
    values,
    reports: await Promise.all(
      [1, 2].map((seed) => makeReport({ method: "coop", seed, images: 20, validation: true, accuracy: 0.4 + 0.1 * i })),
    ),
  })));
  return sweepOf({ command: "deno task sweep --method coop", seeds: [1, 2], settings, ...more });
}

Deno.test("a grid's page has a chart of each axis: a line for each setting of the others, and a ring around what is chosen", async () => {
  const sweep = await swept(
    ["0.1", "0.01"].flatMap((lr) => ["4", "16"].map((tokens) => ({ lr, "context-tokens": tokens }))),
    {
      search: { kind: "grid" },
      axes: [{ name: "lr", values: ["0.1", "0.01"] }, { name: "context-tokens", values: ["4", "16"] }],
    },
  );
  const { html, charts, about } = await sweepPage(sweep);
  assertEquals(about, "Sweep of CoOp on eurosat, sample, 16 shots of base classes, seeds 1, 2");
  assertEquals([...charts.keys()], ["lr", "context-tokens"]);
  const lr = charts.get("lr")!;
  for (const text of ["context-tokens 4", "context-tokens 16", "accuracy on validation images, %"]) {
    assertStringIncludes(lr, text);
  }
  // Sorted by size, not as typed.
  assert(lr.indexOf(">0.01<") < lr.indexOf(">0.1<"));
  for (const svg of charts.values()) assertEquals(svg.match(/r="8"/g)?.length, 1);
  // Two lines, and for each of two values a deviation in both of them.
  assertEquals(lr.match(/<path d="M/g)!.length >= 2, true);
  assertStringIncludes(html, "<b>0.01</b>");
  assertStringIncludes(html, "Chosen on validation images");
  assert(!html.includes("Test: base"), "nothing was tested yet");
});

Deno.test("a range is drawn by its logarithm, with numbers as they are typed", async () => {
  const lr = ["0.0005", "0.002", "0.009"];
  const sweep = await swept(lr.map((value) => ({ lr: value })), {
    search: { kind: "random", points: 3, seed: 1 },
    axes: [{ name: "lr", low: 0.0001, high: 0.01 }],
  });
  const svg = (await sweepPage(sweep)).charts.get("lr")!;
  const ticks = ["0.0001", "0.0003", "0.001", "0.003", "0.01"];
  for (const tick of ticks) assertStringIncludes(svg, `>${tick}</text>`);
  assert(!/>\d+m<\/text>/.test(svg), svg);
});
