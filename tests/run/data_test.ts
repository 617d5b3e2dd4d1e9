import { assert, assertEquals, assertNotEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { parseDescription } from "../../src/data/description.ts";
import { STORED_SOURCE } from "../../src/data/sample_features.ts";
import { UserError } from "../../src/errors.ts";
import { openData, openOtherData } from "../../src/run/open_data.ts";
import { writeImages } from "../small_run.ts";
import { inFolder, linesInto } from "./run_here.ts";

const OPTIONS = { sample: true, progress: linesInto([]) };

Deno.test("without --data it is the sample's stored features, which belong to the sample's weights", async () => {
  const data = await openData({}, OPTIONS);
  assertEquals([data.about.name, data.about.source], ["EuroSAT", STORED_SOURCE]);
  await data.close();
  await assertRejects(
    () => openData({ model: "ViT-B/16" }, { ...OPTIONS, sample: false }),
    UserError,
    "The stored features belong to the sample model, not to ViT-B/16: give the images with --data",
  );
});

Deno.test("another data set's name or split without its images is refused, not left aside", async () => {
  const description = parseDescription({ name: "My birds" }, "birds.yaml");
  for (const data of [undefined, "sample"]) {
    const refused = (settings: { dataset?: string; split?: string }, options = {}, flag = "--dataset") =>
      assertRejects(
        () => openData({ data, ...settings }, { ...OPTIONS, ...options }),
        UserError,
        `${flag} is for images`,
      );
    await refused({ dataset: "dtd" });
    await refused({ split: "split.json" }, {}, "--split");
    await refused({}, { description });
  }
  await (await openData({ dataset: "eurosat" }, OPTIONS)).close();
});

Deno.test("images: their split, their bytes, and words of the sample's own template where the weights are the sample's", async () => {
  await inFolder(async (folder) => {
    const said: string[] = [];
    const data = await openData({ data: "images" }, { sample: true, progress: linesInto(said) });
    assertEquals([data.about.name, data.about.images, data.template], ["images", 40, "a photo of a {}."]);
    assertEquals(said[0].startsWith("Data: images, 40 images in "), true, said[0]);
    const { train, val } = data.draw({ shots: 2, seed: 1, classes: "all" });
    assertEquals([train.length, val.length, data.wholeVal("all").length], [8, 8, 8]);
    const hash = await data.sha256(train);
    assertEquals(await data.sha256(train), hash);
    assertNotEquals(await data.sha256(train.toReversed()), hash);
    await data.close();

    // The same names and other bytes.
    await Deno.copyFile("images/River/grey.jpg", `${folder}/images/${train[0].path}`);
    await Deno.writeFile(`${folder}/images/${train[0].path}`, new Uint8Array([0]), { append: true });
    const again = await openData({ data: "images" }, OPTIONS);
    assertEquals(again.about.splitSha256, data.about.splitSha256);
    assertNotEquals(await again.sha256(train), hash);
    await again.close();

    const description = parseDescription({ name: "Meine Bäume", template: "ein Foto von {}." }, "trees.yaml");
    const named = await openData({ data: "images" }, { ...OPTIONS, sample: false, description });
    assertEquals([named.about.name, named.template, named.about.images], ["Meine Bäume", "ein Foto von {}.", 40]);
    await named.close();
  });
});

Deno.test("without a model features are not to be had, and seconds are counted where they are", async () => {
  await inFolder(async () => {
    const data = await openData({ data: "images" }, OPTIONS);
    const { test } = data.draw({ shots: 1, seed: 1, classes: "all" });
    assertEquals(data.featureSeconds(), 0);
    await assertRejects(() => data.features(test, { what: "", seed: 1 }), Error, "without a model");
    assert(data.featureSeconds() > 0);
    await data.close();
  });
});

Deno.test("another data set: a downloaded one by its name, a path, or the sample's features", async () => {
  await inFolder(async () => {
    const named = (name: string) => openOtherData(name, OPTIONS);
    const refused = (name: string, words: string) => assertRejects(() => named(name), UserError, words);
    await refused("dtd", 'no data/dtd to evaluate on: run "deno task download dtd"');
    await refused("caltech1", 'Did you mean "caltech101"?');
    await refused("./nowhere", "nowhere");
    await writeImages("data/caltech101/101_ObjectCategories");
    for (const name of ["caltech101", "Caltech101"]) {
      const data = await named(name);
      assertEquals([data.about.name, data.about.images], ["Caltech101", 40]);
      await data.close();
    }
    // A path is what it is called.
    const data = await named("./data/caltech101");
    assertEquals([data.about.name, data.about.images], ["caltech101", 40]);
    await data.close();
    assertEquals((await named("EuroSAT")).about.source, STORED_SOURCE);
    await assertRejects(() => openOtherData("eurosat", { ...OPTIONS, sample: false }), UserError, "no data/eurosat");
  });
});
