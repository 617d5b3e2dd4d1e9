import { assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describeDataset } from "../../src/data/catalogue.ts";
import { UserError } from "../../src/errors.ts";
import { classesOf, EUROSAT, openAndClose, putClasses } from "./dataset_fixtures.ts";
import { inFolder, tarOf, zipOf } from "./source_fixtures.ts";

const PUBLISHED = EUROSAT.map((folder) => describeDataset("eurosat").classNames.rename[folder]);

Deno.test("EuroSAT within divisions has its published names and template, recognised or named, at any depth", () =>
  inFolder(async (folder) => {
    const layouts: Record<string, [string, string]> = {
      flat: ["train", "test"],
      deep: ["Training/images/2750", "Validation/images/2750"],
      around: ["EuroSAT/x/train", "EuroSAT/x/dev"],
    };
    for (const [name, parts] of Object.entries(layouts)) {
      for (const part of parts) await putClasses(join(folder, name, part), EUROSAT, 2);
      for (const dataset of [undefined, "eurosat"]) {
        const opened = await openAndClose({ data: join(folder, name), dataset });
        assertEquals([opened.name, opened.template], ["EuroSAT", "a centered satellite photo of {}."], name);
        assertEquals(classesOf(opened), PUBLISHED, name);
        const { train, val, test } = opened.split;
        assertEquals([train.length, val === test, test.length, opened.warnings], [20, true, 20, []], name);
        assertEquals(test[0].path.includes(parts[1].split("/").at(-1)!), true, test[0].path);
      }
    }
    for (const part of EUROSAT.flatMap((name) => [`${name}/train`, `${name}/val`, `${name}/test`])) {
      await putClasses(join(folder, "inside"), [part], 2);
    }
    const inside = await openAndClose({ data: join(folder, "inside") });
    assertEquals([inside.name, classesOf(inside)], ["EuroSAT", PUBLISHED]);
    assertEquals(inside.split.val[0], { path: "AnnualCrop/val/0.jpg", label: 0, className: "Annual Crop Land" });
  }));

Deno.test("of EuroSAT's new archives and folders the one with colours is taken", () =>
  inFolder(async (folder) => {
    for (const [name, ending] of [["EuroSAT_MS", "tif"], ["EuroSAT_RGB", "jpg"]]) {
      const images = EUROSAT.flatMap((one) => [1, 2, 3, 4].map((i) => `${name}/${one}/${one}_${i}.${ending}`));
      await Deno.mkdir(join(folder, "zips"), { recursive: true });
      await Deno.writeFile(join(folder, `zips/${name}.zip`), await zipOf(images.map((name) => ({ name }))));
      await putClasses(join(folder, "both", name), EUROSAT);
    }
    const zipped = await openAndClose({ data: join(folder, "zips") });
    assertEquals([zipped.name, classesOf(zipped), zipped.images.count], ["EuroSAT", PUBLISHED, 40]);
    assertStringIncludes(zipped.images.describe, "EuroSAT_RGB.zip");
    const both = await openAndClose({ data: join(folder, "both") });
    assertEquals([both.name, classesOf(both), both.images.location.includes("EuroSAT_RGB")], [
      "EuroSAT",
      PUBLISHED,
      true,
    ]);
    await Deno.remove(join(folder, "zips/EuroSAT_RGB.zip"));
    await Deno.copyFile(join(folder, "zips/EuroSAT_MS.zip"), join(folder, "zips/b.zip"));
    const error = await assertRejects(() => openAndClose({ data: join(folder, "zips") }), UserError);
    assertStringIncludes(error.message, `(EuroSAT_MS.zip, b.zip): give one of them, such as --data ${folder}/zips/`);
  }));

Deno.test("class folders under their first letter have names without it, also within divisions", () =>
  inFolder(async (folder) => {
    for (const part of ["train", "test"]) {
      await putClasses(join(folder, "sun", part), ["a/abbey", "a/apse/indoor", "b/bakery/shop"], 2);
    }
    const few = await openAndClose({ data: join(folder, "sun") });
    assertEquals([few.name, classesOf(few), few.warnings], ["sun", ["abbey", "indoor apse", "shop bakery"], []]);
    const named = await openAndClose({ data: join(folder, "sun"), dataset: "sun397" });
    assertEquals([named.name, classesOf(named)], ["SUN397", classesOf(few)]);
  }));

Deno.test("data sets without a list of all folders are recognised within divisions by some of them, and nowhere else", () =>
  inFolder(async (folder) => {
    const cases = [
      ["SUN397", 397, ["a/abbey", "y/youth_hostel"], "abbey"],
      ["DescribableTextures", 47, ["banded", "zigzagged"], "banded"],
      ["UCF101", 101, ["ApplyEyeMakeup", "YoYo"], "Apply Eye Makeup"],
      ["StanfordCars", 196, ["Acura RL Sedan 2012", "smart fortwo Convertible 2012"], "2012 Acura RL Sedan"],
    ] as const;
    for (const [name, count, some, first] of cases) {
      const letter = name === "SUN397" ? "q/q" : "q";
      const others = Array.from({ length: count - 2 }, (_, i) => `${letter}${i}`);
      for (const part of ["train", "test"]) await putClasses(join(folder, name, part), [...some, ...others], 1);
      const opened = await openAndClose({ data: join(folder, name) });
      assertEquals([opened.name, classesOf(opened)[0]], [name, first]);
      await Deno.remove(join(folder, name, "train", others[0]), { recursive: true });
      await Deno.remove(join(folder, name, "test", others[0]), { recursive: true });
      const fewer = await openAndClose({ data: join(folder, name) });
      assertEquals(fewer.template, "a photo of a {}.", "one folder fewer");
    }
  }));

Deno.test("Caltech-101 is read from the archive within its archive", () =>
  inFolder(async (folder) => {
    const inner = await tarOf(["accordion", "anchor", "Faces", "BACKGROUND_Google"].flatMap((name) =>
      [1, 2, 3, 4].map((i) => ({
        header: { name: `101_ObjectCategories/${name}/image_${i}.jpg`, size: 1 },
        body: "1",
      }))
    ));
    const other = await tarOf([{ header: { name: "Annotations/x/annotation_1.mat", size: 1 }, body: "1" }]);
    const path = join(folder, "caltech-101.zip");
    await Deno.writeFile(
      path,
      await zipOf([
        { name: "__MACOSX/caltech-101/._101_ObjectCategories.tar.gz" },
        { name: "caltech-101/101_ObjectCategories.tar.gz", data: gzipSync(inner) },
        { name: "caltech-101/Annotations.tar", data: other },
      ]),
    );
    for (const data of [path, folder]) {
      const opened = await openAndClose({ data, dataset: "caltech101" });
      assertEquals([opened.name, classesOf(opened)], ["Caltech101", ["face", "accordion", "anchor"]]);
      assertStringIncludes(opened.images.describe, "101_ObjectCategories.tar.gz in it");
    }
    await Deno.writeFile(path, await zipOf([{ name: "a.tar", data: other }, { name: "b.tar", data: other }]));
    const error = await assertRejects(() =>
      openAndClose({ data: path }), UserError);
    assertStringIncludes(error.message, "holds no images but archives (a.tar, b.tar): unpack it");
  }));
