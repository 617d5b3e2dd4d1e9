import { assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { openDataset } from "../../src/data/dataset.ts";
import type { CatalogueItem } from "../../src/data/downloads.ts";
import { obtainItem } from "../../src/data/obtain.ts";
import { loadTar } from "../../src/deps.ts";
import { UserError } from "../../src/errors.ts";
import { sha256Hex } from "../../src/files.ts";
import { serve, wellBehaved } from "../loopback.ts";
import { inTempFolder } from "../temp_folder.ts";

const ABOUT = { kind: "dataset", title: "Tiny", home: "", licence: "MIT", citation: "" } as const;

/** A tar.gz with class folders below `dtd/`, and things that do not belong to the images. */
async function archive(extra: string[] = []): Promise<Uint8Array<ArrayBuffer>> {
  const { packTar } = await loadTar();
  const names = ["banded", "woven"].flatMap((name) => [1, 2, 3, 4].map((i) => `dtd/images/${name}/${name}_${i}.jpg`));
  const all = [
    ...names,
    "dtd/labels/train1.txt",
    "dtd/imdb/imdb.mat",
    "other/images/a/b.jpg",
    "dtd/images/._x.jpg",
    ...extra,
  ];
  const tar = await packTar([
    ...all.map((name) => ({ header: { name, size: name.length }, body: name })),
    { header: { name: "dtd/link.jpg", size: 0, type: "symlink" as const, linkname: "/etc/passwd" } },
  ]);
  return new Uint8Array(gzipSync(tar));
}

async function tree(folder: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(folder, below))) {
    if (isDirectory) found.push(...await tree(folder, `${below}${name}/`));
    else if (!name.endsWith(".lock")) found.push(below + name);
  }
  return found.sort();
}

Deno.test("a tar archive is unpacked beside, opens as the data set, and is not got again", () =>
  inTempFolder(async (folder) => {
    const bytes = await archive();
    const server = serve(wellBehaved(bytes));
    const sha256 = await sha256Hex(bytes);
    const item: CatalogueItem = {
      ...ABOUT,
      name: "dtd",
      files: [{ path: "dtd/dtd.tar.gz", sha256, unpack: "dtd/", sources: [`${server.url}/dtd.tar.gz`] }],
    };
    const options = { folder, hosts: [new URL(server.url).host] };
    try {
      const work = new Set<string>();
      const [got] = await obtainItem(item, { ...options, onProgress: (what) => work.add(what) });
      assertEquals(got, { path: join(folder, "dtd"), sha256, isVerified: true, wasThere: false });
      assertEquals([...work], ["getting dtd.tar.gz", "unpacking dtd.tar.gz"]);
      const files = await tree(join(folder, "dtd"));
      assertEquals(files.length, 10);
      assertEquals(files.filter((name) => !name.startsWith("images/")), ["dtd.tar.gz.unpacked", "labels/train1.txt"]);
      const dataset = await openDataset({ data: join(folder, "dtd"), dataset: "dtd" });
      await dataset.images.close();
      assertEquals([dataset.images.count, dataset.split.train[0].className], [8, "banded"]);
      assertEquals((await obtainItem(item, options))[0].wasThere, true);
      assertEquals(server.ranges.length, 1);
    } finally {
      await server.close();
    }
  }));

Deno.test("an archive that leads out of its folder, or that is cut off, leaves nothing unpacked", () =>
  inTempFolder(async (folder) => {
    const hostile = await archive(["dtd/../../out.jpg"]);
    const item = (name: string): CatalogueItem => ({
      ...ABOUT,
      name: "dtd",
      files: [{ path: "dtd/dtd.tar.gz", unpack: "dtd/", sources: [] }],
      title: name,
    });
    const source = join(folder, "dtd.tar.gz");
    await Deno.writeFile(source, hostile);
    await assertRejects(() => obtainItem(item("a"), { folder, source }), UserError, "is refused");
    await Deno.writeFile(source, hostile.subarray(0, hostile.length - 30));
    await assertRejects(() => obtainItem(item("b"), { folder, source }), UserError, "damaged or cut off");
    assertEquals((await tree(join(folder, "dtd"))).filter((name) => name.endsWith(".jpg")), []);
  }));

Deno.test("files that the user has are matched by their names, in a folder, alone, or at an address", () =>
  inTempFolder(async (folder) => {
    const stick = join(folder, "stick");
    await Deno.mkdir(stick);
    const zip = new Uint8Array([0x50, 0x4b, 5, 6, ...new Array(18).fill(0)]);
    await Deno.writeFile(join(stick, "Tiny.zip"), zip);
    await Deno.writeTextFile(join(stick, "split.json"), "{}");
    const item: CatalogueItem = {
      ...ABOUT,
      name: "tiny",
      files: [
        { path: "tiny/Tiny.zip", sha256: await sha256Hex(zip), sources: [] },
        { path: "tiny/split.json", sources: [] },
      ],
    };
    const first = join(folder, "first");
    const [image, split] = await obtainItem(item, { folder: first, source: stick });
    assertEquals([image.isVerified, split.isVerified, split.path], [true, false, join(first, "tiny/split.json")]);

    const second = join(folder, "second");
    await Deno.writeFile(join(folder, "renamed.zip"), zip);
    const error = await assertRejects(
      () => obtainItem(item, { folder: second, source: join(folder, "renamed.zip") }),
      UserError,
    );
    assertStringIncludes(error.message, "split.json could not be downloaded");
    assertEquals(await tree(second), ["tiny/Tiny.zip"]);
    const both = await obtainItem(item, { folder: second, source: join(stick, "split.json") });
    assertEquals(both.map(({ wasThere }) => wasThere), [true, false]);

    const server = serve((request, count) =>
      request.url.endsWith("/t/Tiny.zip") ? wellBehaved(zip)(request, count) : Response.json({})
    );
    try {
      const third = await obtainItem(item, { folder: join(folder, "third"), source: `${server.url}/t/` });
      assertEquals(third.length, 2);
    } finally {
      await server.close();
    }
    const refuse = (source: string, message: string) =>
      assertRejects(() => obtainItem(item, { folder: join(folder, "x"), source }), UserError, message);
    await refuse(join(folder, "none"), "does not exist");
    await Deno.mkdir(join(folder, "bare"));
    await refuse(join(folder, "bare"), "has none of the files of tiny: Tiny.zip, split.json");
    await Deno.writeTextFile(join(folder, "a.csv"), "");
    await refuse(join(folder, "a.csv"), "call it Tiny.zip or split.json");
    await Deno.writeTextFile(join(folder, "wrong.zip"), "PK");
    await refuse(join(folder, "wrong.zip"), "is not taken as Tiny.zip");
  }));

Deno.test("when no source works, the same images in another archive are taken, and found again", () =>
  inTempFolder(async (folder) => {
    const zip = new Uint8Array([0x50, 0x4b, 5, 6, ...new Array(18).fill(0)]);
    const server = serve((request, count) =>
      request.url.endsWith(".zip") ? wellBehaved(zip)(request, count) : new Response("", { status: 404 })
    );
    const item: CatalogueItem = {
      ...ABOUT,
      name: "sun397",
      files: [{
        path: "sun397/SUN397.tar.gz",
        unpack: "",
        sources: [`${server.url}/SUN397.tar.gz`],
        instead: { path: "sun397/sun397.zip", sources: [`${server.url}/sun397.zip`] },
      }],
    };
    const said: string[] = [];
    const options = { folder, hosts: [new URL(server.url).host], say: (line: string) => said.push(line) };
    try {
      assertEquals((await obtainItem(item, options))[0].path, join(folder, "sun397/sun397.zip"));
      assertStringIncludes(said.join("\n"), "taking sun397.zip instead");
      assertEquals((await obtainItem(item, options))[0].wasThere, true);
      assertEquals(server.ranges.length, 2);
    } finally {
      await server.close();
    }
  }));

Deno.test("two processes do not get the same thing at the same time", () =>
  inTempFolder(async (folder) => {
    await Deno.mkdir(join(folder, "tiny"));
    using lock = await Deno.open(join(folder, "tiny/.a.json.lock"), { write: true, create: true });
    await lock.lock(true);
    const item: CatalogueItem = { ...ABOUT, name: "tiny", files: [{ path: "tiny/a.json", sources: [] }] };
    await assertRejects(() => obtainItem(item, { folder }), UserError, "Another process is getting tiny");
  }));
