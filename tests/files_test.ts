import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { loadMethod } from "../recipes/cli/method_file.ts";
import { readSplit } from "../src/data/split.ts";
import { openRunFolder, readDone } from "../src/run/folder.ts";
import { openDataset } from "../src/data/dataset.ts";
import { UserError } from "../src/errors.ts";
import { openRandomAccess } from "../src/clip/weights/tensor_file.ts";
import {
  parseJson,
  readHead,
  readIfThere,
  readJson,
  readText,
  removeStalePartials,
  sha256Hex,
  textOf,
  writeFileAtomic,
} from "../src/files.ts";
import {
  assertSameResults,
  assertSentence,
  resultsOf,
  RUN_FOLDER,
  runRecipe,
  SMALL_RUN,
  smallFolder,
} from "./small_run.ts";

Deno.test("writeFileAtomic makes missing folders, replaces whole files and leaves nothing beside", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "a/b/report.json");
    await writeFileAtomic(path, "one");
    await writeFileAtomic(path, new TextEncoder().encode("two"));
    assertEquals(await Deno.readTextFile(path), "two");
    assertEquals([...Deno.readDirSync(join(folder, "a/b"))].map((entry) => entry.name), ["report.json"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("writeFileAtomic survives many writers of one file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "shared.bin");
    const contents = Array.from({ length: 16 }, (_, i) => new Uint8Array(50_000).fill(i));
    await Promise.all(contents.map((bytes) => writeFileAtomic(path, bytes)));
    const found = await Deno.readFile(path);
    assertEquals(found.length, 50_000);
    assert(found.every((byte) => byte === found[0]));
    assertEquals([...Deno.readDirSync(folder)].length, 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("writeFileAtomic says what is wrong and keeps the old file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "plain");
    await writeFileAtomic(file, "kept");
    const error = await assertRejects(() => writeFileAtomic(join(file, "below"), "x"), UserError);
    assertStringIncludes(error.message, "is a file and not a folder");
    assertEquals(await Deno.readTextFile(file), "kept");
    await Deno.mkdir(join(folder, "folder"));
    const onto = await assertRejects(() => writeFileAtomic(join(folder, "folder"), "x"), UserError);
    assertStringIncludes(onto.message, "it is a folder and not a file");
    assertEquals([...Deno.readDirSync(folder)].map((entry) => entry.name).sort(), ["folder", "plain"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a missing permission is named", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const script = join(folder, "main.ts");
    await Deno.writeTextFile(
      script,
      `import { writeFileAtomic } from ${JSON.stringify(import.meta.resolve("../src/files.ts"))};
       await writeFileAtomic(${
        JSON.stringify(join(folder, "out/x"))
      }, "x").catch((e) => console.log(e.name + ": " + e.message));`,
    );
    const output = await new Deno.Command(Deno.execPath(), { args: ["run", "--no-prompt", script] }).output();
    const text = new TextDecoder().decode(output.stdout);
    assertStringIncludes(text, `UserError: Cannot write the file ${join(folder, "out/x")}`);
    assertStringIncludes(text, `--allow-write=${join(folder, "out")}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("readJson names the file and the place", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "split.json");
    await Deno.writeTextFile(path, '{"train": [1,');
    const broken = await assertRejects(() => readJson(path, "the split file"), UserError);
    assertStringIncludes(broken.message, `The split file ${path} is not valid JSON`);
    const missing = await assertRejects(() => readJson(join(folder, "none"), "the split file"), UserError);
    assertStringIncludes(missing.message, "it does not exist");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a file too large for memory, a pipe and a device are refused before they are read", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [large, pipe] = [join(folder, "large"), join(folder, "pipe")];
    // Sparse: takes no room on the disk.
    using file = await Deno.open(large, { write: true, create: true });
    await file.truncate(3 * 2 ** 30);
    const { success } = await new Deno.Command("mkfifo", { args: [pipe] }).output();
    assert(success);
    const refused = async (path: string, why: string) => {
      const { message } = await assertRejects(() => readJson(path, "the split file"), UserError);
      assertEquals(message, `Cannot read the split file ${path}: ${why}.`);
    };
    await refused(large, "it has 3,072 MiB, and 64 are the most");
    await refused(pipe, "it is a pipe or a device, give a file");
    await refused("/dev/zero", "it is a pipe or a device, give a file");
    await assertRejects(() => readText(large, "the list"), UserError, "it has 3,072 MiB, and 4 are the most");
    await assertRejects(() => readSplit(large), UserError, "it has 3,072 MiB, and 128 are the most");
    await assertRejects(() => readIfThere(large), UserError, "it has 3,072 MiB, and 512 are the most");
    for (const [path, why] of [[large, "it has 3,072 MiB"], [pipe, "it is a pipe"], [folder, "is a folder"]]) {
      await assertRejects(() => loadMethod(path), UserError, why);
    }
    await Deno.symlink(pipe, join(folder, "done"));
    await assertRejects(() => readDone(folder), UserError, "it is a pipe");
    await assertRejects(() => readHead(pipe, 4), UserError, "it is a pipe or a device");
    assertThrows(() => openRandomAccess(pipe), UserError, `Cannot read the weights ${pipe}: it is a pipe`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("sha256Hex agrees between bytes and file, over several blocks", async () => {
  assertEquals(
    await sha256Hex(new TextEncoder().encode("abc")),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  const path = await Deno.makeTempFile();
  try {
    const bytes = new Uint8Array(2_500_001).map((_, i) => i * 31);
    await Deno.writeFile(path, bytes);
    assertEquals(await sha256Hex(path), await sha256Hex(bytes));
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("removeStalePartials removes what killed runs left, and nothing else", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const old = new Date(Date.now() - 2 * 3_600_000);
    const names = [".a.json.123.0.partial", ".b.json.123.7.partial", "a.json", ".partial", "c.1.2.partial"];
    for (const name of names) {
      await Deno.writeTextFile(join(folder, name), "");
      if (!name.startsWith(".b")) await Deno.utime(join(folder, name), old, old);
    }
    await removeStalePartials(folder);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), names.slice(1).sort());
    await removeStalePartials(join(folder, "none"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** A small file system of its own, where this user may make one: `body` gets its folder, and what changes its options. */
function smallDiskTest(name: string, body: (disk: Disk) => Promise<void>): void {
  const probe = Deno.makeTempDirSync();
  const canMount = mount(probe, ["-t", "tmpfs", "-o", "size=64k", "tmpfs"]);
  if (canMount) new Deno.Command("umount", { args: [probe] }).outputSync();
  Deno.removeSync(probe);
  if (!canMount) return Deno.test.ignore(`${name} (skipped: only root may mount a small disk)`, () => {});
  Deno.test(name, async () => {
    const folder = await Deno.realPath(await Deno.makeTempDir());
    assert(mount(folder, ["-t", "tmpfs", "-o", "size=2m", "tmpfs"]));
    try {
      await body({
        folder,
        async leave(bytes) {
          await Deno.remove(`${folder}/filler`).catch(() => {});
          const filler = await Deno.open(`${folder}/filler`, { write: true, create: true });
          const block = new Uint8Array(4096);
          while (await filler.write(block).then((count) => count === block.length, () => false));
          await filler.truncate(Math.max(0, (await filler.stat()).size - bytes));
          filler.close();
        },
        makeReadOnly: (isReadOnly) => void assert(mount(folder, ["-o", isReadOnly ? "remount,ro" : "remount,rw"])),
      });
    } finally {
      new Deno.Command("umount", { args: [folder] }).outputSync();
      await Deno.remove(folder);
    }
  });
}

interface Disk {
  folder: string;
  /** Fills the disk up to so many bytes. */
  leave(bytes: number): Promise<void>;
  makeReadOnly(isReadOnly: boolean): void;
}

function mount(folder: string, options: string[]): boolean {
  try {
    return new Deno.Command("mount", { args: [...options, folder], stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Everything in a folder but what fills the disk: path and content. */
async function contentOf(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (name === "filler") continue;
    const path = `${folder}/${name}`;
    if (isDirectory) { for (const [below, hash] of await contentOf(path)) found.set(below, hash); }
    else found.set(path, await sha256Hex(path));
  }
  return found;
}

smallDiskTest("a full disk and a read-only one leave the old file and nothing beside", async (disk) => {
  const path = `${disk.folder}/report.json`;
  await writeFileAtomic(path, "kept");
  for (const free of [0, 4096, 65536]) {
    await disk.leave(free);
    const full = await assertRejects(() => writeFileAtomic(path, new Uint8Array(100_000)), UserError);
    assertEquals(
      full.message,
      `Cannot write the file ${path}: the disk is full, free some space or choose another folder.`,
    );
    assertEquals([...(await contentOf(disk.folder)).keys()], [path]);
    assertEquals(await Deno.readTextFile(path), "kept");
  }
  disk.makeReadOnly(true);
  const locked = await assertRejects(() => writeFileAtomic(path, "new"), UserError);
  assertStringIncludes(locked.message, "the file system is read-only, choose a folder that can be written");
  assertEquals(await Deno.readTextFile(path), "kept");
});

smallDiskTest(
  "a run on a disk that fills up stops with a sentence, and goes on to the same end when there is room",
  async (disk) => {
    const [images, other] = [await smallFolder(), await smallFolder()];
    try {
      const args = [...SMALL_RUN, "--data", `${images}/images`];
      await runRecipe(other, { args });
      const expected = await resultsOf(`${other}/${RUN_FOLDER}`);
      let failures = 0;
      let before = new Map<string, string>();
      for (const free of [0, 8192, 65536, 131072, 200_000, 2_000_000]) {
        await disk.leave(free);
        const end = await runRecipe(disk.folder, { args });
        if (end.code === 0) break;
        failures++;
        assertSentence(end, "the disk is full, free some space or choose another folder");
        const after = await contentOf(disk.folder);
        for (const path of after.keys()) assert(!path.endsWith(".partial"), path);
        for (const path of before.keys()) assert(after.has(path) || path.endsWith("/checkpoint.safetensors"), path);
        before = after;
      }
      assert(failures >= 3, `${failures} failures`);
      await assertSameResults(`${disk.folder}/${RUN_FOLDER}`, expected, `after ${failures} times a full disk`);

      before = await contentOf(disk.folder);
      disk.makeReadOnly(true);
      assertSentence(await runRecipe(disk.folder, { args }), "the file system is read-only");
      assertEquals(await contentOf(disk.folder), before);
    } finally {
      for (const folder of [images, other]) await Deno.remove(folder, { recursive: true });
    }
  },
);

Deno.test("data that vanished is told in a sentence, and earlier results stay", async () => {
  const folder = await smallFolder();
  try {
    assertEquals((await runRecipe(folder)).code, 0);
    const before = await contentOf(`${folder}/runs`);
    await Deno.rename(`${folder}/images/Lake`, `${folder}/Lake`);
    assertSentence(await runRecipe(folder), "take the same again, start over with --fresh");
    await Deno.remove(`${folder}/images`, { recursive: true });
    assertSentence(await runRecipe(folder), "images");
    assertEquals(await contentOf(`${folder}/runs`), before);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a data or run folder that vanishes during a run is told in a sentence", async () => {
  const folder = await smallFolder();
  try {
    const dataset = await openDataset({ data: `${folder}/images` });
    const run = await openRunFolder(`${folder}/run`);
    await run.writeMetrics([]);
    await Deno.remove(`${folder}/images`, { recursive: true });
    await Deno.remove(`${folder}/run`, { recursive: true });
    const [{ path }] = dataset.split.train;
    const image = await assertRejects(() => dataset.images.read(path), UserError);
    assertStringIncludes(image.message, path);
    await dataset.images.close();
    const record = { step: 1, epoch: 1, lr: 1, loss: 1 };
    await assertRejects(() => run.appendMetrics([record]), UserError, "its folder is gone");
    await assertRejects(() => run.checkpoint(), UserError, "does not exist");
    run.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const FILE = { path: "my.yaml", what: "the configuration" };

Deno.test("a file is UTF-8, with or without a byte-order mark", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  assertEquals(textOf(bytes("name: Müller"), FILE), "name: Müller");
  assertEquals(textOf(bytes("\ufeffname: x"), FILE), "name: x");
  assertEquals(textOf(new Uint8Array(), FILE), "");
  const utf16 = (...codes: number[]) => assertThrows(() => textOf(Uint8Array.from(codes), FILE), UserError).message;
  for (const message of [utf16(0xff, 0xfe, 0x61, 0), utf16(0xfe, 0xff, 0, 0x61), utf16(0x61, 0), utf16(0, 0x61)]) {
    assertEquals(message, "The configuration my.yaml is written in UTF-16: save it as UTF-8.");
  }
  assertThrows(
    () => textOf(Uint8Array.of(0xe9), FILE),
    UserError,
    "The configuration my.yaml is not written in UTF-8",
  );
});

Deno.test("files of a run that have no end or do not fit end it with a sentence, and none is hung on", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const name of ["identity.json", "checkpoint.safetensors", "time.json"]) {
      const path = join(folder, name);
      for (const [target, why] of [["/dev/zero", "it is a pipe or a device"], ["../large", "it has 3,072 MiB"]]) {
        await Deno.symlink(target.replace("..", folder), path);
        if (target !== "/dev/zero") {
          await Deno.writeFile(`${folder}/large`, new Uint8Array());
          await Deno.truncate(`${folder}/large`, 3 * 2 ** 30);
        }
        await Deno.writeTextFile(join(folder, "report-base.json"), "{}");
        const run = await openRunFolder(folder);
        const read = name === "time.json" ? () => run.trainSeconds() : () => run.identities();
        await assertRejects(read, UserError, why);
        run.close();
        await Deno.remove(path);
      }
    }
    // A file of the run's own is written anew, whatever a link with its name leads to.
    await Deno.symlink("large", join(folder, "metrics.jsonl"));
    const run = await openRunFolder(folder);
    await run.writeMetrics([{ step: 1, epoch: 1, lr: 0.1, loss: 2 }]);
    run.close();
    assertEquals((await Deno.stat(`${folder}/large`)).size, 3 * 2 ** 30);
    assertEquals(await Deno.readTextFile(join(folder, "metrics.jsonl")), '{"step":1,"epoch":1,"lr":0.1,"loss":2}\n');
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("JSON of many levels is refused where it is large, and a key that stands twice where people write it", () => {
  const of = (text: string, unique: boolean) =>
    parseJson(new TextEncoder().encode(text), { path: "a.json", what: "the split file", unique });
  const levels = (count: number, padding: number) => `${"[".repeat(count)}"${"x".repeat(padding)}"${"]".repeat(count)}`;
  assertThrows(() => of(levels(101, 1 << 20), false), UserError, "its lists are 101 levels deep");
  of(levels(100, 1 << 20), false);
  of(levels(101, 10), false);
  const twice = '{"a": [{"b": 1, "b": 2}], "c": ":\\":{["}';
  assertThrows(() => of(twice, true), UserError, "The split file a.json is not valid JSON (it names a key twice)");
  assertEquals(of(twice, false), { a: [{ b: 2 }], c: ':":{[' });
  assertEquals(of('{"a": [{"b": 1}, {"b": 2}], "c": ":\\":{["}', true), { a: [{ b: 1 }, { b: 2 }], c: ':":{[' });
});

Deno.test("a name that is not UTF-8 is told as such", async () => {
  await assertRejects(() => readJson("/tmp/caf\ufffd.json", "the split file"), UserError, "its name is not UTF-8");
});
