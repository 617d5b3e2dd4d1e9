/** A run draws each list of images once, however many of its parts ask for it. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { coop, gda, maple, zeroShot } from "../../src/methods/kit.ts";
import type { Method } from "../../src/methods/method.ts";
import type { Given } from "../../src/run/config.ts";
import { drawingOnce } from "../../src/run/draws.ts";
import type { Inputs } from "../../src/run/inputs.ts";
import { openRun } from "../../src/run/run.ts";
import { inFolder } from "./run_here.ts";

Deno.test("what was drawn is given again, for each shots, seed, classes and data set by itself; what fails is tried again", async () => {
  const asked: string[] = [];
  let fails = false;
  const data = (name: string) => ({
    about: { name },
    draw(options: { shots: number; seed: number; classes: string }) {
      asked.push([name, ...Object.values(options)].join(" "));
      if (fails) throw new Error("no such seed");
      return { classNames: [], train: [], val: [], test: [] };
    },
  });
  const inputs = drawingOnce({ data: data("own"), other: (name: string) => Promise.resolve(data(name)) } as never);
  const other = await inputs.other("far");
  const options = [[2, 1, "base"], [2, 1, "new"], [2, 2, "base"], [4, 1, "base"]] as const;
  for (const from of [inputs.data, other, inputs.data, other]) {
    for (const [shots, seed, classes] of options) from.draw({ shots, seed, classes });
  }
  const each = options.map((one) => one.join(" "));
  assertEquals(asked, ["own", "far"].flatMap((name) => each.map((one) => `${name} ${one}`)));
  const draw = () => inputs.data.draw({ shots: 9, seed: 9, classes: "all" });
  fails = true;
  for (let i = 0; i < 2; i++) {
    try {
      draw();
      assert(false);
    } catch (error) {
      assertEquals((error as Error).message, "no such seed");
    }
  }
  fails = false;
  assertEquals(draw(), draw());
  assertEquals(asked.filter((one) => one === "own 9 9 all").length, 3);
});

/** How many lists a run and its plan had drawn, counted where images are drawn. */
async function drawsOf(method: unknown, given: Given): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const groupBy = Map.groupBy;
  // A draw of images groups the training part and the validation part by their labels, once each.
  Map.groupBy = ((items: Iterable<unknown>, key: (item: unknown, index: number) => unknown) => {
    const stack = new Error().stack ?? "";
    if (/few_shot\.ts/.test(stack)) counts.set("draws", (counts.get("draws") ?? 0) + 1);
    return groupBy(items, key);
  }) as typeof Map.groupBy;
  try {
    await using run = await openRun(method as Method, { engine: "onnx", threads: 1, ...given });
    await run.plan();
    for (const seed of run.seeds) {
      await using learned = await run.learn(seed);
      for (const target of run.targets) await run.report(learned, target);
      await run.finish(learned);
    }
  } finally {
    Map.groupBy = groupBy;
  }
  return counts;
}

Deno.test("runs draw once: all classes of each seed, what they learn from, and what each evaluation needs", async () => {
  await inFolder(async () => {
    const common: Given = { data: "images", shots: 2, train: "base", eval: ["base", "new"], seeds: [1, 2] };
    const quick = { ...common, views: 0, epochs: 1 };
    // Of each seed: all (is it there?), base, new.
    const cases: [unknown, Given, number][] = [
      [coop, quick, 6],
      [gda, { ...common, views: 0 }, 6],
      [maple, { ...quick, depth: 1, eval: ["base", "val"] }, 4],
      [zeroShot, { data: "images", eval: ["base", "new"] }, 2],
      // The other data set has a draw of its own.
      [coop, { ...quick, eval: ["base", "./images:all"], seeds: [1], fresh: true }, 3],
      // Reports that are there have their test images compared: of the default draw, and of this one.
      [coop, { ...quick, eval: ["base"], seeds: [1] }, 3],
    ];
    for (const [method, given, draws] of cases) {
      const counts = await drawsOf(method, given);
      assertEquals(counts.get("draws")! / 2, draws, (method as Method).name);
    }
  });
});

Deno.test("data sets stay themselves otherwise", () => {
  const data = { about: { name: "a" }, draw: () => ({}), template: "a {}", featureSeconds: () => 3 };
  const inputs = { data, model: "m", on: "o" } as unknown as Inputs;
  const { data: same, ...rest } = drawingOnce(inputs);
  assertEquals([same.template, same.featureSeconds(), same.about], ["a {}", 3, { name: "a" } as never]);
  assertEquals([rest.model, rest.on], ["m", "o"] as never);
});
