import { assertEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { UserError } from "../../src/errors.ts";
import { readPublishedPrompt } from "../../src/published/checkpoint.ts";
import {
  recoverClassNames,
  requireClassNames,
  requireModel,
  type TokenTable,
} from "../../src/published/class_names.ts";
import { ROOT } from "../tasks.ts";

const FIXTURES = `${ROOT}tests/fixtures/published/`;
const NAMES = ["Annual Crop Land", "Herbaceous Vegetation Land", "River"];

async function sampleTable(): Promise<TokenTable> {
  const [weights, tokenizer] = await Promise.all([
    loadWeights(`${ROOT}data/sample/model.safetensors`),
    loadTokenizer(),
  ]);
  const { data, shape: [, width] } = weights.tensor("token_embedding.weight");
  return { tokenizer, width, name: "sample", embedding: (id) => data.subarray(id * width, (id + 1) * width) };
}

for (const file of ["coop.pth.tar-50", "cocoop.pth.tar-10"]) {
  Deno.test(`${file} tells its class names, and refuses others`, async () => {
    const prompt = readPublishedPrompt(FIXTURES + file);
    const table = await sampleTable();
    requireModel(prompt, table);
    assertEquals(recoverClassNames(prompt, table), {
      classNames: NAMES.map((name) => name.toLowerCase()),
      wordsAfter: "",
    });
    const check = (classNames: string[]) => requireClassNames(prompt, { classNames, table });
    assertEquals(check(NAMES), { classNames: NAMES, wordsAfter: "" });
    check(["annual_crop_land", "herbaceous vegetation land", "river"]);
    const refused = (classNames: string[], message: string) =>
      assertStringIncludes(assertThrows(() => check(classNames), UserError).message, message);
    refused(NAMES.slice(1), "trained with 3 classes, and 2 are named");
    refused([NAMES[0], "Forest", NAMES[2]], 'class 2 is not "Forest"');
    refused([NAMES[1], NAMES[0], NAMES[2]], "class 1 is not");
    refused([NAMES[0], NAMES[1], "River Delta"], 'class 3 is not "River Delta"');
  });
}

Deno.test("a prompt of another model is refused, by its width or by its start token", async () => {
  const prompt = readPublishedPrompt(`${FIXTURES}coop.pth.tar-50`);
  const table = await sampleTable();
  assertStringIncludes(
    assertThrows(() => requireModel(prompt, { ...table, width: 512 }), UserError).message,
    "its tokens have 128 numbers and not 512",
  );
  const other = { ...table, embedding: (id: number) => table.embedding(id).map((value) => value * 1.01) };
  assertStringIncludes(
    assertThrows(() => requireModel(prompt, other), UserError).message,
    "start token is another one",
  );
  assertThrows(() => recoverClassNames(prompt, other), UserError, "does not have");
});
