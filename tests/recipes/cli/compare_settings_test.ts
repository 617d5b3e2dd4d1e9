import { assert, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import {
  comparableNames,
  compareSettings,
  methodsHelp,
  readCompareSettings,
  withWholePaths,
} from "../../../recipes/cli/compare_settings.ts";
import { UserError } from "../../../src/errors.ts";
import { KIT_METHODS } from "../../../src/methods/kit.ts";
import { withVariants } from "../../../src/methods/method.ts";
import { ANCHORED, NEAREST_MEAN, writeFiles } from "../../method_files.ts";

/** Methods that need images. */
const IN_TOWERS = ["ivlp", "maple", "promptsrc", "prometar", "mmrl"];

const read = (...args: string[]) => readCompareSettings(args);
const names = async (...args: string[]) => (await read(...args)).methods.map(({ method }) => method.name);

Deno.test("all methods are compared by one word, those that need images when there are some", async () => {
  assertEquals(await names("--seeds", "1"), ["zeroshot", "coop", "cocoop"]);
  const kit = KIT_METHODS.map(({ name }) => name);
  assertEquals(await names("--methods", "all"), kit.filter((name) => !IN_TOWERS.includes(name)));
  assertEquals(await names("--methods", "all", "--methods", "gda , coop,gda"), ["gda", "coop"]);
  assertEquals((await names("--methods=coop,all"))[0], "coop");
  // The sample's images are not all validation images.
  assertEquals(await names("--methods", "all", "--data", "sample"), kit);
  for (const flag of [["--data", "data/eurosat"], ["--data=data/eurosat"]]) {
    const withImages = await names("--methods", "all", ...flag);
    assertEquals(withImages.filter((name) => !kit.includes(name)), ["gda-full-val"]);
  }
  assertEquals([(await read("--methods", "coop,maple")).on.data, (await read("--methods", "coop")).on.data], [
    "sample",
    undefined,
  ]);
  assertEquals([(await read("--methods", "all")).all, (await read()).all], [true, false]);
});

Deno.test("what is not said is the papers' protocol", async () => {
  const { shots, seeds, subsets, train, jobs, collect, on, fresh, typed } = await read();
  assertEquals({ shots, seeds, subsets, train, jobs, collect, on, fresh, typed }, {
    shots: [16],
    seeds: [1, 2, 3],
    subsets: ["base", "new"],
    train: "base",
    jobs: 1,
    collect: false,
    on: { out: "runs" },
    fresh: false,
    typed: {},
  });
  assertEquals((await read("--eval", "all")).train, "all");
  assertEquals((await read("--shots", "16,1,4")).shots, [1, 4, 16]);
});

Deno.test("a method takes the settings that it has, and its variants theirs", async () => {
  const { methods, typed } = await read(
    "--methods",
    "coop,gda,tip-adapter-f,kgcoop-cocoop,gda-full-val,coop-dept",
    ..."--epochs 7 --wise 0.5 --templates ensemble --lambda 2 --engine cpu".split(" "),
  );
  assertEquals(typed, { epochs: "7", wise: "0.5", templates: "ensemble", lambda: "2", engine: "cpu" });
  assertEquals(methods.map(({ method, asked, given }) => [method.name, asked.name, given]), [
    ["coop", "coop", { epochs: 7, wise: 0.5 }],
    ["gda", "gda", { templates: "ensemble" }],
    ["tip-adapter-f", "tip-adapter-f", { epochs: 7, templates: "ensemble" }],
    ["kgcoop-cocoop", "kgcoop", { epochs: 7, wise: 0.5, lambda: 2, over: "cocoop" }],
    ["gda-full-val", "gda", { templates: "ensemble", tuneOn: "full" }],
    ["coop-dept", "coop", { epochs: 7, wise: 0.5, head: "dept" }],
  ]);
});

for (
  const [line, says] of [
    ["--methods tipadapter", 'Did you mean "tip-adapter"?'],
    ["--methods", "--methods needs a value: --methods NAME,./FILE.ts|all."],
    ["--methods --seeds 1", "--methods needs a value"],
    ["--methods none.ts", "There is no file "],
    ["--shots 1,x", 'is "x"'],
    ["--jobs 0", "whole number from 1"],
    ["--emit pbs", "commands or slurm"],
    ["--eval caltech101:all", "--eval caltech101:all is another data set"],
    ["--eval base,val", "--eval val is of validation images, and results are of test images"],
    ["--shtos 4", 'There is no flag --shtos. Did you mean "--shots"?'],
    ["--methods nope --shtos 4", 'There is no flag --shtos. Did you mean "--shots"?'],
    ["--methods --methds coop", 'There is no flag --methds. Did you mean "--methods"?'],
    ["--over cocoop", "There is no flag --over."],
    ["--head dept", "There is no flag --head."],
    ["--tune-on full", "There is no flag --tune-on."],
    ["--checkpoint-every 3", "There is no flag --checkpoint-every."],
    ["--epochs many", '--epochs is "many"'],
    ["coop", '"coop" is not a flag'],
  ]
) {
  Deno.test(`a comparison is refused with a sentence: ${line}`, async () => {
    const { message } = await assertRejects(() => read(...line.split(" ")), UserError);
    assert(message.includes(says), message);
  });
}

Deno.test("YAML gives a comparison's settings too, under the flags", async () => {
  const folder = await writeFiles({ "my.yaml": "seeds: [1, 2]\nepochs: 5\njobs: 2\nshots: [4, 1]\n" });
  try {
    const settings = await read("--config", `${folder}/my.yaml`, "--epochs", "7");
    assertEquals([settings.seeds, settings.jobs, settings.shots, settings.typed.epochs], [[1, 2], 2, [1, 4], "7"]);
    assertEquals(settings.methods[1].given, { epochs: 7 });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("files of the user's own bring their settings; each name stands once", async () => {
  const folder = await writeFiles({
    "anchored.ts": ANCHORED,
    "nearest_mean.ts": NEAREST_MEAN,
    "again.ts": 'export { anchored } from "./anchored.ts";',
  });
  try {
    const list = `coop,${folder}/anchored.ts,${folder}/nearest_mean.ts`;
    const { methods, typed } = await read("--methods", list, "--pull", "0.2", "--epochs", "3");
    assertEquals(methods.map(({ method, given, file }) => [method.name, given, file?.path]), [
      ["coop", { epochs: 3 }, undefined],
      ["anchored", { epochs: 3, pull: 0.2 }, `${folder}/anchored.ts`],
      ["nearest-mean", {}, `${folder}/nearest_mean.ts`],
    ]);
    assertEquals(typed, { pull: "0.2", epochs: "3" });
    await assertRejects(() => read("--methods", "coop", "--pull", "0.2"), UserError, "There is no flag --pull.");
    await assertRejects(() => read("--methods", list, "--pull", "hard"), UserError, '--pull is "hard"');
    await assertRejects(
      () => read("--methods", `${list},${folder}/again.ts`),
      UserError,
      `Two of the methods are called "anchored": give the one in ${folder}/again.ts another name.`,
    );
    // In the folder of the file, its name is enough.
    const { args, files } = withWholePaths(["--seeds", "1", "--methods", "coop,./mine.ts"]);
    assertEquals([args, files], [
      ["--seeds", "1", "--methods", `coop,${Deno.cwd()}/mine.ts`],
      [`${Deno.cwd()}/mine.ts`],
    ]);
    assertEquals(withWholePaths(["--methods=/a/b.ts"]), { args: ["--methods=/a/b.ts"], files: ["/a/b.ts"] });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("help lists every method of the kit and every setting that is handed on", () => {
  const help = methodsHelp();
  for (const { name } of KIT_METHODS.flatMap(withVariants)) assert(help.includes(name), name);
  assertEquals(comparableNames("sample"), KIT_METHODS.map(({ name }) => name));
  const settings = compareSettings(KIT_METHODS);
  const left = new Set(KIT_METHODS.flatMap(({ variants = {} }) => Object.keys(variants)));
  for (const method of KIT_METHODS) {
    for (const [name, { fixed }] of Object.entries(method.settings)) {
      if (!fixed && !left.has(name)) assert(name in settings, `${method.name} ${name}`);
    }
  }
  // Each method has its own default.
  assertEquals(settings.epochs.default, undefined);
});
