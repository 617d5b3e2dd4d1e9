import { assert, assertEquals, assertNotEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { openImageHashes } from "../../src/data/image_hashes.ts";
import type { ImageSource } from "../../src/data/image_source.ts";
import { imagesBelow, openImages } from "../../src/data/source.ts";
import { UserError } from "../../src/errors.ts";
import { sha256Hex } from "../../src/files.ts";
import { inFolder, tarOf, zipOf } from "./source_fixtures.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const FILES = new Map([["a.jpg", "the pixels of a"], ["in/b.png", "the pixels of b"]]);
const PATHS = [...FILES.keys()];
/** From sha256sum, as are the two below. */
const HASHES = [
  "8c1a0f535ad2af058dda693a26efd3b08d138cade960502af263f1326d26a555",
  "a0127aab8de5eff50be0dfc07919ef1ec7c6159a3db14d60c672a14731dcc66c",
];
/** Of printf 'a.jpg\\t…\\nin/b.png\\t…\\n', and of these lines the other way round. */
const ALL = "e8522bdfa637b94dc0d346a2b23dfb8459aacd0098ba019cd2acb726f3a540a1";
const ALL_REVERSED = "5a2c154e71867a10ea4f0a7780cca42dd3fd16489245fd4d2ef9e00b17690dfa";
const NONE = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

async function writeImages(folder: string, files: ReadonlyMap<string, string> = FILES): Promise<string> {
  for (const [path, text] of files) {
    await Deno.mkdir(join(folder, path, ".."), { recursive: true });
    await Deno.writeTextFile(join(folder, path), text);
  }
  return folder;
}

/** Runs with a clock that is 10 seconds ahead: files that were written just now are then old enough to be trusted. */
async function later<T>(body: () => Promise<T>): Promise<T> {
  const now = Date.now;
  Date.now = () => now() + 10_000;
  try {
    return await body();
  } finally {
    Date.now = now;
  }
}

/** Opens images and store as a new run does, hashes, and tells which images were read. */
async function hash(
  path: string,
  options: { folder: string; paths?: readonly string[]; below?: string },
): Promise<{ hashes: string[]; read: string[] }> {
  const { folder, paths = PATHS, below = "" } = options;
  const images = imagesBelow(await openImages(path), below);
  const read: string[] = [];
  try {
    const counted: ImageSource = { ...images, read: (path) => (read.push(path), images.read(path)) };
    return { hashes: await (await openImageHashes({ folder, images: counted })).hashesOf(paths), read: read.sort() };
  } finally {
    await images.close();
  }
}

/** Opens what is there, lets it be hashed, closes it. */
async function withHashes<T>(
  path: string,
  folder: string,
  work: (hashes: Awaited<ReturnType<typeof openImageHashes>>) => Promise<T>,
): Promise<T> {
  const images = await openImages(path);
  try {
    return await work(await openImageHashes({ folder, images }));
  } finally {
    await images.close();
  }
}

const storesIn = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => join(folder, name)).sort();

async function archives(folder: string): Promise<string[]> {
  const [plain, zip, tar, tarGz] = ["plain", "x.zip", "x.tar", "x.tar.gz"].map((name) => join(folder, name));
  await writeImages(plain);
  await Deno.writeFile(zip, await zipOf([...FILES].map(([name, text]) => ({ name, data: bytesOf(text) }))));
  const packed = await tarOf([...FILES].map(([name, text]) => ({
    header: { name, size: text.length, type: "file" as const },
    body: bytesOf(text),
  })));
  await Deno.writeFile(tar, packed);
  await Deno.writeFile(tarGz, gzipSync(packed));
  return [plain, zip, tar, tarGz];
}

Deno.test("folder, zip, tar and tar.gz have the hashes of sha256sum, and are read once", () =>
  inFolder(async (root) => {
    const folder = join(root, "hashes");
    for (const path of await archives(root)) {
      await later(async () => {
        assertEquals(await hash(path, { folder }), { hashes: HASHES, read: PATHS });
        assertEquals(await hash(path, { folder }), { hashes: HASHES, read: [] });
        await withHashes(path, folder, async (hashes) => {
          assertEquals(await hashes.hashesOf(["in/b.png"]), [HASHES[1]]);
          assertEquals(await hashes.hashesOf([PATHS[1], PATHS[0], PATHS[1]]), [HASHES[1], HASHES[0], HASHES[1]]);
          assertEquals(await hashes.imagesSha256(PATHS), ALL);
          assertEquals(await hashes.imagesSha256(PATHS.toReversed()), ALL_REVERSED);
          assertEquals(await hashes.imagesSha256([]), NONE);
          await assertRejects(() => hashes.hashesOf(["none.jpg"]), UserError, "has no image none.jpg");
        });
      });
    }
    assertEquals(storesIn(folder).length, 4);
  }));

Deno.test("the same names with other pixels are other images, and other names with the same pixels too", () =>
  inFolder(async (root) => {
    const folder = join(root, "hashes");
    const one = await writeImages(join(root, "one"));
    const other = await writeImages(join(root, "other"), new Map(PATHS.map((path) => [path, "the pixels of c"])));
    const renamed = await writeImages(join(root, "renamed"), new Map([...FILES].map(([, x], i) => [`${i}.jpg`, x])));
    await later(async () => {
      const all = (path: string, paths = PATHS) => withHashes(path, folder, (hashes) => hashes.imagesSha256(paths));
      assertEquals(await all(one), ALL);
      assertNotEquals(await all(other), ALL);
      assertNotEquals(await all(renamed, ["0.jpg", "1.jpg"]), ALL);
      assertEquals(await all(one), ALL);
    });
  }));

Deno.test("a touched image is read again and keeps its hash", () =>
  inFolder(async (root) => {
    const folder = join(root, "hashes");
    const plain = await writeImages(join(root, "plain"));
    await later(async () => {
      await hash(plain, { folder });
      await Deno.utime(join(plain, "a.jpg"), 1_600_000_000, 1_600_000_000);
      assertEquals(await hash(plain, { folder }), { hashes: HASHES, read: ["a.jpg"] });
      assertEquals(await hash(plain, { folder }), { hashes: HASHES, read: [] });
    });
  }));

Deno.test("an image changed right after it was hashed is read again, though size and time are the same", () =>
  inFolder(async (root) => {
    const folder = join(root, "hashes");
    const plain = await writeImages(join(root, "plain"));
    const [zip, tar] = (await archives(root)).slice(1);
    const changed = bytesOf("other pixels, a");
    assertEquals(changed.length, FILES.get("a.jpg")!.length);
    const change = async (path: string, at: string) => {
      const { mtime } = await Deno.stat(path);
      const bytes = await Deno.readFile(path);
      const begin = new TextDecoder("latin1").decode(bytes).indexOf(at);
      bytes.set(changed, begin);
      await Deno.writeFile(path, bytes);
      await Deno.utime(path, mtime!, mtime!);
    };
    const expected = [await sha256Hex(changed), HASHES[1]];
    // However slow the machine is, the files are new when they are hashed.
    const touch = (path: string) => Deno.utime(path, new Date(), new Date());
    await Promise.all(PATHS.map((path) => touch(join(plain, path))));
    assertEquals((await hash(plain, { folder })).hashes, HASHES);
    await change(join(plain, "a.jpg"), "the pixels of a");
    assertEquals((await hash(plain, { folder })).hashes, expected);
    await touch(tar);
    assertEquals((await hash(tar, { folder })).hashes, HASHES);
    await change(tar, "the pixels of a");
    assertEquals((await hash(tar, { folder })).hashes, expected);
    const entries = (a: Uint8Array) =>
      [a, bytesOf("the pixels of b")].map((data, i) => ({ name: PATHS[i], data, options: { level: 0 } }));
    const mtime = new Date();
    for (const [content, hashes] of [[bytesOf("the pixels of a"), HASHES], [changed, expected]] as const) {
      await Deno.writeFile(zip, await zipOf(entries(content)));
      await Deno.utime(zip, mtime, mtime);
      assertEquals((await hash(zip, { folder })).hashes, hashes);
    }
    assertEquals(await Deno.stat(folder).catch(() => "nothing stored"), "nothing stored");
  }));

Deno.test("within one opening a changed image is noticed too", () =>
  inFolder(async (root) => {
    const plain = await writeImages(join(root, "plain"));
    await withHashes(plain, join(root, "hashes"), async (hashes) => {
      assertEquals(await hashes.hashesOf(["a.jpg"]), [HASHES[0]]);
      await Deno.writeTextFile(join(plain, "a.jpg"), "the pixels of b");
      assertEquals(await hashes.hashesOf(["a.jpg"]), [HASHES[1]]);
    });
  }));

Deno.test({
  name: "a change long after is noticed though size and modification time are set back",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (root) => {
      const folder = join(root, "hashes");
      const plain = await writeImages(join(root, "plain"));
      const old = new Date(1_600_000_000_000);
      await Deno.utime(join(plain, "a.jpg"), old, old);
      await new Promise((resolve) => setTimeout(resolve, 3100));
      await hash(plain, { folder });
      assertEquals(await hash(plain, { folder }), { hashes: HASHES, read: [] });
      await Deno.writeTextFile(join(plain, "a.jpg"), "the pixels of b");
      await Deno.utime(join(plain, "a.jpg"), old, old);
      assertEquals(await hash(plain, { folder }), { hashes: [HASHES[1], HASHES[1]], read: ["a.jpg"] });
    }),
});

Deno.test("an archive written over with the same size and time is noticed by its entries' checksums", () =>
  inFolder(async (root) => {
    const folder = join(root, "hashes");
    const zip = join(root, "x.zip");
    for (const text of ["the pixels of a", "the pixels of b"]) {
      await Deno.writeFile(zip, await zipOf([{ name: "a.jpg", data: bytesOf(text), options: { level: 0 } }]));
      await Deno.utime(zip, 1_600_000_000, 1_600_000_000);
      const { hashes } = await later(() => hash(zip, { folder, paths: ["a.jpg"] }));
      assertEquals(hashes, [await sha256Hex(bytesOf(text))]);
    }
  }));

Deno.test("a damaged store is not used and is written again", () =>
  inFolder(async (root) => {
    const folder = join(root, "hashes");
    const plain = await writeImages(join(root, "plain"));
    await later(async () => {
      await hash(plain, { folder });
      const [store] = storesIn(folder);
      const good = await Deno.readFile(store);
      const text = new TextDecoder().decode(good);
      const spoiled: Uint8Array[] = [
        ...Array.from(good.keys(), (length) => good.slice(0, length)),
        ...Array.from(good.keys(), (i) => good.with(i, good[i] ^ 1)),
        bytesOf(text + text),
        bytesOf(text.replace(HASHES[0], HASHES[1])),
        good.map(() => 255),
      ];
      for (const bytes of spoiled) {
        await Deno.writeFile(store, bytes);
        assertEquals(await hash(plain, { folder }), { hashes: HASHES, read: PATHS });
        assertEquals(await Deno.readFile(store), good);
      }
    });
  }));

Deno.test("the store of another source is not used", () =>
  inFolder(async (root) => {
    const folder = join(root, "hashes");
    const plain = await writeImages(join(root, "plain"));
    await later(async () => {
      await hash(plain, { folder });
      const [store] = storesIn(folder);
      const text = await Deno.readTextFile(store);
      // The very files are moved to another place: size, times and inode stay.
      const moved = join(root, "moved");
      await Deno.rename(plain, moved);
      assertEquals((await hash(moved, { folder })).read, PATHS);
      const [other] = storesIn(folder).filter((path) => path !== store);
      await Deno.writeTextFile(other, text);
      assertEquals(await hash(moved, { folder }), { hashes: HASHES, read: PATHS });
    });
  }));

Deno.test("a link and the folder that it leads to share a store; a folder within has its own", () =>
  inFolder(async (root) => {
    const folder = join(root, "hashes");
    const plain = await writeImages(join(root, "plain"));
    await Deno.symlink(plain, join(root, "link"));
    await later(async () => {
      await hash(plain, { folder });
      assertEquals((await hash(join(root, "link"), { folder })).read, []);
      const below = { folder, below: "in/", paths: ["b.png"] };
      assertEquals(await hash(plain, below), { hashes: [HASHES[1]], read: ["b.png"] });
      assertEquals(await hash(plain, below), { hashes: [HASHES[1]], read: [] });
      assertEquals((await hash(plain, { folder })).read, []);
    });
  }));

Deno.test("unusual names are stored too, and images that are gone are dropped", () =>
  inFolder(async (root) => {
    const folder = join(root, "hashes");
    const paths = ['quote".jpg', "tab\t.jpg", "line\n.jpg", "Ünïcode ☃.jpg", "__proto__.jpg", " .jpg"];
    const plain = await writeImages(join(root, "plain"), new Map(paths.map((path) => [path, `pixels of ${path}`])));
    await later(async () => {
      const first = await hash(plain, { folder, paths });
      assertEquals(await hash(plain, { folder, paths }), { ...first, read: [] });
      await Deno.remove(join(plain, paths[0]));
      await writeImages(plain);
      await hash(plain, { folder });
      assert(!(await Deno.readTextFile(storesIn(folder)[0])).includes("quote"));
      assertEquals((await hash(plain, { folder, paths: paths.slice(1) })).read, []);
    });
  }));

Deno.test("progress is told while images are read, and not when all hashes are stored", () =>
  inFolder(async (root) => {
    const files = new Map(Array.from({ length: 40 }, (_, i) => [`${i}.jpg`, `pixels ${i}`]));
    const images = await openImages(await writeImages(join(root, "plain"), files));
    const seen: { done: number; total: number }[] = [];
    await later(async () => {
      for (let turn = 0; turn < 2; turn++) {
        const options = { folder: join(root, "hashes"), images, onProgress: (x: typeof seen[0]) => void seen.push(x) };
        await (await openImageHashes(options)).hashesOf(images.paths);
      }
    });
    assertEquals(seen, [16, 32, 40].map((done) => ({ done, total: 40 })));
  }));

Deno.test("processes that hash a part each leave the hashes of all", () =>
  inFolder(async (folder) => {
    const [images, store] = [await writeImages(join(folder, "images")), join(folder, "store")];
    await later(() =>
      withHashes(images, store, (one) =>
        withHashes(images, store, async (other) => {
          await one.hashesOf(PATHS.slice(0, 1));
          await other.hashesOf(PATHS.slice(1));
        }))
    );
    assertEquals(await later(() => hash(images, { folder: store })), { hashes: HASHES, read: [] });
  }));

Deno.test("processes that hash at the same time leave a whole store and right hashes", () =>
  inFolder(async (root) => {
    const folder = join(root, "hashes");
    const files = new Map(Array.from({ length: 60 }, (_, i) => [`${i}.jpg`, `pixels ${i}`]));
    const plain = await writeImages(join(root, "plain"), files);
    const paths = [...files.keys()];
    const expected = await Promise.all(paths.map((path) => sha256Hex(bytesOf(files.get(path)!))));
    const program = `
      import { openImageHashes } from ${JSON.stringify(import.meta.resolve("../../src/data/image_hashes.ts"))};
      import { openImages } from ${JSON.stringify(import.meta.resolve("../../src/data/source.ts"))};
      const now = Date.now;
      Date.now = () => now() + 10_000;
      const [plain, folder, part] = Deno.args;
      const images = await openImages(plain);
      const paths = images.paths.filter((_, i) => i % 2 === Number(part));
      const found = [];
      for (const path of paths) found.push(...await (await openImageHashes({ folder, images })).hashesOf([path]));
      console.log(JSON.stringify(Object.fromEntries(paths.map((path, i) => [path, found[i]]))));
    `;
    const script = join(root, "program.ts");
    await Deno.writeTextFile(script, program);
    const outputs = await Promise.all(["0", "1"].map((part) =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-prompt", "--allow-read", `--allow-write=${folder}`, script, plain, folder, part],
      }).output()
    ));
    const found = outputs.map(({ success, stdout, stderr }) => {
      assert(success, new TextDecoder().decode(stderr));
      return JSON.parse(new TextDecoder().decode(stdout));
    });
    const together = Object.assign({}, ...found);
    assertEquals(paths.map((path) => together[path]), expected);
    assertEquals(storesIn(folder).length, 1);
    const after = await later(() => hash(plain, { folder, paths }));
    assertEquals(after.hashes, expected);
    assert(after.read.length < paths.length, "The store holds nothing");
    assertEquals((await later(() => hash(plain, { folder, paths }))).read, []);
  }));

Deno.test("a store that cannot be written is a user error", () =>
  inFolder(async (root) => {
    const plain = await writeImages(join(root, "plain"));
    await later(() =>
      assertRejects(() => hash(plain, { folder: "/proc/nowhere" }), UserError, "Cannot write the file")
    );
  }));
