import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import {
  DATASET_NAMES,
  describeDataset,
  ENSEMBLE_TEMPLATES,
  ensembleTemplates,
  knownDatasets,
} from "../../src/data/catalogue.ts";
import { className, PLAIN_NAMES } from "../../src/data/class_names.ts";
import { parseDescription } from "../../src/data/description.ts";

Deno.test("the eleven data sets of the benchmark are described, with template, source and licence", () => {
  const all = knownDatasets();
  assertEquals(all.length, 11);
  for (const { name, template, source, licence, citation } of all) {
    for (const text of [template, source, licence, citation]) assertEquals(typeof text, "string", name);
    assertEquals(template.split("{}").length, 2, name);
  }
  assertEquals([...Deno.readDirSync(new URL("../../data/datasets", import.meta.url))].length, DATASET_NAMES.length);
});

Deno.test("templates are the published ones", async () => {
  const template = async (name: string) => (await describeDataset(name)).template;
  assertEquals(await template("EuroSAT"), "a centered satellite photo of {}.");
  assertEquals(await template("dtd"), "{} texture.");
  assertEquals(await template("food_101"), "a photo of {}, a type of food.");
  assertEquals(await template("UCF101"), "a photo of a person doing {}.");
  assertEquals(await template("OxfordPets"), "a photo of a {}, a type of pet.");
  assertEquals(ENSEMBLE_TEMPLATES.length, 7);
  assertEquals(ENSEMBLE_TEMPLATES[2], "a origami {}.");
  assertEquals(ensembleTemplates(await describeDataset("imagenet")), [...ENSEMBLE_TEMPLATES]);
  assertEquals(ensembleTemplates(await describeDataset("dtd")), [...ENSEMBLE_TEMPLATES, "{} texture."]);
});

Deno.test("ugly class folders become the published names", async () => {
  const named = async (dataset: string, folder: string) =>
    className(folder, (await describeDataset(dataset)).classNames);
  assertEquals(await named("eurosat", "AnnualCrop"), "Annual Crop Land");
  assertEquals(await named("caltech101", "Leopards"), "leopard");
  assertEquals(await named("caltech101", "crocodile_head"), "crocodile head");
  assertEquals(await named("sun397", "a/apse/indoor"), "indoor apse");
  assertEquals(await named("sun397", "a/abbey"), "abbey");
  assertEquals(await named("ucf101", "ApplyEyeMakeup"), "Apply Eye Makeup");
  assertEquals(await named("ucf101", "Apply_Eye_Makeup"), "Apply Eye Makeup");
  assertEquals(await named("stanford_cars", "Audi TT RS Coupe 2012"), "2012 Audi TT RS Coupe");
  assertEquals(className("083.airplane", { ...PLAIN_NAMES, stripNumberPrefix: true }), "airplane");
  assertEquals(className("2012", { ...PLAIN_NAMES, stripNumberPrefix: true }), "2012");
  assertEquals(className("constructor", PLAIN_NAMES), "constructor");
});

const faults: [string, string][] = [
  ["name: [", "is not valid YAML"],
  ["- a", "it is not a table"],
  ["images: x", "name is missing"],
  ["name: x\nimags: y", 'unknown key "imags". Did you mean "images"?'],
  ["name: x\nclass_names: { renam: {} }", 'unknown key "renam". Did you mean "rename"?'],
  ["name: x\nimages: 2750", "images is 2750, not a text; put it in quotes"],
  ["name: x\nimages: ../y", "leads out of the folder"],
  ["name: x\ntemplate: a photo", "has no {}"],
  ["name: x\nsplit: { file: a, lists: {} }", "needs one of file, lists and folders"],
  ["name: x\nsplit: { file: a, without_file: maybe }", "not make or stop"],
  ["name: x\nclass_names: { reverse_parts: 1 }", "class_names.reverse_parts is 1, not true or false"],
];

for (const [text, message] of faults) {
  Deno.test(`a description is refused: ${JSON.stringify(text)}`, () => {
    const error = assertThrows(() => parseDescription(text, "mine.yaml"), UserError);
    assertStringIncludes(error.message, "mine.yaml");
    assertStringIncludes(error.message, message);
  });
}

Deno.test("the description in docs/data.md is one, of under ten lines", () => {
  const page = Deno.readTextFileSync(new URL("../../docs/data.md", import.meta.url));
  const text = /```yaml\n(.*?)```/s.exec(page)![1];
  assertEquals(text.trim().split("\n").length, 9);
  const { name, split, classNames } = parseDescription(text, "docs/data.md");
  assertEquals([name, split.kind, className("083.great_tit", classNames)], ["My birds", "file", "great tit"]);
});

Deno.test("an unknown data set is answered with a suggestion, a missing file with its path", async () => {
  await assertRejects(() => describeDataset("food102"), UserError, 'Did you mean "food101"?');
  await assertRejects(() => describeDataset("/nowhere/x.yaml"), UserError, "/nowhere/x.yaml");
});
