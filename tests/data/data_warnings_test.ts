import { assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { UserError } from "../../src/errors.ts";
import { classesOf, openAndClose, put, putClasses } from "./dataset_fixtures.ts";
import { inFolder } from "./source_fixtures.ts";

Deno.test("what is nothing of the user's makes no class and no warning", () =>
  inFolder(async (folder) => {
    await putClasses(folder, ["cat", "dog"]);
    for (const name of ["cat", "dog"]) {
      for (const image of ["1.jpg/SYNOPHOTO_THUMB_M.jpg", "1.jpg/SYNOINDEX_MEDIA_INFO"]) {
        await put(join(folder, name, "@eaDir", image));
      }
      for (const file of ["Thumbs.db", ".DS_Store", "._1.jpg", "desktop.ini", "notes.txt", "labels.csv"]) {
        await put(join(folder, name, file));
      }
    }
    for (const bin of ["#recycle", "$RECYCLE.BIN", "@Recycle", "lost+found", "__MACOSX", ".Trashes"]) {
      await putClasses(join(folder, bin), ["cat", "old"]);
    }
    const opened = await openAndClose({ data: folder });
    assertEquals([classesOf(opened), opened.images.count, opened.warnings], [["cat", "dog"], 10, []]);
  }));

Deno.test("images in formats that are not read, and classes that vanish with them, are told", () =>
  inFolder(async (folder) => {
    await putClasses(folder, ["cat", "dog"]);
    for (const name of ["bird/1.bmp", "bird/2.BMP", "fish/a", "dog/6.heic"]) await put(join(folder, name));
    await Deno.mkdir(join(folder, "empty"));
    const opened = await openAndClose({ data: folder });
    assertEquals(classesOf(opened), ["cat", "dog"]);
    assertEquals(opened.warnings, [
      "Files are left out because only JPEG, PNG, WebP and TIFF are read: 2 .bmp, bird/1.bmp the first; 1 .heic, dog/6.heic " +
      "the first; 1 without an ending, fish/a the first.",
      "3 folders have no image that is read, and are no classes: bird, empty, fish.",
    ]);
  }));

Deno.test("where no class is left, or one, the files that are not read are named", () =>
  inFolder(async (folder) => {
    for (const name of ["all/cat/1.bmp", "all/cat/2.bmp", "all/dog/1.bmp", "one/dog/1.gif"]) {
      await put(join(folder, name));
    }
    await putClasses(join(folder, "one"), ["cat"]);
    const refused = async (name: string) =>
      (await assertRejects(() => openAndClose({ data: join(folder, name) }), UserError)).message;
    assertStringIncludes(
      await refused("all"),
      "has no images (only JPEG, PNG, WebP and TIFF are read, and not cat/1.bmp, nor 2 more)",
    );
    assertStringIncludes(await refused("one"), "There are no class folders in");
    assertStringIncludes(await refused("one"), "and not dog/1.gif)");
    // The folder of the only class that is read is passed through: what lies beside it is told all the same.
    await putClasses(join(folder, "deep"), ["cat/day1", "cat/day2"]);
    await put(join(folder, "deep/bird/1.bmp"));
    const { warnings } = await openAndClose({ data: join(folder, "deep") });
    assertEquals(warnings.at(-1), "The folder bird has no image that is read: there is no such class.");
  }));

Deno.test("images in no class folder are told, beside the classes and beside divisions", () =>
  inFolder(async (folder) => {
    await putClasses(join(folder, "a"), ["cat", "dog"]);
    for (const name of ["loose1.jpg", "loose2.jpg"]) await put(join(folder, "a", name));
    const { warnings: [loose], split } = await openAndClose({ data: join(folder, "a") });
    assertEquals(loose, `2 images of ${folder}/a (folder) in no class folder are left out, loose1.jpg the first.`);
    assertEquals(split.train.length + split.val.length + split.test.length, 10);
    for (const part of ["train", "test"]) await putClasses(join(folder, "b", part), ["cat", "dog"]);
    await put(join(folder, "b/extra/1.jpg"));
    assertEquals((await openAndClose({ data: join(folder, "b") })).warnings, [
      `1 image of ${folder}/b (folder) in no class folder is left out, extra/1.jpg the first.`,
    ]);
    await putClasses(join(folder, "c/train"), ["cat", "dog"]);
    await put(join(folder, "c/test/1.jpg"));
    const unlabelled = await openAndClose({ data: join(folder, "c") });
    assertEquals(classesOf(unlabelled), ["cat", "dog"]);
    assertEquals(unlabelled.warnings, [
      `1 image of ${folder}/c (folder) in no class folder is left out, test/1.jpg the first.`,
    ]);
  }));

Deno.test("sub-folders of class folders are told to be classes of their own", () =>
  inFolder(async (folder) => {
    await putClasses(folder, ["cat/day1", "cat/day2", "dog/day1", "dog/day2"]);
    const opened = await openAndClose({ data: folder });
    assertEquals(classesOf(opened).length, 4);
    assertEquals(opened.warnings, [
      "Class folders have sub-folders, and each of these is taken as a class of its own, 4 in all, such as cat/day1. " +
      "Where cat is one class, move its images up.",
    ]);
  }));

Deno.test("one name of two labels, gaps, images in two parts and rows twice are told", () =>
  inFolder(async (folder) => {
    await putClasses(folder, ["a", "b", "c"], 6);
    const rows = (name: string, label: number, className: string, images: number[]) =>
      images.map((i) => [`${name}/${i}.jpg`, label, className]);
    const split = join(folder, "split.json");
    await put(
      split,
      JSON.stringify({
        train: [
          ...rows("a", 3, "sunglasses", [0, 1]),
          ...rows("b", 7, "Sun_Glasses", [0]),
          ...rows("c", 9, "sun glasses", [0, 0]),
        ],
        val: rows("a", 3, "sunglasses", [1, 2]),
        test: rows("a", 3, "sunglasses", [0, 1, 2, 4]),
      }),
    );
    assertEquals((await openAndClose({ data: folder, split })).warnings, [
      'Labels 7 and 9 have one name, "sun glasses": their prompts are the same, and no prompt can tell them apart.',
      "The labels of the split have gaps (3 classes, the last label is 9): they are counted anew from 0, in their order.",
      "1 row of the training images name an image again, c/0.jpg the first.",
      "1 validation image is a training image too, a/1.jpg the first: what is measured on them says little.",
      "2 test images are training images too, a/0.jpg the first: what is measured on them says little.",
      "2 test images are validation images too, a/1.jpg the first: what is measured on them says little.",
    ]);
  }));
