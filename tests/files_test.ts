import { assert, assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { UserError } from "../src/errors.ts";
import { readJson, removeStalePartials, sha256Hex, writeFileAtomic } from "../src/files.ts";

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
