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
import { tcpText } from "../../src/methods/tcp.ts";
import { describeDataset } from "../../src/data/catalogue.ts";
import { roundingsOf } from "../../src/published/frozen_towers.ts";
import { sharedTest } from "../shared.ts";
import { ROOT } from "../tasks.ts";
import { caseOf, modelPath, ones, textTensors, towerTensors, withCheckpoint } from "./tower_files.ts";

const FIXTURES = `${ROOT}tests/fixtures/published/`;
const text = "{}.";
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
    assertEquals(recoverClassNames(prompt, { table, text }), {
      classNames: NAMES.map((name) => name.toLowerCase()),
      wordsAfter: "",
    });
    const check = (classNames: string[]) => requireClassNames(prompt, { classNames, table, text });
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
  assertThrows(() => recoverClassNames(prompt, { table: other, text }), UserError, "does not have");
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
      assertEquals(recoverClassNames(prompt, { table, text }), { classNames, wordsAfter });
      assertEquals(requireClassNames(prompt, { classNames: given, table, text }), { classNames: given, wordsAfter });
      const swapped = [given[1], given[0], ...given.slice(2)];
      assertThrows(() => requireClassNames(prompt, { classNames: swapped, table, text }), UserError, "class 1 is not");
    });
  }
});

sharedTest("other words of the start are told by the class names, and asked for without them", async () => {
  const at = { method: "maple", name: "mini4_d3", precision: "float", init: "an image of the" } as const;
  const { classnames } = await caseOf(at.method, at.name);
  await caseAt(at, (prompt, table) => {
    const { wordsAfter } = requireClassNames(prompt, { classNames: classnames, table, text });
    assertEquals(wordsAfter, "of the");
    assertThrows(
      () => recoverClassNames(prompt, { table, text }),
      UserError,
      'begin with "of", which may be a word of the prompt',
    );
    const one = ["of the Annual Crop Land", ...classnames.slice(1)];
    assertThrows(() => requireClassNames(prompt, { classNames: one, table, text }), UserError, "class 2 is not");
    // A context in front of the text has no such words in this kit.
    const context = { ...prompt, layout: { ...prompt.layout, wordsStay: undefined } };
    const refused = () => requireClassNames(context, { classNames: classnames, table, text });
    assertThrows(refused, UserError, 'the fixed words "of the" between its context and the class names');
  });
});

Deno.test("TCP's class names stand among the words of the data set, and other words are no part of a name", async () => {
  const weights = await loadWeights(`${ROOT}data/sample/model.safetensors`);
  const table = await sampleTable();
  const prompts = async (texts: string[], use: (prompt: PublishedPrompt) => void) => {
    const tensors = new Map(await textTensors(weights, { texts, M: 4, precision: "half" }));
    for (const [name, shape] of Object.entries({ ctx: [4, 128], ...net(4 * 128) })) tensors.set(name, ones(...shape));
    await withCheckpoint(tensors, (path) => use(readPublishedPrompt(path)));
  };
  // As in CUSTOM_TEMPLATES of TCP's code.
  const published: [string, string][] = [
    ["oxford_pets", "X X X X {}, a type of pet."],
    ["oxford_flowers", "X X X X {}, a type of flower."],
    ["fgvc_aircraft", "X X X X {}, a type of aircraft."],
    ["dtd", "X X X X {} texture."],
    ["eurosat", "X X X X {}."],
    ["stanford_cars", "X X X X {}, a type of car"],
    ["food101", "X X X X {}, a type of food."],
    ["sun397", "X X X X {}."],
    ["caltech101", "X X X X {}."],
    ["ucf101", "a photo of a person doing {}."],
    ["imagenet", "a photo of a {}."],
  ];
  const names = ["Ball_Pit", "st. bernard", "A310, blue"];
  const read = ["ball pit", "st . bernard", "a 3 1 0 , blue"];
  const textOf = (prompt: PublishedPrompt, dataset: string) => {
    const { template, name } = describeDataset(dataset);
    return prompt.layout.text!({ template, dataset: name });
  };
  for (const [dataset, whole] of published) {
    const { template, name } = describeDataset(dataset);
    assertEquals(tcpText({ template, dataset: name }), whole.replace(/^(X X X X|a photo of a) /, ""));
  }
  for (const dataset of ["oxford_pets", "dtd", "stanford_cars", "ucf101"]) {
    const [, whole] = published.find(([one]) => one === dataset)!;
    await prompts(names.map((name) => whole.replace("{}", name.replaceAll("_", " "))), (prompt) => {
      const text = textOf(prompt, dataset);
      assertEquals(recoverClassNames(prompt, { table, text }), { classNames: read, wordsAfter: "" }, dataset);
      assertEquals(requireClassNames(prompt, { classNames: names, table, text }).classNames, names);
      const refused = (other: string, message: string) =>
        assertThrows(() => recoverClassNames(prompt, { table, text: textOf(prompt, other) }), UserError, message);
      if (dataset === "dtd") refused("oxford_pets", "name the one that it was trained on by --dataset");
      if (dataset === "oxford_pets") refused("eurosat", 'end with "pet", which may be a word of the prompt');
      if (dataset === "ucf101") refused("eurosat", 'begin with "person", which may be a word of the prompt');
    });
  }
});

function net(out: number): Record<string, number[]> {
  return {
    "meta_net.linear1.weight": [32, 128],
    "meta_net.linear1.bias": [32],
    "meta_net.linear2.weight": [out, 32],
    "meta_net.linear2.bias": [out],
  };
}
