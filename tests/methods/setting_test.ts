import { assert, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { clipAdapter, coop, lpPlusPlus, maple, mmrl, tcp, tipAdapterF } from "../../src/methods/kit.ts";
import { completeSettings } from "../../src/run/config.ts";
import { RUN_SETTINGS } from "../../src/run/settings.ts";
import {
  choice,
  decimal,
  defaultOf,
  flagName,
  listOf,
  orList,
  text,
  toggle,
  wholeNumber,
  wholeNumbers,
  withDefaults,
} from "../../src/methods/setting.ts";

/** What each kind reads, and what it refuses in which words. */
const KINDS = [
  { setting: wholeNumber({ help: "", least: 1 }), right: [["7", 7], [" 7 ", 7]], wrong: ["0", "1.5", "", "x", "1e99"] },
  { setting: wholeNumber({ help: "" }), right: [["0", 0]], wrong: ["-1"] },
  { setting: wholeNumber({ help: "", most: 76 }), right: [["76", 76]], wrong: ["77"] },
  { setting: wholeNumber({ help: "" }), right: [["1000000", 1e6]], wrong: ["1000001", "1e12"] },
  {
    setting: decimal({ help: "" }),
    right: [["2e-3", 0.002], ["0", 0], ["0.0e-999", 0], ["1e6", 1e6], ["1.2e-38", 1.2e-38]],
    wrong: ["fast", "NaN", "-1", "Infinity", " ", "1e308", "1e400", "1e30", "1000001", "1e-39", "1e-400", "-1e-400"],
  },
  { setting: decimal({ help: "", most: 1 }), right: [["0.9", 0.9], ["1", 1]], wrong: ["1.001", "1e308"] },
  { setting: choice(["end", "front"], { help: "" }), right: [["end", "end"]], wrong: ["en", "END", ""] },
  { setting: toggle({ help: "" }), right: [["true", true], ["false", false]], wrong: ["maybe", "1", ""] },
  { setting: text({ help: "" }), right: [["a b", "a b"], [" ", " "]], wrong: [""] },
  {
    setting: listOf(wholeNumber({ help: "" }).parse, { help: "" }),
    right: [["3, 1,3,", [3, 1]]],
    wrong: ["", ",", "1,x"],
  },
  {
    setting: wholeNumbers({ help: "", least: 1 }),
    right: [["1-3", [1, 2, 3]], [" 2 , 4 - 5,9", [2, 4, 5, 9]], ["7-7,1-2,2", [7, 1, 2]]],
    wrong: ["", "3-1", "1-", "-1", "1-2-3", "0-2", "1-100000"],
  },
] as const;

Deno.test("each kind of setting reads its values, and refuses others in a sentence with the flag's name", () => {
  for (const { setting, right, wrong } of KINDS) {
    for (const [value, expected] of right) assertEquals(setting.parse(value, "--it") as unknown, expected);
    for (const value of wrong) assertThrows(() => setting.parse(value, "--it"), UserError, "--it ");
  }
  assertThrows(
    () => wholeNumber({ help: "" }).parse("1e12", "--epochs"),
    UserError,
    '--epochs is "1e12", and can be 1,000,000 at most.',
  );
  assertThrows(() => decimal({ help: "" }).parse("1e308", "--lr"), UserError, "and can be 1,000,000 at most.");
  assertThrows(() => decimal({ help: "" }).parse("1e-400", "--lr"), UserError, "too small to count beside anything");
  assertThrows(
    () => choice(["middle", "end"], { help: "" }).parse("midle", "--at"),
    UserError,
    '--at is "midle", and can be middle or end. Did you mean "middle"?',
  );
});

Deno.test("the settings of prompts that are written in a way of their own", () => {
  const { views, promptAverage, wise, initWords } = coop.settings;
  assertEquals(["epochs", "0", "3"].map((value) => views.parse(value, "--views")), ["epochs", 0, 3]);
  assertThrows(() => views.parse("100000", "--views"), UserError, "can be 1,000 at most");
  assertThrows(() => views.parse("all", "--views"), UserError, "--views (epochs, or a number)");
  assertEquals(promptAverage.parse(" 15, 1.50", "--prompt-average"), "15,1.5");
  for (const wrong of ["15", "15,0", "15,-1", "a,b", "1,2,3", ","]) {
    assertThrows(() => promptAverage.parse(wrong, "--prompt-average"), UserError, "15,1");
  }
  assertEquals([wise.parse("0", ""), wise.parse("1", ""), initWords.parse("", "")], [0, 1, ""]);
  for (const wrong of ["1.5", "-0.1", "half", ""]) assertThrows(() => wise.parse(wrong, "--wise"), UserError, "from 0");
});

Deno.test("flags, lists of words and defaults", () => {
  assertEquals(["lr", "batchSize", "classTokenPosition"].map(flagName), ["lr", "batch-size", "class-token-position"]);
  assertEquals([[], ["a"], ["a", "b"], ["a", "b", "c"]].map(orList), ["", "a", "a or b", "a, b or c"]);
  const byShots = wholeNumber({ help: "", default: (shots: number) => 2 * shots });
  assertEquals([defaultOf(byShots, 4), defaultOf(decimal({ help: "" }), 4)], [8, undefined]);
  const changed = withDefaults(coop.settings, { epochs: 7 });
  assertEquals([changed.epochs.default, coop.settings.epochs.default, changed.lr], [7, 100, coop.settings.lr]);
});

Deno.test("a value that would end a line or steer a terminal is refused, in every kind of setting and from a library", () => {
  for (const value of ["a\nb", "\x1b[31m", "\x07", "\x7f", "\u009b31m", "\u202e", "\u2028", "a\tb", "a\u200bb"]) {
    for (const setting of [RUN_SETTINGS.data, RUN_SETTINGS.out, RUN_SETTINGS.eval, RUN_SETTINGS.dataset]) {
      assertThrows(() => setting.parse(value, "--x"), UserError, "--x has a line break or another control character");
    }
    assertThrows(() => completeSettings(coop, { initWords: value }), UserError, "initWords has a line break");
    assertThrows(() => completeSettings(coop, { out: value }), UserError, "out has a line break");
  }
  assertEquals(RUN_SETTINGS.data.parse("Bilder für später/猫 🐈", "--data"), "Bilder für später/猫 🐈");
});

Deno.test("a value that is too long to be meant is refused before it is looked at", () => {
  assertThrows(
    () => RUN_SETTINGS.data.parse("a".repeat(300_001), "--data"),
    UserError,
    "--data has 300,001 characters",
  );
  assertEquals(RUN_SETTINGS.data.parse("a".repeat(300_000), "--data").length, 300_000);
});

Deno.test("numbers are decimal: other bases and signs between digits are refused everywhere", () => {
  const { promptAverage, wise } = coop.settings;
  const numbers = [wholeNumber({ help: "" }), decimal({ help: "" }), wholeNumbers({ help: "" }), wise];
  for (const text of ["0x1", "0b1", "0o1", "1_0", "Infinity", "NaN", "", " ", "1e", ".", "--1", "1 0", "\u0661"]) {
    for (const number of numbers) assertThrows(() => number.parse(text, "--n"), UserError, "--n ", text);
    assertThrows(() => promptAverage.parse(`15,${text}`, "--prompt-average"), UserError);
  }
  assertEquals(["1", "+1", " 1 ", "1.", "1e0", "01"].map((text) => numbers.map((one) => one.parse(text, "--n"))), [
    ...Array.from({ length: 6 }, () => [1, 1, [1], 1]),
  ]);
  assertEquals(Object.is(numbers[0].parse("-0", "--n"), 0), true);
});

Deno.test("numbers that would take for ever have a largest value", () => {
  const bound = (method: unknown, name: string, value: number) => {
    const { message } = assertThrows(() => completeSettings(method as typeof coop, { [name]: value }), UserError);
    assert(message.endsWith("at most."), message);
  };
  for (const method of [mmrl, tcp, maple, coop]) bound(method, "contextTokens", 77);
  for (const method of [clipAdapter, tipAdapterF, lpPlusPlus]) bound(method, "epochs", 10_001);
  bound(mmrl, "tokenWidth", 16_385);
});
