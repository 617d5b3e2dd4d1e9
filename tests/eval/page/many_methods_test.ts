import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { compareReports } from "../../../src/eval/compare.ts";
import { comparisonPage } from "../../../src/eval/page/comparison_page.ts";
import { spreadChart } from "../../../src/eval/page/spread_chart.ts";
import { KIT_METHODS } from "../../../src/methods/kit.ts";
import { makeReport } from "../report_cases.ts";

const DRAWN = KIT_METHODS.filter(({ name }) => name !== "zeroshot");

async function chartsOf(methods: readonly string[]): Promise<Map<string, string>> {
  const reports = methods.flatMap((method) =>
    (["base", "new"] as const).flatMap((evaluatedOn) =>
      [1, 2].map((seed) => makeReport({ method, evaluatedOn, seed, accuracy: 1 - 0.3 * seed }))
    )
  );
  return (await comparisonPage(compareReports(await Promise.all(reports)))).charts;
}

/** The labels of methods that a chart holds, in order. */
function labelsIn(svg: string): string[] {
  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
  return texts.filter((text) => DRAWN.some(({ label }) => label === text));
}

/** The ends of the scale across, by its tick labels. */
function ticksIn(svg: string): string[] {
  return [...svg.matchAll(/>((?:[+−])?\d+)<\/text>/g)].map(([, text]) => text);
}

Deno.test("many methods stand in several charts of one scale, each method in one of them", async () => {
  const charts = await chartsOf(DRAWN.map(({ name }) => name));
  assertEquals([...charts.keys()], ["accuracy-1", "accuracy-2", "differences-1", "differences-2", "loss"]);
  for (const [name, first] of [["accuracy", 0], ["differences", 1]] as const) {
    const [one, two] = [charts.get(`${name}-1`)!, charts.get(`${name}-2`)!];
    assertEquals([...labelsIn(one), ...labelsIn(two)], DRAWN.slice(first).map(({ label }) => label));
    assert(Math.abs(labelsIn(one).length - labelsIn(two).length) <= 1);
    assertEquals(ticksIn(one), ticksIn(two));
    assert(/aria-label="[^"]*, 1 of 2"/.test(one) && /aria-label="[^"]*, 2 of 2"/.test(two));
  }
  assertEquals([...(await chartsOf(DRAWN.slice(0, 9).map(({ name }) => name))).keys()], [
    "accuracy",
    "differences",
    "loss",
  ]);
});

Deno.test("deviations end within the axes, and those of one value stand beside each other", async () => {
  const mean = 50;
  const series = ["a", "b", "c"].map((name, colour) => ({
    name,
    colour,
    points: ["1", "16"].map((x) => ({
      x,
      spread: { mean: mean + 20 * colour, std: 30, perSeed: [{ seed: 1, value: mean + 20 * colour }] },
    })),
  }));
  const x = { type: "point", domain: ["1", "16"], label: "images a class", padding: 0.3 } as const;
  const svg = await spreadChart("Accuracy", { x, y: "accuracy, %", series, joined: true });
  const number = (line: string, name: string) => Number(new RegExp(` ${name}="([^"]+)"`).exec(line)![1]);
  const groups = [...svg.matchAll(/<g[^>]*aria-label="rule"[^>]*>(.*?)<\/g>/gs)].map(([group]) => group);
  const [, , width, height] = /viewBox="(\S+) (\S+) (\S+) (\S+)"/.exec(svg)!.slice(1).map(Number);
  const lines = groups.flatMap((group) => {
    const dx = Number(/translate\(([^,)]+)/.exec(group)?.[1] ?? 0);
    return [...group.matchAll(/<line[^>]*>/g)].map(([line]) => ({
      x: number(line, "x1") + dx,
      ends: [number(line, "y1"), number(line, "y2")],
    }));
  });
  assertEquals(lines.length, 6);
  for (const { x, ends } of lines) {
    assert(Math.min(...ends) >= 14 && Math.max(...ends) <= height - 36 + 0.5, `${ends}`);
    assert(x > 48 && x < width - 20, String(x));
  }
  assertEquals(new Set(lines.map(({ x }) => x)).size, 6);
  // 90 + 30 is cut off at 100: 20 to 100 are 80, and 60 to 100 are 40 of these.
  const lengths = lines.map(({ ends: [a, b] }) => Math.abs(a - b));
  const unit = lengths[0] / 60;
  assertEquals([...new Set(lengths.map((length) => Math.round(length / unit)))], [60, 40]);
});
