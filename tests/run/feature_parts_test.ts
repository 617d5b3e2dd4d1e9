/** Features by parts: whoever computes them, in whatever order, the store is that of one process, and runs find all. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import type { ViewRecipe } from "../../src/data/views.ts";
import { sha256Hex } from "../../src/files.ts";
import { coop, gda, ivlp, maple, mmrl, prometar, promptsrc, zeroShot } from "../../src/methods/kit.ts";
import type { Method } from "../../src/methods/method.ts";
import { askedRuns, type ComparisonRequest } from "../../src/run/comparison_runs.ts";
import type { Given } from "../../src/run/config.ts";
import type { RunData } from "../../src/run/data.ts";
import { featuresOf, partOf } from "../../src/run/feature_parts.ts";
import { costSentence, openFeatures } from "../../src/run/feature_work.ts";
import { inFolder, linesInto, runHere } from "./run_here.ts";

const PLAIN: Given = { epochs: 1, batchSize: 4 };
const METHODS: [unknown, Given][] = [
  [zeroShot, {}],
  [coop, { ...PLAIN, views: 2, contextTokens: 2 }],
  [gda, { views: 1, tuneOn: "full" }],
  [maple, PLAIN],
  [mmrl, { ...PLAIN, tokenWidth: 16 }],
];
const ON = { data: "images", engine: "onnx", threads: 1 };
const REQUEST: ComparisonRequest = {
  methods: METHODS.map(([method, given]) => ({ method: method as Method, asked: method as Method, given })),
  subsets: ["base", "new"],
  train: "base",
  shots: [2],
  seeds: [1],
  on: { out: "runs", ...ON },
};

async function compute(part: number, of: number, request = REQUEST): Promise<string> {
  const said: string[] = [];
  await using work = await openFeatures(request, { progress: linesInto(said), part: { part, of } });
  await work.compute();
  return said.at(-1)!;
}

async function costOf(request = REQUEST) {
  await using work = await openFeatures(request, { progress: linesInto([]), part: { part: 1, of: 1 } });
  return await work.cost();
}

/** The files of the store with the hashes of their bytes. */
async function stored(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const { name: model } of await Array.fromAsync(Deno.readDir(".cache/features"))) {
    for (const { name } of await Array.fromAsync(Deno.readDir(`.cache/features/${model}`))) {
      const path = `.cache/features/${model}/${name}`;
      found[path] = await sha256Hex(path);
    }
  }
  return found;
}

Deno.test("parts in any order, two at once, and one process leave the same bytes; runs then compute nothing", async () => {
  await inFolder(async () => {
    const { needed, images, files, missing, seconds, bytes } = await costOf();
    // Train (4) plain, in CoOp's 2 crops, GDA's and MaPLe's and MMRL's 1; val (4); tests (6 + 6); MMRL's rows: 1 crop, train, tests.
    assertEquals([needed, images, missing], [4 * 4 + 4 + 12 + 4 + 4 + 12, needed, needed]);
    assert(seconds > 0 && bytes > 128 * 4 * needed, `${seconds} ${bytes}`);
    await Promise.all([compute(3, 3), compute(2, 3)]);
    for (const part of [1, 2]) await compute(part, 3);
    const byParts = await stored();
    assertEquals(Object.keys(byParts).length, files);
    assertEquals(await compute(2, 99), `Part 2/99 is empty: there are fewer files of features than parts.`);
    assertEquals((await costOf()).missing, 0);

    await Deno.remove(".cache", { recursive: true });
    await compute(1, 1);
    assertEquals(await stored(), byParts);

    for (const [method, given] of METHODS) {
      const { said } = await runHere(method as Method, {
        ...ON,
        ...given,
        shots: 2,
        train: "base",
        eval: ["base", "new"],
      });
      // What a prompted tower gives belongs to its prompt.
      const own = said.filter((line) => method === maple || method === mmrl ? /training views:/.test(line) : true);
      const computed = own.filter((line) => /[1-9]\d* computed/.test(line));
      assertEquals(computed, [], (method as Method).name);
    }
    // Only features of the two learned image towers came: of training images and of base and new.
    const after = await stored();
    assertEquals(Object.keys(after).length, files + 2 * 3);
    for (const [path, hash] of Object.entries(byParts)) assertEquals(after[path], hash);
  });
});

Deno.test("a missing and a damaged file are computed by whoever needs them", async () => {
  await inFolder(async () => {
    const request = { ...REQUEST, methods: REQUEST.methods.slice(0, 1) };
    await compute(1, 1, request);
    const whole = await stored();
    const [first, second] = Object.keys(whole);
    const damage = async () => {
      await Deno.remove(first);
      const bytes = await Deno.readFile(second);
      bytes[bytes.length - 1] ^= 1;
      await Deno.writeFile(second, bytes);
    };
    await damage();
    assertEquals((await costOf(request)).missing, 6);
    assertEquals(
      await compute(1, 1, request),
      "Image features, part 1/1: 12 computed, 0 from the cache in .cache/features.",
    );
    assertEquals(await stored(), whole);
    await damage();
    const { said } = await runHere(zeroShot, { ...ON, eval: ["base", "new"] });
    assertEquals(
      said.filter((line) => line.includes("damaged") || line.includes("6 computed")).length,
      3,
      said.join("\n"),
    );
    assertEquals(await stored(), whole);
  });
});

Deno.test("lists are cut as they are stored, and what several runs ask for counts once", () => {
  const list = (name: string, count: number) => Array.from({ length: count }, (_, i) => ({ path: `${name}${i}` }));
  const data = {
    draw: ({ classes, seed }: { classes: string; seed: number }) => ({
      classNames: ["a"],
      train: list(`train${seed}`, 130),
      val: list("val", 2),
      // As with published splits: all classes begin with the base classes.
      test: classes === "all" ? list("test", 300) : list("test", 150),
    }),
  } as unknown as RunData;
  const shown = (...runs: ReturnType<typeof askedRuns>["runs"]) =>
    featuresOf(runs, { data, belowOf: () => undefined }).map(({ samples, views }) =>
      `${samples[0].path} ${samples.length} × ${views.length}`
    );
  const { runs } = askedRuns({
    ...REQUEST,
    methods: REQUEST.methods.slice(0, 2),
    subsets: ["base", "all"],
    seeds: [1, 2],
  });
  const tests = ["test0 128 × 1", "test128 22 × 1", "test128 128 × 1", "test256 44 × 1"];
  assertEquals(shown(runs[0]), tests);
  const drawn = (seed: number) => [`train${seed}0 128 × 3`, `train${seed}128 2 × 3`];
  assertEquals(shown(...runs), [...tests, ...drawn(1), ...drawn(2)]);
});

Deno.test("each file is in one part, and parts are alike in size", () => {
  const views = Array.from({ length: 7 }, (_, view): ViewRecipe => ({ kind: "train", seed: 1, view }));
  const chunks = [128, 128, 60].map((count, c) => ({
    samples: Array.from({ length: count }, (_, i) => ({ path: `${c}/${i}` })),
    views,
  }));
  const names = (part: typeof chunks) =>
    part.flatMap(({ samples, views }) => views.map((view) => `${samples[0].path} ${JSON.stringify(view)}`));
  const total = 7 * (128 + 128 + 60);
  for (const count of [1, 2, 5, 21, 128]) {
    const parts = Array.from({ length: count }, (_, i) => partOf(chunks, { part: i + 1, of: count }) as typeof chunks);
    assertEquals(parts.flatMap(names), names(chunks));
    for (const part of parts) {
      const size = part.reduce((sum, { samples, views }) => sum + samples.length * views.length, 0);
      assert(Math.abs(size - total / count) <= 128, `${size} of ${total / count}`);
    }
  }
});

Deno.test("methods that prompt the image tower need frozen features where their losses read them, and else none", async () => {
  await inFolder(async () => {
    const only = (method: unknown, given: Given = PLAIN): ComparisonRequest => {
      const one = method as Method;
      return { ...REQUEST, methods: [{ method: one, asked: one, given }] };
    };
    // Four training images in a crop.
    for (const [method, needed] of [[maple, 0], [ivlp, 0], [promptsrc, 4], [prometar, 4]] as const) {
      assertEquals((await costOf(only(method))).needed, needed, method.name);
    }
    // Without image prompts, features of the frozen tower are all that it sees: plain, in a crop, and of the tests.
    const cost = await costOf(only(ivlp, { ...PLAIN, imageDepth: 0 }));
    assertEquals(cost.needed, 4 + 4 + 12);
    const mapleOnly = only(maple);
    assertEquals(
      await compute(1, 1, mapleOnly),
      "The runs read no features of the frozen image tower: there is nothing to compute.",
    );
    assertEquals(
      costSentence(await costOf(mapleOnly), { part: 1, of: 1 }),
      "The runs need no features to be computed. Nothing was run.",
    );
  });
});

Deno.test("the sample's stored features are told to be there", async () => {
  await inFolder(async () => {
    const request = { ...REQUEST, methods: REQUEST.methods.slice(0, 2), on: { out: "runs", engine: "cpu" } };
    assertEquals(
      await compute(2, 3, request),
      "The features of these images are stored with the sample: there is nothing to compute.",
    );
    const cost = await costOf(request);
    assertEquals([cost.needed, cost.missing, cost.seconds], [0, 0, 0]);
  });
});

Deno.test("what a part costs is told", () => {
  const cost = { needed: 5000, images: 1250, files: 10, missing: 1000, seconds: 4000, bytes: 3 << 20 };
  assertEquals(
    costSentence(cost, { part: 3, of: 4 }),
    "The runs need features of 5,000 views of images. Part 3/4: 1,250 in 10 files, 250 of them there; about 1 h 06 min " +
      "and 3 MiB for the rest. Nothing was run.",
  );
  assert(costSentence({ ...cost, missing: 0 }, { part: 1, of: 4 }).includes("10 files, all there. Nothing was run."));
});
