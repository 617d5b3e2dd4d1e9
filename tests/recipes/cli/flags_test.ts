import { assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { readFlags } from "../../../recipes/cli/flags.ts";
import { recipeSettings } from "../../../recipes/cli/recipe.ts";
import { UserError } from "../../../src/errors.ts";
import { KIT_METHODS } from "../../../src/methods/kit.ts";

const settingsOf = (method: string) => recipeSettings(KIT_METHODS.find(({ name }) => name === method)!);
const COOP = settingsOf("coop");
const given = (...args: string[]) => readFlags(args, COOP).given;

Deno.test("flags are named as settings are, with dashes; values may follow an equals sign", () => {
  assertEquals(given("--batch-size", "32", "--class-specific", "--lr=2e-3", "--eval", "base,new"), {
    batchSize: 32,
    classSpecific: true,
    lr: 0.002,
    eval: ["base", "new"],
  });
  assertEquals(given(), {});
  assertEquals(given("--seed", "0"), { seeds: [0] });
  assertEquals(given("--seeds", "3,1,3"), { seeds: [3, 1] });
  assertEquals(given("--engine=onnx=x"), { engine: "onnx=x" });
  assertEquals(given("-h"), { help: true });
});

Deno.test("of a flag given twice the last counts, so that a task's flags can be overridden", () => {
  assertEquals(given("--epochs", "3", "--epochs=5"), { epochs: 5 });
  assertEquals(given("--epochs=5", "--epochs", "3"), { epochs: 3 });
  assertEquals(given("--seed", "1", "--seeds", "2,3"), { seeds: [2, 3] });
  assertEquals(given("--class-specific", "--class-specific=false"), { classSpecific: false });
  // A false switch is given too: it goes over a true one in YAML.
  assertEquals(given("--fresh=false"), { fresh: false });
});

Deno.test("pairs are gathered, however often and in whichever way they are given", () => {
  const vary = { help: "what is varied", section: "What runs", placeholder: "A=B", pairs: true } as const;
  const settings = { vary: { ...vary, parse: (value: string) => value }, lr: COOP.lr };
  const { given } = readFlags(["--vary", "lr=1,2", "--lr", "3", "--vary=epochs=4", "--vary", "views=0"], settings);
  assertEquals(given, { vary: "lr=1,2,epochs=4,views=0", lr: 3 });
  assertThrows(() => readFlags(["--vary"], settings), UserError, "--vary needs a value: --vary A=B.");
});

Deno.test("an unknown flag is told before anything else that is wrong, but a value is no flag", () => {
  for (const args of [["--shots", "--shtos", "3"], ["--lr", "x", "--shtos=3"], ["words", "--fresh=x", "--shtos"]]) {
    assertThrows(() => given(...args), UserError, 'There is no flag --shtos. Did you mean "--shots"?');
  }
  assertEquals(given("--init-words=--shtos"), { initWords: "--shtos" });
});

Deno.test("an empty value and values with a dash stay values", () => {
  assertEquals(given("--init-words", ""), { initWords: "" });
  assertEquals(given("--init-words="), { initWords: "" });
  assertEquals(given("--init-words=--bold"), { initWords: "--bold" });
  assertEquals(given("--init-words", "", "--shots", "4"), { initWords: "", shots: 4 });
  assertEquals(given("--out", "-mine"), { out: "-mine" });
});

for (
  const [args, ...says] of [
    [["--lr=-1"], '--lr is "-1", and must be a number from 0'],
    [["--lr", "-1"], '--lr is "-1", and must be a number from 0'],
    [["--lr", "fast"], '"fast"', "number"],
    [["--lr", "NaN"], "number"],
    [["--lr="], '--lr is ""'],
    [["--lr"], "--lr needs a value: --lr X."],
    [["--lr", "--json"], "--lr needs a value"],
    [["--eval", "--train", "base"], "--eval needs a value: --eval base,new,all."],
    [["--epochs", "0"], "whole number from 1"],
    [["--epochs", "1.5"], "whole number from 1"],
    [["--train", "bas"], "base, new or all", 'Did you mean "base"?'],
    [["--eval", ","], "empty"],
    [["--wise", "1.5"], "from 0"],
    [["--prompt-average", "15"], "15,1"],
    [["--json=maybe"], '--json is "maybe", and must be true or false.'],
    [["--epoch", "3"], "There is no flag --epoch.", '"--epochs"'],
    [["--shtos", "3"], 'There is no flag --shtos. Did you mean "--shots"?'],
    [["--batchsize", "3"], '"--batch-size"'],
    [["--learning-rate=1"], 'There is no flag --learning-rate. Did you mean "--lr"?'],
    [["--seeds", "3-1"], "--seeds has the range 3-1, and a range counts up"],
    [["--n-ctx", "4"], 'There is no flag --n-ctx. Did you mean "--context-tokens"?'],
    [["--N_CTX=4"], 'There is no flag --N_CTX. Did you mean "--context-tokens"?'],
    [["--num-shots", "4"], 'There is no flag --num-shots. Did you mean "--shots"?'],
    [["--prompt-depth", "4"], "There is no flag --prompt-depth. --help lists all flags."],
    [["--frobnicate"], "There is no flag --frobnicate. --help lists all flags."],
    [["--no-json"], "There is no flag --no-json."],
    [["--constructor", "1"], "There is no flag --constructor."],
    [["--__proto__=1"], "There is no flag --__proto__."],
    [["-e", "3"], "There is no flag -e."],
    [["base"], '"base" is not a flag'],
    [["--eval", "base", "new"], '"new" is not a flag', "--eval base,new"],
    [["--", "--lr", "3"], "is not a flag"],
    [["--templates", "single"], "There is no flag --templates."],
  ] as [string[], ...string[]][]
) {
  Deno.test(`a command line is refused with a sentence: ${args.join(" ")}`, () => {
    const { message } = assertThrows(() => given(...args), UserError);
    for (const part of says) assertEquals(message.includes(part), true, message);
  });
}

Deno.test("a recipe takes the flags of its method, and what a paper fixes is no flag", () => {
  const takes = (method: string, ...args: string[]) => readFlags(args, settingsOf(method)).given;
  assertThrows(() => takes("zeroshot", "--shots", "4"), UserError, "no flag --shots");
  assertEquals(takes("zeroshot", "--templates", "ensemble"), { templates: "ensemble" });
  assertThrows(() => takes("gda", "--epochs", "4"), UserError, "no flag --epochs");
  assertEquals(takes("kgcoop", "--over", "cocoop", "--lambda", "2"), { over: "cocoop", lambda: 2 });
  for (const method of KIT_METHODS) {
    for (const [name, { fixed }] of Object.entries(method.settings)) {
      if (fixed) assertThrows(() => readFlags([`--${name}=1`], recipeSettings(method)), UserError, "no flag");
    }
  }
});

Deno.test("words that are no flags are kept for recipes that have a use for them", () => {
  const { words, given } = readFlags(["a.jpg", "--quiet", "2.jpg", "--threads", "2", "--", "--odd.jpg"], COOP, {
    words: true,
  });
  assertEquals(words, ["a.jpg", "2.jpg", "--odd.jpg"]);
  assertEquals(given, { quiet: true, threads: 2 });
});
