import { assertEquals } from "jsr:@std/assert@1.0.19";
import { didYouMean } from "../src/did_you_mean.ts";

const FLAGS = [
  "--shots",
  "--lr",
  "--epochs",
  "--batch-size",
  "--weight-decay",
  "--seed",
  "--warmup-lr",
  "--train",
  "--out",
  "--classes",
];

for (
  const [mistake, word, expected] of [
    ["a letter too few", "--epoch", "--epochs"],
    ["a letter too many", "--shotts", "--shots"],
    ["a wrong letter in a short name", "--lt", "--lr"],
    ["two letters that changed places", "--shtos", "--shots"],
    ["two at the end", "--sede", "--seed"],
    ["another way to write it", "--batchSize", "--batch-size"],
    ["what the letters stand for", "--learning-rate", "--lr"],
    ["the letters of the words", "--wd", "--weight-decay"],
    ["its words in another order", "--lr-warmup", "--warmup-lr"],
    ["a longer word", "--output", "--out"],
    ["a shorter word", "--class", "--classes"],
  ] as const
) {
  Deno.test(`a known word is suggested for ${mistake}`, () => {
    assertEquals(didYouMean(word, FLAGS), ` Did you mean "${expected}"?`);
  });
}

Deno.test("nothing is suggested where nothing is near", () => {
  for (const word of ["--frobnicate", "--x", "", "--stosh"]) assertEquals(didYouMean(word, FLAGS), "", word);
  assertEquals(didYouMean("--shots", []), "");
  // Neither words of another script nor signs are the same for having no letter of the alphabet.
  assertEquals(didYouMean("中国", ["日本", "--"]), "");
  assertEquals(didYouMean("??", ["--"]), "");
});

Deno.test("words of over a hundred letters are not looked at", () => {
  const known = ["a".repeat(100)];
  assertEquals(didYouMean("a".repeat(99), known), ` Did you mean "${known[0]}"?`);
  assertEquals(didYouMean("a".repeat(101), known), "");
  assertEquals(didYouMean(`--shot${"s".repeat(100_000)}`, FLAGS), "");
});
