import { assertEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { UserError } from "../../src/errors.ts";
import { type PublishedPrompt, readPublishedPrompt } from "../../src/published/checkpoint.ts";
import {
  recoverClassNames,
  requireClassNames,
  requireModel,
  type TokenTable,
} from "../../src/published/class_names.ts";
import { roundingsOf } from "../../src/published/frozen_towers.ts";
import { sharedTest } from "../shared.ts";
import { ROOT } from "../tasks.ts";
import { caseOf, modelPath, towerTensors, withCheckpoint } from "./tower_files.ts";

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

/** The table of a model of the reference material, and a case's checkpoint on it. */
async function caseAt<T>(
  at: { method: string; name: string; precision: "half" | "float"; init?: string },
  use: (prompt: PublishedPrompt, table: TokenTable) => T,
): Promise<T> {
  const about = await caseOf(at.method, at.name);
  const [weights, tokenizer] = await Promise.all([loadWeights(modelPath(about.model)), loadTokenizer()]);
  const { data, shape: [, width] } = weights.tensor("token_embedding.weight");
  const embedding = (id: number) => data.subarray(id * width, (id + 1) * width);
  return await withCheckpoint(await towerTensors(at.method, at), (path) => {
    const read = readPublishedPrompt(path);
    const prompt = { ...read, roundings: roundingsOf(at.method, read.epoch) };
    return use(prompt, { tokenizer, width, name: about.model, embedding });
  });
}

sharedTest("words of the start that no learned token replaces are told from the class names", async () => {
  for (
    const [method, name, precision, wordsAfter] of [
      ["maple", "mini4_d3", "half", "of a"],
      ["maple", "mini4_all", "float", ""],
      ["ivlp", "mini4_v4t2", "float", ""],
      // Its tokens went through the average over epochs, in half precision.
      ["promptsrc", "mini4_all", "half", "of a"],
    ] as const
  ) {
    const given = (await caseOf(method, name)).classnames;
    const classNames = given.map((one) => one.replaceAll("_", " ").toLowerCase());
    await caseAt({ method, name, precision }, (prompt, table) => {
      requireModel(prompt, table);
      assertEquals(recoverClassNames(prompt, table), { classNames, wordsAfter });
      assertEquals(requireClassNames(prompt, { classNames: given, table }), { classNames: given, wordsAfter });
      const swapped = [given[1], given[0], ...given.slice(2)];
      assertThrows(() => requireClassNames(prompt, { classNames: swapped, table }), UserError, "class 1 is not");
    });
  }
});

sharedTest("other words of the start are told by the class names, and asked for without them", async () => {
  const at = { method: "maple", name: "mini4_d3", precision: "float", init: "an image of the" } as const;
  const { classnames } = await caseOf(at.method, at.name);
  await caseAt(at, (prompt, table) => {
    const { wordsAfter } = requireClassNames(prompt, { classNames: classnames, table });
    assertEquals(wordsAfter, "of the");
    assertThrows(
      () => recoverClassNames(prompt, table),
      UserError,
      'begin with "of", which may be a word of the prompt',
    );
    const one = ["of the Annual Crop Land", ...classnames.slice(1)];
    assertThrows(() => requireClassNames(prompt, { classNames: one, table }), UserError, "class 2 is not");
    // A context in front of the text has no such words in this kit.
    const context = { ...prompt, layout: { ...prompt.layout, wordsStay: undefined } };
    const refused = () => requireClassNames(context, { classNames: classnames, table });
    assertThrows(refused, UserError, 'the fixed words "of the" between its context and the class names');
  });
});
