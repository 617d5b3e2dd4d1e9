import { assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { UserError } from "../../src/errors.ts";
import { imagesBelow, openImages } from "../../src/data/source.ts";
import { isImagePath, MOST_IMAGE_BYTES } from "../../src/data/paths.ts";
import { sharedPath, sharedTest } from "../shared.ts";
import { content, inFolder, type TarEntries, tarOf, type ZipEntry, zipOf } from "./source_fixtures.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const names = ["2750/Forest/Forest_1.jpg", "2750/River/River_1.JPG", "2750/River/deep/River_2.png"];
const others = ["2750/notes.txt", "2750/River/.hidden.jpg", "__MACOSX/2750/River/._River_1.jpg"];

const file = (name: string) => ({
  header: { name, size: content(name).length, type: "file" as const },
  body: content(name),
});

async function expectImages(path: string, kind: string): Promise<void> {
  const source = await openImages(path);
  try {
    assertEquals(source.paths, names);
    assertEquals(source.count, 3);
    assertStringIncludes(source.describe, kind);
    const read = await Promise.all(names.map((name) => source.read(name)));
    assertEquals(read.map(text), names.map((name) => text(content(name))));
    assertEquals(source.has("2750/notes.txt"), false);
    await assertRejects(() => source.read("2750/River/none.jpg"), UserError, "has no image 2750/River/none.jpg");
    const below = imagesBelow(source, "2750/River/");
    assertEquals(below.paths, ["River_1.JPG", "deep/River_2.png"]);
    assertEquals(below.has("River_1.JPG"), true);
    assertEquals(text(await below.read("River_1.JPG")), text(content(names[1])));
  } finally {
    await source.close();
  }
}

Deno.test("a folder, a zip, a tar and a tar.gz give the same images", () =>
  inFolder(async (folder) => {
    for (const name of [...names, ...others]) {
      const path = join(folder, "plain", name);
      await Deno.mkdir(join(path, ".."), { recursive: true });
      await Deno.writeFile(path, content(name));
    }
    await expectImages(join(folder, "plain"), "folder");
    const entries = [...others, ...names].map((name) => ({ name, options: { level: name.endsWith("png") ? 0 : 6 } }));
    await Deno.writeFile(join(folder, "a.bin"), await zipOf(entries));
    await expectImages(join(folder, "a.bin"), "zip archive");
    const directory = { header: { name: "./2750/", size: 0, type: "directory" as const } };
    const tar = await tarOf([directory, ...[...names, ...others].map((name) => file(name))]);
    await Deno.writeFile(join(folder, "b.bin"), tar);
    await expectImages(join(folder, "b.bin"), "tar archive");
    await Deno.writeFile(join(folder, "c.bin"), gzipSync(tar));
    await expectImages(join(folder, "c.bin"), "tar.gz archive");
  }));

Deno.test("links in a folder are followed, but not in circles", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(join(folder, "real/Forest"), { recursive: true });
    await Deno.writeTextFile(join(folder, "real/Forest/1.jpg"), "x");
    await Deno.mkdir(join(folder, "data/River"), { recursive: true });
    await Deno.symlink(join(folder, "real/Forest"), join(folder, "data/Forest"));
    await Deno.symlink(join(folder, "data"), join(folder, "data/River/again"));
    await Deno.symlink(join(folder, "nothing"), join(folder, "data/River/broken"));
    assertEquals((await openImages(join(folder, "data"))).paths, ["Forest/1.jpg"]);
  }));

const hostileZips: [string, ZipEntry[], string][] = [
  ["leaving by ..", [{ name: "../evil.jpg" }], "leads out of the folder"],
  ["leaving by .. further in", [{ name: "a/../../evil.txt" }], "leads out of the folder"],
  ["absolute", [{ name: "/etc/evil.jpg" }], "is absolute"],
  ["with a drive", [{ name: "C:/evil.jpg" }], "is absolute"],
  ["a link", [{ name: "link.jpg", options: { unixMode: 0o120777, versionMadeBy: 0x314 } }], "is a symbolic link"],
];

for (const [name, entries, message] of hostileZips) {
  Deno.test(`a zip with an entry ${name} is refused`, () =>
    inFolder(async (folder) => {
      const path = join(folder, "x.zip");
      await Deno.writeFile(path, await zipOf([{ name: "good/1.jpg" }, ...entries]));
      const error = await assertRejects(() => openImages(path), UserError);
      assertStringIncludes(error.message, path);
      assertStringIncludes(error.message, message);
    }));
}

Deno.test("a zip with \\ between folders is read as if it had /, and may not lead out either", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.zip");
    await Deno.writeFile(path, withBackslashes(await zipOf([{ name: "s/cat/1.jpg" }, { name: "s/dog/2.jpg" }])));
    const images = await openImages(path);
    assertEquals(images.paths, ["s/cat/1.jpg", "s/dog/2.jpg"]);
    assertEquals(text(await images.read("s/dog/2.jpg")), text(content("s/dog/2.jpg")));
    await images.close();
    await Deno.writeFile(path, withBackslashes(await zipOf([{ name: "a/../../evil.jpg" }])));
    await assertRejects(() => openImages(path), UserError, "leads out of the folder");
  }));

/** The archive with \ for every / of its names. */
function withBackslashes(zip: Uint8Array): Uint8Array {
  const view = new DataView(zip.buffer, zip.byteOffset, zip.byteLength);
  const put = (at: number, length: number) => {
    for (let i = at; i < at + length; i++) if (zip[i] === 0x2f) zip[i] = 0x5c;
  };
  for (let i = 0; i + 4 <= zip.length; i++) {
    const signature = view.getUint32(i, true);
    if (signature === 0x04034b50) put(i + 30, view.getUint16(i + 26, true));
    if (signature === 0x02014b50) put(i + 46, view.getUint16(i + 28, true));
  }
  return zip;
}

Deno.test("a zip whose sizes or bytes do not fit is refused", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.zip");
    const good = await zipOf([{ name: "a.jpg", data: new Uint8Array(100_000) }]);
    const directory = text(good).length && good.findLastIndex((_, i) => text(good.subarray(i, i + 4)) === "PK\x01\x02");
    const claim = (at: number, value: number) => {
      const bytes = good.slice();
      new DataView(bytes.buffer).setUint32(directory + at, value, true);
      return Deno.writeFile(path, bytes);
    };
    await claim(24, 2 ** 31);
    await assertRejects(() => openImages(path), UserError, "says that it grows");
    await claim(24, 1000);
    const short = await openImages(path);
    await assertRejects(() => short.read("a.jpg"), UserError, "does not unpack");
    await short.close();
    await claim(16, 12345);
    const wrong = await openImages(path);
    await assertRejects(() => wrong.read("a.jpg"), UserError, "wrong checksum");
    await wrong.close();
    await Deno.writeFile(path, good.slice(0, good.length - 30));
    await assertRejects(() => openImages(path), UserError, "damaged or cut off");
  }));

Deno.test("a zip whose entries share bytes is refused: a small file that fills the memory", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.zip");
    const bytes = await zipOf([{ name: "a/1.jpg" }, { name: "a/2.jpg" }]);
    const second = bytes.findLastIndex((_, i) => text(bytes.subarray(i, i + 4)) === "PK\x01\x02");
    // Where the local header of the second entry is: at the first one's.
    new DataView(bytes.buffer).setUint32(second + 42, 0, true);
    await Deno.writeFile(path, bytes);
    await assertRejects(() => openImages(path), UserError, 'its entry "a/2.jpg" lies over another one');
  }));

Deno.test("an image too large for memory is refused before it is read, in a folder, a zip and a tar", () =>
  inFolder(async (folder) => {
    const large = join(folder, "images/a/1.jpg");
    await Deno.mkdir(join(folder, "images/a"), { recursive: true });
    const size = MOST_IMAGE_BYTES + 1;
    // Sparse: takes no room on the disk.
    using file = await Deno.open(large, { write: true, create: true });
    await file.truncate(size);
    const source = await openImages(join(folder, "images"));
    await assertRejects(() => source.read("a/1.jpg"), UserError, "it has 128 MiB, and 128 are the most");
    await source.close();
    const zip = join(folder, "x.zip");
    await Deno.writeFile(zip, await zipOf([{ name: "a/1.jpg", data: new Uint8Array(size) }]));
    const zipped = await openImages(zip);
    await assertRejects(() => zipped.read("a/1.jpg"), UserError, `has ${size} bytes, too many for an image`);
    await zipped.close();
    const tar = join(folder, "x.tar");
    const { success } = await new Deno.Command("tar", { args: ["cf", tar, "images"], cwd: folder }).output();
    assertEquals(success, true);
    await assertRejects(() => openImages(tar), UserError, `has ${size} bytes, too many for an image`);
  }));

Deno.test("a tar with a link or an entry that leads out is refused, a tar.gz cut off too", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.tar");
    const write = async (entries: TarEntries) => Deno.writeFile(path, await tarOf(entries));
    await write([file("../evil.jpg")]);
    await assertRejects(() => openImages(path), UserError, "leads out of the folder");
    await write([file("/evil.jpg")]);
    await assertRejects(() => openImages(path), UserError, "is absolute");
    for (const type of ["symlink", "link"] as const) {
      await write([{ header: { name: "a.jpg", size: 0, type, linkname: "/etc/passwd" } }]);
      await assertRejects(() => openImages(path), UserError, "is a link");
    }
    const whole = await tarOf(names.map((name) => file(name)));
    const gzipped = gzipSync(whole);
    await Deno.writeFile(path, gzipped.subarray(0, gzipped.length - 40));
    await assertRejects(() => openImages(path), UserError, "damaged or cut off");
    await Deno.writeFile(path, whole.subarray(0, 700));
    await assertRejects(() => openImages(path), UserError, "damaged or cut off");
  }));

Deno.test("what is no folder and no archive is a user error", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x");
    await assertRejects(() => openImages(path), UserError, "does not exist");
    await Deno.writeTextFile(path, "hello");
    await assertRejects(() => openImages(path), UserError, "is no folder and no zip");
    await Deno.writeTextFile(path, "");
    await assertRejects(() => openImages(path), UserError, "is no folder and no zip");
  }));

Deno.test("isImagePath knows images and hidden files", () => {
  for (const path of ["a.jpg", "a/b.JPEG", "./a.png", "x.y/z.tiff", "a.webp"]) {
    assertEquals(isImagePath(path), true, path);
  }
  for (const path of ["a.txt", "a", ".a.jpg", "a/._b.jpg", "__MACOSX/a.jpg", ".git/a.jpg"]) {
    assertEquals(isImagePath(path), false, path);
  }
});

sharedTest("EuroSAT.zip is read in place", async () => {
  const source = await openImages(sharedPath("datasets/eurosat/EuroSAT.zip"));
  try {
    assertEquals(source.count, 27_000);
    const bytes = await source.read("2750/Forest/Forest_1.jpg");
    assertEquals([...bytes.subarray(0, 3)], [0xff, 0xd8, 0xff]);
  } finally {
    await source.close();
  }
});

Deno.test("a name that an archive has twice is refused with the name; in a tar with ./ before one, in a zip with \\", () =>
  inFolder(async (folder) => {
    const image = file("a/0.jpg");
    const latin1 = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);
    // The library writes no name twice: the second is of the same length.
    const renamed = (bytes: Uint8Array, name: string) =>
      Uint8Array.from(latin1(bytes).replaceAll("a/1.jpg", name), (letter) => letter.charCodeAt(0));
    const zip = await zipOf([{ name: "a/0.jpg" }, { name: "a/1.jpg", data: content("another") }]);
    const tar = await tarOf([image, { ...image, header: { ...image.header, name: "./a/0.jpg" } }]);
    const cases = { "a.zip": renamed(zip, "a/0.jpg"), "b.zip": renamed(zip, "a\\0.jpg"), "a.tar": tar };
    for (const [name, bytes] of Object.entries({ ...cases, "a.tar.gz": gzipSync(tar) })) {
      const path = join(folder, name);
      await Deno.writeFile(path, bytes);
      const { message } = await assertRejects(() => openImages(path), UserError);
      assertEquals(message, `The archive ${path} is refused, its entry "a/0.jpg" is in it twice: download it again.`);
    }
    await Deno.writeFile(join(folder, "c.zip"), zip);
    await (await openImages(join(folder, "c.zip"))).close();
  }));

Deno.test("a name that is not UTF-8 is refused in a folder, and in archives what stands in its place", () =>
  inFolder(async (folder) => {
    // Deno cannot write such a name.
    const make = (name: string) =>
      new Deno.Command("bash", { args: ["-c", `mkdir -p "$0/set" && touch "$0/set/$(printf '${name}')"`, folder] })
        .output();
    await make("caf\\351.jpg");
    const { message } = await assertRejects(() => openImages(folder), UserError);
    assertEquals(
      message,
      `${folder}/set/caf\ufffd.jpg has a name that is not UTF-8 (\ufffd stands in its place): rename it.`,
    );
    await new Deno.Command("bash", { args: ["-c", 'rm -r "$0/set"', folder] }).output();
    const path = join(folder, "a.zip");
    await Deno.writeFile(path, await zipOf([{ name: "caf\ufffd/1.jpg" }]));
    await assertRejects(() => openImages(path), UserError, 'its entry "caf\ufffd/1.jpg" has a name that is not UTF-8');
  }));

Deno.test("how many bytes an image has is told without reading it", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(join(folder, "in/a"), { recursive: true });
    await Deno.writeFile(join(folder, "in/a/0.jpg"), content("a/0.jpg"));
    await Deno.writeFile(join(folder, "a.zip"), await zipOf([{ name: "in/a/0.jpg" }]));
    for (const path of [folder, join(folder, "a.zip")]) {
      const source = imagesBelow(await openImages(path), "in/");
      assertEquals(await source.size!("a/0.jpg"), content(path === folder ? "a/0.jpg" : "in/a/0.jpg").length);
      await source.close();
    }
  }));

Deno.test("a tar.gz of many images that are nothing but zeros is refused before they fill the memory", () =>
  inFolder(async (folder) => {
    const path = join(folder, "zeros.tar.gz");
    const body = new Uint8Array(25 << 20);
    const entries = Array.from({ length: 4 }, (_, i) => ({
      header: { name: `a/${i}.jpg`, size: body.length, type: "file" as const },
      body,
    }));
    await Deno.writeFile(path, gzipSync(await tarOf(entries)));
    await assertRejects(
      () => openImages(path),
      UserError,
      "zeros.tar.gz is refused, it grows to over 100 times its bytes",
    );
  }));

Deno.test("a tar.gz of several gzip members is read to its end, and held to the same limits", () =>
  inFolder(async (folder) => {
    const tar = await tarOf(names.map((name) => file(name)));
    const path = join(folder, "a.tar.gz");
    const members = (...parts: Uint8Array[]) => new Blob(parts.map((part) => gzipSync(part) as BlobPart)).bytes();
    const empty = new Uint8Array(0);
    const parts = [empty, tar.subarray(0, 700), empty, tar.subarray(700, 701), tar.subarray(701), empty];
    await Deno.writeFile(path, await members(...parts));
    await expectImages(path, "tar.gz archive");
    // As bgzip pads nothing and tapes pad with zeros.
    await Deno.writeFile(path, await new Blob([await members(...parts), new Uint8Array(3000)]).bytes());
    await expectImages(path, "tar.gz archive");
    const zip = join(folder, "outer.zip");
    await Deno.writeFile(zip, await zipOf([{ name: "inner.tar.gz", data: await members(...parts) }]));
    await expectImages(zip, "inner.tar.gz in it");

    const whole = await members(tar.subarray(0, 700), tar.subarray(700));
    const refused = async (bytes: Uint8Array, words: string) => {
      await Deno.writeFile(path, bytes);
      await assertRejects(() => openImages(path), UserError, words);
    };
    await refused(whole.subarray(0, whole.length - 12), "damaged or cut off");
    await refused(whole.with(whole.length - 6, whole[whole.length - 6] ^ 1), "damaged or cut off");
    await refused(await new Blob([whole as BlobPart, "garbage"]).bytes(), "damaged or cut off");
    await refused(await members(tar, tar), "holds more behind its end, as two archives in one file do");
    const zeros = new Uint8Array(20 << 20);
    await refused(await members(tar, zeros, zeros, zeros, zeros), "it grows to over 100 times its bytes");
  }));

Deno.test("an archive that grows without holding anything is refused: padding, and one in another", () =>
  inFolder(async (folder) => {
    const images = await tarOf([file("a/0.jpg")]);
    const padding = new Uint8Array(80 << 20);
    const path = join(folder, "padded.tar.gz");
    await Deno.writeFile(path, gzipSync(new Uint8Array(await new Blob([images as BlobPart, padding]).arrayBuffer())));
    await assertRejects(() => openImages(path), UserError, "padded.tar.gz is refused, it grows to over 100 times");
    const zip = join(folder, "outer.zip");
    await Deno.writeFile(zip, await zipOf([{ name: "inner.tar.gz", data: await Deno.readFile(path) }]));
    await assertRejects(() => openImages(zip), UserError, "outer.zip is refused, it grows to over 100 times");
    await Deno.writeFile(zip, await zipOf([{ name: "inner.tar", data: padding }]));
    await assertRejects(() => openImages(zip), UserError, 'its entry "inner.tar" grows from');
  }));

Deno.test("folders deeper than any data set's are refused, in a folder and in archives", () =>
  inFolder(async (folder) => {
    const deep = "a/".repeat(101);
    await Deno.writeFile(join(folder, "x.zip"), await zipOf([{ name: `${deep}0.jpg` }]));
    await Deno.writeFile(join(folder, "x.tar"), await tarOf([file(`${deep}0.jpg`)]));
    for (const name of ["x.zip", "x.tar"]) {
      await assertRejects(() => openImages(join(folder, name)), UserError, "lies more than 100 folders deep");
    }
    await Deno.mkdir(join(folder, "images", deep), { recursive: true });
    await assertRejects(() => openImages(join(folder, "images")), UserError, "lies more than 100 folders deep");
  }));

Deno.test("links that multiply the ways to a folder are refused, and one that leads back is passed over", () =>
  inFolder(async (folder) => {
    const steps = Array.from({ length: 16 }, (_, i) => join(folder, `d${i}`));
    for (const [i, step] of steps.entries()) {
      await Deno.mkdir(step);
      if (i === 0) await Deno.writeFile(join(step, "0.jpg"), content("0"));
      else for (const name of ["x", "y"]) await Deno.symlink(steps[i - 1], join(step, name));
    }
    await assertRejects(() => openImages(folder), UserError, "is one of over 100 ways by links to ");
    await Deno.symlink(steps[2], join(steps[0], "back"));
    const few = await openImages(steps[2]);
    assertEquals(few.paths, ["x/x/0.jpg", "x/y/0.jpg", "y/x/0.jpg", "y/y/0.jpg"]);
    await few.close();
  }));

Deno.test("comments of a zip, many times its names, are not read", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.zip");
    const comment = "é".repeat(30_000);
    const entries = Array.from({ length: 100 }, (_, i) => ({ name: `a/${i}.jpg`, options: { comment } }));
    await Deno.writeFile(path, await zipOf(entries));
    const source = await openImages(path);
    assertEquals([source.count, Uint8Array.from(await source.read("a/7.jpg"))], [100, content("a/7.jpg")]);
    await source.close();
  }));
