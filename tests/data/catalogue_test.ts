import { assertEquals, assertStrictEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
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

Deno.test("templates are the published ones", () => {
  const template = (name: string) => describeDataset(name).template;
  assertEquals(template("EuroSAT"), "a centered satellite photo of {}.");
  assertEquals(template("dtd"), "{} texture.");
  assertEquals(template("food_101"), "a photo of {}, a type of food.");
  assertEquals(template("UCF101"), "a photo of a person doing {}.");
  assertEquals(template("OxfordPets"), "a photo of a {}, a type of pet.");
  assertEquals(ENSEMBLE_TEMPLATES.length, 7);
  assertEquals(ENSEMBLE_TEMPLATES[2], "a origami {}.");
  assertEquals(ensembleTemplates(describeDataset("imagenet")), [...ENSEMBLE_TEMPLATES]);
  assertEquals(ensembleTemplates(describeDataset("dtd")), [...ENSEMBLE_TEMPLATES, "{} texture."]);
});

Deno.test("ugly class folders become the published names", () => {
  const named = (dataset: string, folder: string) => className(folder, describeDataset(dataset).classNames);
  assertEquals(named("eurosat", "AnnualCrop"), "Annual Crop Land");
  assertEquals(named("caltech101", "Leopards"), "leopard");
  assertEquals(named("caltech101", "crocodile_head"), "crocodile head");
  assertEquals(named("sun397", "a/apse/indoor"), "indoor apse");
  assertEquals(named("sun397", "a/abbey"), "abbey");
  assertEquals(named("ucf101", "ApplyEyeMakeup"), "Apply Eye Makeup");
  assertEquals(named("ucf101", "Apply_Eye_Makeup"), "Apply Eye Makeup");
  assertEquals(named("stanford_cars", "Audi TT RS Coupe 2012"), "2012 Audi TT RS Coupe");
  assertEquals(className("083.airplane", { ...PLAIN_NAMES, stripNumberPrefix: true }), "airplane");
  assertEquals(className("2012", { ...PLAIN_NAMES, stripNumberPrefix: true }), "2012");
  assertEquals(className("constructor", PLAIN_NAMES), "constructor");
});

const faults: [unknown, string][] = [
  [["a"], "it is not a table"],
  [null, "it is not a table"],
  [{ images: "x" }, "name is missing"],
  [{ name: "x", imags: "y" }, 'unknown key "imags". Did you mean "images"?'],
  [{ name: "x", template: "a \x1b[31m{}" }, "template has control characters"],
  [{ name: "x", template: "a\n{}" }, "has several lines"],
  [{ name: "x", source: "\u202e" }, "source has control characters"],
  [{ name: "x", class_names: { rename: { a: "b\u200b" } } }, "class_names.rename.a has control characters"],
  [{ name: "x", class_names: { renam: {} } }, 'unknown key "renam". Did you mean "rename"?'],
  [{ name: "x", images: 2750 }, "images is 2750, not a text; put it in quotes"],
  [{ name: "x", images: NaN }, "images is NaN, not a text"],
  [{ name: "x", images: null }, "images is null, not a text"],
  [{ name: "x", images: "../y" }, "leads out of the folder"],
  [{ name: "x", template: "a photo" }, "has no {}"],
  [{ name: "x", split: { file: "a", lists: {} } }, "needs one of file, lists and folders"],
  [{ name: "x", split: { file: "a", without_file: "maybe" } }, "not make or stop"],
  [{ name: "x", class_names: { reverse_parts: 1 } }, "class_names.reverse_parts is 1, not true or false"],
];

for (const [table, message] of faults) {
  Deno.test(`a description is refused: ${Deno.inspect(table)}`, () => {
    const error = assertThrows(() => parseDescription(table, "mine.yaml"), UserError);
    assertStringIncludes(error.message, "The data set description mine.yaml is not usable: ");
    assertStringIncludes(error.message, message);
  });
}

Deno.test("an unknown data set is answered with a suggestion, a description comes back as it is", () => {
  assertThrows(() => describeDataset("food102"), UserError, 'Did you mean "food101"?');
  assertThrows(() => describeDataset("birds.yaml"), UserError, "give a description of your own");
  const mine = parseDescription({ name: "Mine" }, "mine.yaml");
  assertStrictEquals(describeDataset(mine), mine);
});
