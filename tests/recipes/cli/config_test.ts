import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import {
  configYaml,
  epochWeights,
  readSettings,
  resolveConfig,
  settingsFromYaml,
} from "../../../recipes/cli/config.ts";
import { readFlags } from "../../../recipes/cli/flags.ts";
import { pathPart, presetPart, runPath } from "../../../src/run/path.ts";
import { type SettingName, SETTINGS } from "../../../recipes/cli/settings.ts";
import { UserError } from "../../../src/errors.ts";
import { PRESETS } from "../../../src/train/presets.ts";

const ALL = Object.keys(SETTINGS) as SettingName[];
const cocoop = (line: string) => resolveConfig(readFlags(line === "" ? [] : line.split(" "), ALL), "cocoop");

function flagError(args: string[], ...words: string[]): void {
  const error = assertThrows(() => readFlags(args, ALL), UserError);
  for (const word of words) assertStringIncludes(error.message, word);
}

Deno.test("no flags: the default preset, trained on base classes, evaluated on base and new", () => {
  const config = cocoopPrompt("");
  const { preset, train, epochs, batchSize, lr, initWords, shots, seeds, views, changed } = config;
  assertEquals({ preset, train, epochs, batchSize, lr, initWords, shots, seeds, views, changed }, {
    preset: "seed-notebook",
    train: "base",
    epochs: 100,
    batchSize: 4,
    lr: 0.0025,
    initWords: "a photo of a",
    shots: 16,
    seeds: [1],
    views: "epochs",
    changed: [],
  });
  assertEquals(config.eval, ["base", "new"]);
});

Deno.test("--eval alone trains nothing; --train alone evaluates on the same classes", () => {
  assertEquals([cocoopPrompt("--eval new").train, cocoopPrompt("--eval new").eval], [undefined, ["new"]]);
  assertEquals([cocoopPrompt("--train all").train, cocoopPrompt("--train all").eval], ["all", ["all"]]);
});

Deno.test("of a flag given twice the last counts, and values may follow an equals sign", () => {
  assertEquals(cocoopPrompt("--epochs 3 --epochs=5").epochs, 5);
  assertEquals(cocoopPrompt("--seed 0").seeds, [0]);
  assertEquals(cocoopPrompt("--seeds 3,1,3").seeds, [3, 1]);
});

Deno.test("a number of context tokens takes the place of the preset's words", () => {
  assertEquals(cocoopPrompt("--context-tokens 8").initWords, "");
  assertEquals(cocoopPrompt("--context-tokens 4 --init-words=photo").initWords, "photo");
});

Deno.test("wrong flags are told in a sentence, with a suggestion where one is near", () => {
  flagError(["--epoch", "3"], "no flag --epoch", '"--epochs"');
  flagError(["--batchsize", "3"], '"--batch-size"');
  flagError(["--frobnicate"], "no flag --frobnicate", "--help");
  flagError(["base"], '"base" is not a flag');
  flagError(["--lr"], "--lr needs a value");
  flagError(["--lr", "--json"], "--lr needs a value");
  flagError(["--lr", "fast"], '"fast"', "number");
  flagError(["--lr", "NaN"], "number");
  flagError(["--epochs", "0"], "whole number from 1");
  flagError(["--epochs", "1.5"], "whole number from 1");
  flagError(["--train", "bas"], "base, new or all", '"base"');
  flagError(["--eval", ","], "empty");
  flagError(["--json=maybe"], "true or false");
  const error = assertThrows(() => readFlags(["--templates", "single"], ["shots"]), UserError);
  assertStringIncludes(error.message, "not a flag of this recipe");
});

Deno.test("a preset that is unknown, or of another method, is refused", () => {
  const unknown = assertThrows(
    () => cocoopPrompt("--preset seed-notbook"),
    UserError,
    "seed-notebook or cocoop-cvpr22",
  );
  assertStringIncludes(unknown.message, 'Did you mean "seed-notebook"?');
  assertThrows(() => cocoopPrompt("--preset coop-ijcv22"), UserError, "not for cocoop");
  assertThrows(() => cocoopPrompt("--preset constructor"), UserError, "no preset");
});

Deno.test("YAML goes over the preset, flags over YAML", async () => {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(path, "epochs: 7\nlr: 2e-3\nseeds: [1, 2]\nclass-specific: true\neval: new\n");
    const given = await readSettings(["--config", path, "--epochs", "9"], ALL);
    const { epochs, lr, seeds, classSpecific } = resolveConfig(given, "coop");
    assertEquals({ epochs, lr, seeds, classSpecific }, { epochs: 9, lr: 0.002, seeds: [1, 2], classSpecific: true });
  } finally {
    await Deno.remove(path);
  }
  await assertRejects(() => readSettings(["--config", "none.yaml"], ALL), UserError, "none.yaml");
});

Deno.test("YAML with unknown keys, wrong values or wrong syntax names the file", () => {
  const yaml = (text: string) => settingsFromYaml(text, { where: "my.yaml", names: ALL });
  assertEquals(yaml("# nothing yet\n"), {});
  assertThrows(
    () => yaml("batch_size: 3"),
    UserError,
    'my.yaml has an unknown key "batch_size". Did you mean "batch-size"?',
  );
  assertThrows(() => yaml("zzz: 3"), UserError, '"zzz"');
  assertThrows(() => yaml("epochs: many"), UserError, '"epochs" in my.yaml is "many"');
  assertThrows(() => yaml("epochs: {a: 1}"), UserError, '"epochs" is not a value');
  assertThrows(() => yaml("epochs:"), UserError, '"epochs" is not a value');
  assertThrows(() => yaml("- 1"), UserError, "key: value");
  assertThrows(() => yaml("a: ["), UserError, "my.yaml is not YAML");
  assertThrows(() => yaml("epochs: 1\nepochs: 2"), UserError, "my.yaml is not YAML");
});

Deno.test("a saved configuration gives the same run again", () => {
  const config = cocoopPrompt("--epochs 3 --context-tokens 8 --seeds 1,2 --train base --lr 1e-3");
  const text = configYaml(config, { header: ["made by: …"], seed: 2 });
  assertStringIncludes(text, "# made by: …\n");
  const again = resolveConfig(settingsFromYaml(text, { where: "config.yaml", names: ALL }), "cocoop");
  assertEquals(again, { ...config, seeds: [2] });
});

Deno.test("every preset resolves for its methods, and the published numbers are in it", () => {
  for (const [name, preset] of Object.entries(PRESETS)) {
    for (const method of Object.keys(preset.methods)) {
      assertEquals(resolveConfig({ preset: name }, method).preset, name);
    }
  }
  const coop = (shots: number) => resolveConfig({ preset: "coop-ijcv22", shots }, "coop");
  assertEquals([1, 2, 4, 8, 16].map((shots) => coopPrompt(shots).epochs), [50, 100, 100, 200, 200]);
  assertEquals([coopPrompt(16).train, coopPrompt(16).batchSize, coopPrompt(16).contextTokens], ["all", 32, 16]);
  const published = resolveConfig({ preset: "cocoop-cvpr22" }, "cocoop");
  assertEquals([published.epochs, published.batchSize, published.lr], [10, 1, 0.002]);
});

Deno.test("averages of prompts and λ are settings like others: checked, in the folder's name, back from YAML", () => {
  const config = resolveConfig(
    readFlags("--prompt-average 15,1.5 --wise=0.5 --over cocoop --lambda 2".split(" "), ALL),
    "kgcoop-cocoop",
  );
  const { promptAverage, wise, over, lambda, changed, initWords } = config;
  assertEquals({ promptAverage, wise, over, lambda, changed, initWords }, {
    promptAverage: "15,1.5",
    wise: 0.5,
    over: "cocoop",
    lambda: 2,
    changed: ["promptAverage", "wise", "lambda"],
    initWords: "a photo of a",
  });
  assertEquals(presetPart(config), "seed-notebook+prompt-average=15-1.5+wise=0.5+lambda=2");
  const text = configYaml(config, { header: [], seed: 1 });
  assertEquals(
    resolveConfig(settingsFromYaml(text, { where: "", names: ALL }), "kgcoop-cocoop").promptAverage,
    "15,1.5",
  );
  const weights = epochWeights({ ...config, epochs: 20 })!;
  assertEquals([weights.length, weights.indexOf(Math.max(...weights))], [20, 14]);
  assertEquals(epochWeights(cocoopPrompt("")), undefined);
  assertEquals([cocoopPrompt("").wise, cocoopPrompt("").lambda], [1, undefined]);
  assertThrows(() => cocoopPrompt("--prompt-average 500,1 --epochs 10"), UserError, "epochs 1 to 10");
  for (const wrong of ["15", "15,0", "15,-1", "a,b", "1,2,3", ","]) {
    flagError([`--prompt-average=${wrong}`], wrong, "15,1");
  }
  for (const wrong of ["1.5", "-0.1", "half"]) flagError([`--wise=${wrong}`], wrong, "from 0");
  flagError(["--over", "maple"], "coop or cocoop");
});

Deno.test("run folders: the published layout, with every change in the name", () => {
  const run = { method: "cocoop", dataset: "eurosat", backbone: "ViT-B-16", seed: 1 };
  assertEquals(runPath(cocoopPrompt(""), run), "runs/eurosat/cocoop/seed-notebook/ViT-B-16/shots16/seed1");
  assertEquals(
    runPath(cocoopPrompt("--train all --shots 4 --out x"), run),
    "x/eurosat/cocoop/seed-notebook/ViT-B-16/shots4-all/seed1",
  );
  assertEquals(presetPart(cocoopPrompt("--epochs 100")), "seed-notebook");
  assertEquals(presetPart(cocoopPrompt("--epochs 3 --lr 0.01")), "seed-notebook+epochs=3+lr=0.01");
  assertEquals(presetPart(cocoopPrompt("--init-words=../a/b")), "seed-notebook+init-words=-a-b");
  const [long, longer] = ["a".repeat(101), "a".repeat(102)].map(pathPart);
  assert(long !== longer && long.length < 80 && /^a{60}-[0-9a-f]{8}$/.test(long), long);
});
