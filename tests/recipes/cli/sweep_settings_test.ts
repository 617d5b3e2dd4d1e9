import { assert, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { jobOf } from "../../../recipes/cli/compare_jobs.ts";
import { readSweepSettings, sweepHelp, sweepSettings, withMethod } from "../../../recipes/cli/sweep_settings.ts";
import { UserError } from "../../../src/errors.ts";
import { KIT_METHODS } from "../../../src/methods/kit.ts";
import { planComparison } from "../../../src/run/comparison_runs.ts";
import { SILENT } from "../../../src/run/progress.ts";
import { ANCHORED, writeFiles } from "../../method_files.ts";

const read = (line: string) => readSweepSettings(line.split(" "));

Deno.test("a sweep is a method and its points, over the protocol of a comparison", async () => {
  const { method, points, search, shots, seeds, subsets, train, typed } = await read(
    "--method coop --vary lr=0.001,0.002 --vary context-tokens=4 --epochs 3",
  );
  assertEquals([method.method.name, search, shots, seeds, subsets, train, typed], [
    "coop",
    { kind: "grid" },
    16,
    [1, 2, 3],
    ["base", "new"],
    "base",
    { epochs: "3" },
  ]);
  assertEquals(points.map(({ compared: { given, varied } }) => [given, varied]), [
    [{ epochs: 3, lr: 0.001, contextTokens: 4 }, { lr: "0.001", contextTokens: "4" }],
    [{ epochs: 3, lr: 0.002, contextTokens: 4 }, { lr: "0.002", contextTokens: "4" }],
  ]);
  assertEquals((await read("--method gda --vary views=0 --eval all")).train, "all");
  const drawn = await read("--method coop --vary lr=0.1..1 --random 3 --random-seed 5");
  assertEquals([drawn.search, drawn.points.length], [{ kind: "random", points: 3, seed: 5 }, 3]);
  // What needs images has those that ship with the kit, as in a comparison.
  assertEquals((await read("--method maple --vary lr=0.1")).on.data, "sample");
});

Deno.test("each point is the command of the method's recipe, told that it is on validation images", async () => {
  const settings = await read("--method coop --vary class-specific=true,false --seeds 2 --epochs 3");
  const { runs } = await planComparison({
    ...settings,
    methods: settings.points.map(({ compared }) => compared),
    subsets: ["val"],
    shots: [settings.shots],
  }, { progress: SILENT });
  const common = "run -P recipes/coop.ts --train base --shots 16 --seeds 2 --eval val --epochs 3";
  assertEquals(runs.map((run) => jobOf(run, settings).words.join(" ")), [
    `${common} --class-specific`,
    // Left out, it would be what the preset says.
    `${common} --class-specific=false`,
  ]);
});

Deno.test("a settings file holds all of it, for a grid and for a draw; flags go over it", async () => {
  const folder = await writeFiles({
    "anchored.ts": ANCHORED,
    "grid.yaml": "method: coop\nvary:\n  lr: [0.001, 0.002]\n  context-tokens: [4, 16]\nseeds: [1, 2]\nepochs: 2\n",
    "draw.yaml": "method: coop\nvary:\n  lr: 0.0001..0.01\n  epochs: 1..9\nrandom: 5\n",
  });
  await Deno.writeTextFile(`${folder}/mine.yaml`, `method: ${folder}/anchored.ts\nvary: {pull: [0.1, 1]}\n`);
  await Deno.writeTextFile(`${folder}/own.yaml`, `method: ${folder}/anchored.ts\n`);
  try {
    const grid = await read(`--config ${folder}/grid.yaml --epochs 3`);
    assertEquals([grid.points.length, grid.seeds, grid.typed], [4, [1, 2], { seeds: "1,2", epochs: "3" }]);
    assertEquals((await read(`--config ${folder}/draw.yaml`)).points.length, 5);
    assertEquals((await read(`--config ${folder}/draw.yaml --random 7`)).points.length, 7);
    const mine = await read(`--config ${folder}/mine.yaml`);
    assertEquals(mine.points.map(({ compared: { file, given } }) => [file?.path, given]), [
      [`${folder}/anchored.ts`, { pull: 0.1 }],
      [`${folder}/anchored.ts`, { pull: 1 }],
    ]);
    const pulled = await read(`--config ${folder}/own.yaml --vary lr=0.1 --pull 2`);
    assertEquals(pulled.typed.pull, "2");
    // The task must know of the file before it may read it.
    const config = ["--config", `${folder}/mine.yaml`];
    assertEquals(withMethod(config), [...config, `--method=${folder}/anchored.ts`]);
    assertEquals(withMethod(["--config", `${folder}/grid.yaml`]).length, 2);
    assertEquals(withMethod([...config, "--method", "coop"]).length, 4);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

for (
  const [line, says] of [
    ["--vary lr=1", "A sweep is of one method: name it, as in deno task sweep --method coop"],
    ["--method", "A sweep is of one method"],
    // A misspelt flag is told first: it may be why the others are missing.
    ["--varry lr=1", 'There is no flag --varry. Did you mean "--vary"?'],
    ["--metod coop --vary lr=1", 'There is no flag --metod. Did you mean "--method"?'],
    ["--method copo --vary lr=1 --sheds 2", "There is no flag --sheds."],
    ["--config nowhere.yaml --varry lr=1", "There is no flag --varry."],
    ["--method coop --vary --shtos 2", "There is no flag --shtos."],
    ["--vary --varry lr=1", "There is no flag --varry."],
    ["--method copo --vary lr=1", 'Did you mean "coop"?'],
    ["--method zeroshot --vary templates=ensemble", "Zero-shot draws no images, and so has no validation images"],
    ["--method coop", "Nothing is varied: name a setting and its values, as in --vary lr=0.001,0.002."],
    ["--method coop --vary", "--vary needs a value: --vary SETTING=A,B."],
    ["--method coop --vary lrr=1", 'Did you mean "lr"?'],
    ["--method coop --vary lr=1 --lr 2", "--lr is given and varied too: leave one of them out."],
    ["--method coop --vary lr=1..2", "lr has a range, and a grid has values"],
    ["--method coop --vary lr=1 --random-seed 2", "--random-seed is of the draws of --random"],
    ["--method coop --vary lr=1 --random 0", "whole number from 1"],
    ["--method coop --vary lr=1 --eval val", "results are of test images"],
    ["--method coop --vary lr=1 --table md --json", "--table and --json both ask for standard output"],
    ["--method coop --vary lr=1 --templates ensemble", "There is no flag --templates."],
    ["--method coop --vary lr=1 --shots 1,2", '--shots is "1,2"'],
    ["--method gda --vary tune-on=full", "tune-on"],
  ]
) {
  Deno.test(`a sweep is refused with a sentence: ${line}`, async () => {
    const { message } = await assertRejects(() => read(line), UserError);
    assert(message.includes(says), message);
  });
}

Deno.test("--help lists the flags of all methods, and which of them can be swept", () => {
  const settings = Object.keys(sweepSettings());
  for (const name of ["vary", "random", "randomSeed", "lr", "jobs", "emit", "collect", "table"]) {
    assert(settings.includes(name), name);
  }
  const help = sweepHelp();
  // The one draws no images, the other has nothing of its own to vary.
  const without = ["zeroshot", "linear-probe"];
  for (const { name } of KIT_METHODS) assertEquals(help.includes(`${name},`), !without.includes(name), name);
});
