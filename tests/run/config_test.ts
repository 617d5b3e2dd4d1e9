import { assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import {
  clipAdapter,
  cocoop,
  coop,
  gda,
  kgcoop,
  KIT_METHODS,
  linearProbe,
  prograd,
  tipAdapterF,
  zeroShot,
} from "../../src/methods/kit.ts";
import type { Method } from "../../src/methods/method.ts";
import { completeSettings, type Given, whyNotOn } from "../../src/run/config.ts";

const targets = <S>(method: Method<S>, given: Given & Partial<S>) => {
  const { train, eval: subsets, transfers } = completeSettings(method, given);
  return [train, subsets, transfers];
};

Deno.test("nothing given: the default preset, 16 shots of seed 1, trained on base classes, evaluated on base and new", () => {
  const config = completeSettings(cocoop, {});
  const { method, asked, preset, train, shots, seeds, values, changed, run } = config;
  assertEquals([method.name, asked.name, preset, train, shots, seeds, changed], [
    "cocoop",
    "cocoop",
    "seed-notebook",
    "base",
    16,
    [1],
    [],
  ]);
  assertEquals([config.eval, config.transfers], [["base", "new"], []]);
  const { epochs, batchSize, lr, initWords, views } = values;
  assertEquals([epochs, batchSize, lr, initWords, views], [100, 4, 0.0025, "a photo of a", "epochs"]);
  assertEquals(run, { engine: "auto", out: "runs", fresh: false, exactCheck: false });
});

Deno.test("what is given goes over the preset, the preset over the defaults; what differs from the preset is changed", () => {
  const config = completeSettings(coop, { preset: "coop-ijcv22", shots: 4, lr: 0.1, batchSize: 32, seeds: [3, 1] });
  const { epochs, batchSize, lr, momentum } = config.values;
  // Epochs follow from the shots; a value that is the preset's is no change.
  assertEquals([epochs, batchSize, lr, momentum, config.changed], [100, 32, 0.1, 0.9, ["lr"]]);
  assertEquals([config.train, config.eval, config.seeds, config.shots], ["all", ["all"], [3, 1], 4]);
  assertEquals(completeSettings(coop, { preset: "coop-ijcv22", shots: 1 }).values.epochs, 50);
  // λ of a variant is its own setting too.
  const { method, asked, values, changed } = completeSettings(kgcoop, { over: "cocoop", lambda: 2, wise: 0.5 });
  assertEquals([method.name, asked.name, values.over, values.initWords, changed], [
    "kgcoop-cocoop",
    "kgcoop",
    "cocoop",
    "a photo of a",
    ["wise", "lambda"],
  ]);
  assertEquals(completeSettings(gda, { tuneOn: "full" }).method.name, "gda-full-val");
  assertEquals(completeSettings(gda, { tuneOn: "few-shot" }).changed, []);
});

Deno.test("a number of context tokens takes the place of the preset's words, unless words are given too", () => {
  const words = (given: Given) => completeSettings(cocoop, given).values.initWords;
  assertEquals([words({ contextTokens: 8 }), words({ contextTokens: 4, initWords: "photo" }), words({})], [
    "",
    "photo",
    "a photo of a",
  ]);
});

Deno.test("settings that are wrong together are refused in a sentence", () => {
  const refused = (method: unknown, given: Given, words: string) =>
    assertThrows(() => completeSettings(method as Method, given), UserError, words);
  refused(cocoop, { preset: "seed-notbook" }, 'take seed-notebook or cocoop-cvpr22. Did you mean "seed-notebook"?');
  refused(cocoop, { preset: "coop-ijcv22" }, 'no preset "coop-ijcv22" of CoCoOp');
  refused(cocoop, { preset: "constructor" }, "no preset");
  refused(kgcoop, { over: "cocoop", preset: "kgcoop-cvpr23" }, "of KgCoOp over CoCoOp: take seed-notebook");
  refused(gda, { preset: "seed-notebook" }, "GDA has no presets: leave --preset out.");
  refused(cocoop, { classSpecific: true }, "--class-specific is fixed for CoCoOp: leave it out.");
  refused(coop, { promptAverage: "500,1", epochs: 10 }, "epochs 1 to 10");
  refused(prograd, { promptAverage: "500,1", epochs: 10 }, "epochs 1 to 10");
  const taken = { ...coop, label: "Mine", settings: { ...coop.settings, data: coop.settings.lr } };
  refused(taken, {}, 'The method Mine has a setting "data", which every run has');
  refused(clipAdapter, { train: "base", eval: ["all"] }, "give --train all");
  refused(clipAdapter, { train: "all", eval: ["new"] }, "give --train new");
  refused(linearProbe, { train: "new", eval: ["all"] }, "or the base ones; give --train all");
});

Deno.test("of prompts, --eval alone trains nothing, and --train alone evaluates on the same classes", () => {
  assertEquals(targets(coop, { eval: ["new"] }), [undefined, ["new"], []]);
  assertEquals(targets(coop, { train: "all" }), ["all", ["all"], []]);
  assertEquals(targets(coop, { train: "new", eval: ["base", "dtd:all"] }), ["new", ["base"], ["dtd:all"]]);
  assertEquals(targets(coop, { eval: ["dtd:all"] }), [undefined, [], ["dtd:all"]]);
});

Deno.test("of methods on features, what is left out is learned from base classes, or from all with --eval all", () => {
  assertEquals(targets(tipAdapterF, {}), ["base", ["base", "new"], []]);
  assertEquals(targets(tipAdapterF, { eval: ["all"] }), ["all", ["all"], []]);
  assertEquals(targets(tipAdapterF, { train: "all" }), ["all", ["all"], []]);
  assertEquals(targets(tipAdapterF, { eval: ["new"] }), ["base", ["new"], []]);
  assertEquals(targets(gda, { train: "new", eval: ["base", "new"] }), ["new", ["base", "new"], []]);
  // Another data set is no reason to learn from all classes.
  assertEquals(targets(gda, { eval: ["dtd:all"] }), ["base", [], ["dtd:all"]]);
});

Deno.test("zero-shot CLIP has no shots, no seeds and nothing that it is trained on", () => {
  const config = completeSettings(zeroShot, { eval: ["all", "dtd:new"], templates: "ensemble" });
  assertEquals([config.train, config.eval, config.transfers], [undefined, ["all"], ["dtd:new"]]);
  assertEquals([config.shots, config.seeds, config.preset, config.changed], [null, [null], null, ["templates"]]);
  assertEquals(completeSettings(zeroShot, {}).eval, ["base", "new"]);
});

Deno.test("why a method has no result: other classes than it learned from, or its own reason", () => {
  const why = (name: string, train: "base" | "new" | "all", subset: "base" | "new" | "all") =>
    whyNotOn(KIT_METHODS.find((method) => method.name === name)!, { train, subset });
  assertEquals([why("coop", "base", "all"), why("zeroshot", "base", "all"), why("gda", "base", "new")], [
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals([why("gda", "all", "new"), why("gda", "base", "all")], ["other classes", "other classes"]);
  assertEquals(why("lp++", "new", "new"), undefined);
  assertEquals(typeof why("lp++", "base", "new"), "string");
});
