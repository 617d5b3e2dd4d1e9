import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { gzipSync } from "node:zlib";
import { unpackTar } from "../../src/data/unpack.ts";
import { loadTar } from "../../src/deps.ts";
import { UserError } from "../../src/errors.ts";
import { inTempFolder } from "../temp_folder.ts";

const file = (name: string, size: number) => ({
  header: { name, size, type: "file" as const },
  body: new Uint8Array(size).fill(7),
});

const namesIn = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("a whole tar is unpacked beside itself: images and texts below its prefix, and no links", () =>
  inTempFolder(async (folder) => {
    const { packTar } = await loadTar();
    const link = { header: { name: "set/c.jpg", size: 0, type: "symlink" as const, linkname: "/etc/passwd" } };
    const tar = await packTar([
      file("set/a.jpg", 700),
      file("set/x/b.txt", 3),
      link,
      file("set/y.exe", 3),
      file("z.jpg", 3),
    ]);
    await Deno.writeFile(`${folder}/set.tar.gz`, gzipSync(tar));
    assertEquals(await unpackTar(`${folder}/set.tar.gz`, { prefix: "set/" }), 2);
    assertEquals(namesIn(folder), ["a.jpg", "set.tar.gz", "x"]);
    assertEquals((await Deno.stat(`${folder}/a.jpg`)).size, 700);
  }));

Deno.test("a tar that is cut off anywhere, or damaged, leaves nothing behind", () =>
  inTempFolder(async (folder) => {
    const { packTar } = await loadTar();
    const tar = await packTar([file("a.jpg", 700), file("b.jpg", 700)]);
    const path = `${folder}/set.tar`;
    const flipped = tar.slice();
    flipped[0] ^= 1;
    // Two blocks of zeros end an archive; before them nothing may be missing.
    for (const bytes of [flipped, ...[100, 600, 1024, 1536, 2000, 3000].map((length) => tar.subarray(0, length))]) {
      await Deno.writeFile(path, bytes);
      await assertRejects(() => unpackTar(path, { prefix: "" }), UserError, path);
      assertEquals(namesIn(folder), ["set.tar"]);
    }
  }));

Deno.test("a tar with a name twice, with an image too large for any, or of nothing is refused", () =>
  inTempFolder(async (folder) => {
    const { packTar } = await loadTar();
    const path = `${folder}/set.tar`;
    const refused = async (bytes: Uint8Array, why: string) => {
      await Deno.writeFile(path, bytes);
      await assertRejects(() => unpackTar(path, { prefix: "" }), UserError, why);
      assertEquals(namesIn(folder), ["set.tar"]);
    };
    await refused(await packTar([file("a.jpg", 7), file("./a.jpg", 8)]), 'its entry "a.jpg" is in it twice');
    // The head alone tells the size.
    const large = await packTar([file("a.jpg", 7)]);
    const size = (2 ** 28).toString(8).padStart(11, "0");
    large.set(new TextEncoder().encode(size), 124);
    large.fill(0x20, 148, 156);
    const sum = large.subarray(0, 512).reduce((all, byte) => all + byte, 0);
    large.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
    await refused(large, 'its entry "a.jpg" has 268435456 bytes, too many for an image or a text');
    await refused(new Uint8Array(4096), "it is empty");
  }));
