import { assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { UserError } from "../../src/errors.ts";
import { describeDataset } from "../../src/data/catalogue.ts";
import { parseDescription } from "../../src/data/description.ts";
import { openDataset } from "../../src/data/dataset.ts";
import { fewShot } from "../../src/data/few_shot.ts";
import { loadTar } from "../../src/deps.ts";
import { sharedPath, sharedTest } from "../shared.ts";
import { classesOf, EUROSAT, openAndClose, put, putClasses } from "./dataset_fixtures.ts";
import { inFolder } from "./source_fixtures.ts";

sharedTest("EuroSAT.zip with its split beside it is recognised and complete", async () => {
  for (const data of ["datasets/eurosat/EuroSAT.zip", "datasets/eurosat"]) {
    const dataset = await openDataset({ data: sharedPath(data) });
    try {
      assertEquals([dataset.name, dataset.images.count], ["EuroSAT", 27_000]);
      assertEquals(dataset.template, "a centered satellite photo of {}.");
      assertEquals(dataset.ensemble.length, 8);
      assertStringIncludes(dataset.splitOrigin, "split_zhou_EuroSAT.json");
      const base = fewShot(dataset.split, { shots: 16, seed: 1, classes: "base" });
      const fresh = fewShot(dataset.split, { shots: 16, seed: 1, classes: "new" });
      assertEquals([base.train.length, base.val.length, base.test.length, fresh.test.length], [80, 20, 4200, 3900]);
      assertEquals((await dataset.images.read(base.train[0].path))[0], 0xff);
    } finally {
      await dataset.images.close();
    }
  }
});

Deno.test("EuroSAT without a split file is recognised by its folders, and a split is made and said so", () =>
  inFolder(async (folder) => {
    const root = join(folder, "EuroSAT");
    await putClasses(join(root, "2750"), EUROSAT);
    const made = await openAndClose({ data: root });
    assertEquals([made.name, made.images.count, made.split.train.length], ["EuroSAT", 50, 20]);
    assertEquals(made.split.train[0].className, "Annual Crop Land");
    assertEquals(made.split.test.at(-1)!.className, "Sea or Lake");
    assertStringIncludes(made.splitOrigin, "made from the class folders by the published rule");
    assertStringIncludes(made.splitOrigin, "there is no split_zhou_EuroSAT.json beside the data");
    for (const data of [join(root, "2750"), folder]) {
      const other = await openAndClose({ data });
      assertEquals([other.name, other.splitSha256], ["EuroSAT", made.splitSha256]);
    }
  }));

Deno.test("a split file beside the data, above the image folder, or given, is taken", () =>
  inFolder(async (folder) => {
    const root = join(folder, "data");
    await putClasses(join(root, "2750"), EUROSAT.slice(0, 2));
    const split = JSON.stringify({
      train: [["Forest/0.jpg", 1, "Forest"], ["AnnualCrop/1.jpg", 0, "Annual Crop Land"]],
      val: [],
      test: [["Forest/4.jpg", 1, "Forest"]],
    });
    await put(join(root, "split_zhou_EuroSAT.json"), split);
    for (const data of [root, join(root, "2750")]) {
      const dataset = await openAndClose({ data });
      assertEquals([dataset.name, dataset.split.train.length, dataset.images.count], ["EuroSAT", 2, 10]);
    }
    await Deno.rename(join(root, "split_zhou_EuroSAT.json"), join(folder, "elsewhere.json"));
    const given = await openAndClose({ data: root, split: join(folder, "elsewhere.json"), dataset: "euro_sat" });
    assertEquals(given.split.test[0].path, "Forest/4.jpg");
    assertStringIncludes(given.splitOrigin, "elsewhere.json");
  }));

Deno.test("any folder of class folders will do, also in a tar, also nested", () =>
  inFolder(async (folder) => {
    await putClasses(join(folder, "birds"), ["great_tit", "kite"]);
    await put(join(folder, "birds", "preview.png"));
    const birds = await openAndClose({ data: join(folder, "birds") });
    assertEquals([birds.name, birds.template], ["birds", "a photo of a {}."]);
    assertEquals([...new Set(birds.split.train.map((s) => s.className))], ["great tit", "kite"]);
    const { packTar } = await loadTar();
    const entries = ["x/a/b/0", "x/a/b/1", "x/a/b/2", "x/a/b/3", "x/c/0", "x/c/1", "x/c/2", "x/c/3"];
    const tar = await packTar(entries.map((name) => ({ header: { name: `${name}.png`, size: 1 }, body: "1" })));
    await Deno.writeFile(join(folder, "places.tar"), tar);
    const places = await openAndClose({ data: join(folder, "places.tar") });
    assertEquals([places.name, places.split.train[0].path.slice(0, 4)], ["places", "a/b/"]);
    assertEquals([...new Set(places.split.test.map((s) => s.className))], ["a b", "c"]);
  }));

Deno.test("folders train, val and test of class folders are taken for what they say", () =>
  inFolder(async (folder) => {
    for (const part of ["train", "val", "test"]) await putClasses(join(folder, "x", part), ["cat", "dog"], 2);
    const { split, splitOrigin } = await openAndClose({ data: join(folder, "x") });
    assertEquals([split.train.length, split.val.length, split.test.length], [4, 4, 4]);
    assertEquals(split.val[3], { path: "val/dog/1.jpg", label: 1, className: "dog" });
    assertStringIncludes(splitOrigin, "the folders train, val, test of");
  }));

Deno.test("a class that only the test images have is refused, and so is one in other letters", () =>
  inFolder(async (folder) => {
    await putClasses(folder, ["Train/Cat", "Train/Dog", "Test/Cat", "Test/dog"], 2);
    await assertRejects(
      () => openAndClose({ data: folder }),
      UserError,
      "The class folder of Test/dog/0.jpg is not among",
    );
  }));

Deno.test("a user's description names classes, template and image folder", () =>
  inFolder(async (folder) => {
    await putClasses(join(folder, "d/photos"), ["083.airplane", "084.great_tit", "999.clutter"]);
    const described = parseDescription({
      name: "Mine",
      images: "photos",
      template: "a drawing of a {}.",
      class_names: { strip_number_prefix: true, rename: { "084.great_tit": "Great Tit" }, drop: ["999.clutter"] },
    }, "mine.yaml");
    const dataset = await openAndClose({ data: join(folder, "d"), dataset: described });
    assertEquals([dataset.name, dataset.template, dataset.images.count], ["Mine", "a drawing of a {}.", 15]);
    assertEquals([...new Set(dataset.split.test.map((s) => s.className))], ["airplane", "Great Tit"]);
    assertEquals(dataset.ensemble.at(-1), "a drawing of a {}.");
  }));

Deno.test("rules for folders that are not there are refused with the nearest name; both forms of Unicode are one", () =>
  inFolder(async (folder) => {
    await putClasses(join(folder, "a"), ["great_tit", "kite", "café".normalize("NFD"), "日本"]);
    for (const part of ["train", "test"]) await putClasses(join(folder, "b", part), ["great_tit", "kite"]);
    const open = (data: string, rules: Record<string, unknown>) =>
      openAndClose({
        data: join(folder, data),
        dataset: parseDescription({ name: "Mine", class_names: rules }, "mine.yaml"),
      });
    const named = await open("a", {
      rename: { ["café".normalize("NFC")]: "coffee house", 日本: "Japan" },
      drop: ["kite"],
    });
    assertEquals(classesOf(named), ["coffee house", "great tit", "Japan"]);
    const dropped = await open("a", { drop: ["café".normalize("NFC")] });
    assertEquals(classesOf(dropped), ["great tit", "kite", "日本"]);
    for (
      const [data, rules, message] of [
        ["a", { rename: { "great-tits": "tit" } }, '"great-tits" in class_names.rename, and there is no class folder'],
        ["a", { rename: { "great-tits": "tit" } }, 'Did you mean "great_tit"?'],
        ["a", { drop: ["中国"] }, '"中国" in class_names.drop, and there is no class folder of this name. There are'],
        ["b", { drop: ["kites"] }, 'Did you mean "kite"?'],
        ["b", { rename: { "train/kite": "k" } }, '"train/kite" in class_names.rename'],
      ] as const
    ) {
      const error = await assertRejects(() => open(data, rules), UserError);
      assertStringIncludes(error.message, message);
    }
    const other = await openAndClose({ data: join(folder, "b"), dataset: "eurosat" });
    assertStringIncludes(other.warnings[0], "No folder has a name that EuroSAT has rules for (AnnualCrop, Forest,");
    await putClasses(join(folder, "c"), ["_", "kite"]);
    await assertRejects(() => openAndClose({ data: join(folder, "c") }), UserError, 'class folder "_" leaves no name');
  }));

Deno.test("FGVC Aircraft is read from its lists, ImageNet from its folders", () =>
  inFolder(async (folder) => {
    const air = join(folder, "air");
    for (const name of ["1", "2", "3", "4"]) await put(join(air, "images", `${name}.jpg`));
    await put(join(air, "variants.txt"), "707-320\nDHC-8 100\n");
    await put(join(air, "images_variant_train.txt"), "1 DHC-8 100\n2 707-320\n");
    await put(join(air, "images_variant_val.txt"), "3 707-320\n");
    await put(join(air, "images_variant_test.txt"), "4 DHC-8 100\n");
    const aircraft = await openAndClose({ data: air, dataset: "fgvc_aircraft" });
    assertEquals((await openAndClose({ data: air })).splitSha256, aircraft.splitSha256, "recognised by its lists");
    assertEquals(aircraft.split.train[0], { path: "1.jpg", label: 1, className: "DHC-8 100" });
    assertEquals([aircraft.split.val.length, aircraft.split.test[0].label], [1, 1]);
    await put(join(air, "images_variant_test.txt"), "4 Zeppelin\n");
    await assertRejects(() => openAndClose({ data: air, dataset: "fgvc_aircraft" }), UserError, "line 1");

    const net = join(folder, "net");
    await putClasses(join(net, "images/train"), ["n02", "n01"], 2);
    await putClasses(join(net, "images/val"), ["n02", "n01"], 1);
    await assertRejects(() => openAndClose({ data: net, dataset: "imagenet" }), UserError, "needs classnames.txt");
    await put(join(net, "classnames.txt"), "n01 tench\nn02 great white shark\n");
    const imagenet = await openAndClose({ data: net, dataset: "ImageNet" });
    assertEquals(imagenet.split.train[2], { path: "train/n02/0.jpg", label: 1, className: "great white shark" });
    assertEquals((await openAndClose({ data: net })).splitSha256, imagenet.splitSha256, "recognised by its list");
    assertEquals(imagenet.split.val === imagenet.split.test, true);
    assertEquals(imagenet.ensemble.length, 7);
  }));

// What `deno task download` leaves, one image of each kind: where the first image of the published split lies.
const LAYOUTS: Record<string, [folder: string, first: string, className: string]> = {
  caltech101: ["101_ObjectCategories", "accordion/image_0001.jpg", "accordion"],
  dtd: ["images", "banded/banded_0001.jpg", "banded"],
  eurosat: ["2750", "AnnualCrop/AnnualCrop_1.jpg", "Annual Crop Land"],
  food101: ["images", "apple_pie/1.jpg", "apple_pie"],
  oxford_flowers: ["jpg", "image_00001.jpg", "pink primrose"],
  oxford_pets: ["images", "Abyssinian_1.jpg", "abyssinian"],
  stanford_cars: [".", "cars_train/00001.jpg", "2012 Acura RL Sedan"],
  sun397: ["SUN397", "a/abbey/sun_1.jpg", "abbey"],
  ucf101: ["UCF-101-midframes", "Apply_Eye_Makeup/v_1.jpg", "Apply_Eye_Makeup"],
};
for (const [name, [below, first, className]] of Object.entries(LAYOUTS)) {
  Deno.test(`${name} is recognised as it is downloaded, without --dataset`, () =>
    inFolder(async (folder) => {
      const root = join(folder, name);
      const second = first.replace(/[^/]+(?=\.jpg$)/, "other");
      const { split, name: title } = describeDataset(name);
      for (const image of [first, second]) await put(join(root, below, image));
      const rows = { train: [[first, 0, className]], val: [], test: [[second, 0, className]] };
      await put(join(root, split.kind === "file" ? split.file! : ""), JSON.stringify(rows));
      const dataset = await openAndClose({ data: root });
      assertEquals([dataset.name, dataset.split.test[0].path], [title, second]);
    }));
}

Deno.test("what is wrong with data and split is said in a sentence", () =>
  inFolder(async (folder) => {
    const refuse = async (options: Parameters<typeof openDataset>[0], ...parts: string[]) => {
      const error = await assertRejects(() => openAndClose(options), UserError);
      for (const part of parts) assertStringIncludes(error.message, part);
    };
    await refuse({ data: join(folder, "none") }, join(folder, "none"), "does not exist");
    await Deno.mkdir(join(folder, "empty"));
    await refuse({ data: join(folder, "empty") }, "has no images");
    await putClasses(join(folder, "one"), ["a"]);
    await refuse({ data: join(folder, "one") }, "no class folders");
    await putClasses(join(folder, "few"), ["a", "b"], 2);
    await refuse({ data: join(folder, "few") }, "The class a in", "has 2 images");
    await putClasses(join(folder, "pets/images"), ["a", "b"]);
    await refuse(
      { data: join(folder, "pets"), dataset: "oxford_pets" },
      "needs its split file split_zhou_OxfordPets.json",
    );
    await refuse({ data: folder, dataset: "eurosta" }, 'Did you mean "eurosat"?');
    const split = join(folder, "split.json");
    await put(split, JSON.stringify({ train: [["q/9.jpg", 0, "A"]], val: [], test: [["a/0.jpg", 0, "A"]] }));
    await refuse({ data: join(folder, "pets"), split }, "has no image q/9.jpg");
    await put(split, JSON.stringify({ train: [["a/0.jpg", 0, "A"]], val: [], test: [["a/7.jpg", 0, "A"]] }));
    await refuse({ data: join(folder, "pets"), split }, "1 of the 2 images of the split", "a/7.jpg");
    await refuse({ data: join(folder, "pets"), split: join(folder, "no.json") }, "the split file", "does not exist");
    // What steers a terminal, breaks a page or a line of Markdown.
    await putClasses(join(folder, "n\x1b]0;t\x07"), ["a", "b"]);
    await refuse({ data: join(folder, "n\x1b]0;t\x07") }, "has control characters: rename it or give --dataset NAME");
    for (const name of ["c\x1b[31m", "c\nd", "c\u202e", "c\u200b", "\ufeffc", "c\u{e0041}"]) {
      await putClasses(join(folder, "steering"), ["a", name]);
      await refuse({ data: join(folder, "steering") }, "has control characters: rename it.");
      await Deno.remove(join(folder, "steering"), { recursive: true });
    }
  }));
