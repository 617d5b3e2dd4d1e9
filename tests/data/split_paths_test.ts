import { assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { UserError } from "../../src/errors.ts";
import { openAndClose, put } from "./dataset_fixtures.ts";
import { inFolder } from "./source_fixtures.ts";

const row = (path: string, label = 0) => [path, label, ["Audi TT", "Acura TL"][label]];

Deno.test("the folders around the images are found for each part of the split by itself", () =>
  inFolder(async (folder) => {
    const split = {
      train: [row("cars_train/1.jpg"), row("cars_train/2.jpg", 1)],
      val: [row("cars_train/3.jpg")],
      test: [row("cars_test/1.jpg"), row("cars_test/2.jpg", 1)],
    };
    const layouts: Record<string, [train: string, test: string]> = {
      doubled: ["cars_train/cars_train", "cars_test/cars_test"],
      half: ["cars_train", "cars_test/cars_test"],
      around: ["car_data/cars_train", "car_data/cars_test"],
    };
    for (const [name, [train, test]] of Object.entries(layouts)) {
      const data = join(folder, name);
      for (const i of [1, 2, 3]) await put(join(data, train, `${i}.jpg`), `train ${i}`);
      for (const i of [1, 2]) await put(join(data, test, `${i}.jpg`), `test ${i}`);
      await put(join(data, "split_zhou_StanfordCars.json"), JSON.stringify(split));
      const opened = await openAndClose({ data });
      assertEquals([opened.name, opened.split.test.length, opened.warnings], ["StanfordCars", 2, []], name);
      const bytes = await opened.images.read(opened.split.test[1].path);
      assertEquals(new TextDecoder().decode(bytes), "test 2", name);
    }
  }));

Deno.test("a split in one form of Unicode finds images in the other", () =>
  inFolder(async (folder) => {
    for (const [there, said] of [["NFD", "NFC"], ["NFC", "NFD"]]) {
      const data = join(folder, there, "Données".normalize(there));
      const name = "café".normalize(there);
      for (const i of [0, 1]) await put(join(data, name, `${i}.jpg`), `${i}`);
      const rows = [0, 1].map((i) => [`${"café".normalize(said)}/${i}.jpg`, 0, "coffee house"]);
      await put(join(folder, "split.json"), JSON.stringify({ train: [rows[0]], val: [], test: [rows[1]] }));
      for (const place of [data, join(folder, there)]) {
        const { split, images } = await openAndClose({ data: place, split: join(folder, "split.json") });
        assertEquals(split.test, [{ path: `${name}/1.jpg`, label: 0, className: "coffee house" }]);
        assertEquals(new TextDecoder().decode(await images.read(split.test[0].path)), "1");
      }
    }
  }));

Deno.test("an image of the split that is there in a format that is not read is told as that", () =>
  inFolder(async (folder) => {
    for (const name of ["1.jpg", "2.bmp"]) await put(join(folder, "cat", name));
    const split = join(folder, "split.json");
    await put(split, JSON.stringify({ train: [row("cat/1.jpg")], val: [], test: [row("cat/2.bmp")] }));
    const error = await assertRejects(() => openAndClose({ data: folder, split }), UserError);
    assertStringIncludes(error.message, "the first one is cat/2.bmp: it is there, in a format that is not read");
  }));
