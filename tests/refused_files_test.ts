/** What a system refuses to do with a file, in sentences. */
import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { UserError } from "../src/errors.ts";
import { readText, refusedBySystem, sha256Hex } from "../src/files.ts";
import { readPromptly } from "../src/read_promptly.ts";

Deno.test("whatever else a system refuses is a sentence, also where nobody was ready for it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const loop = join(folder, "loop");
    await Deno.symlink("loop", loop);
    await assertRejects(() => readText(loop, "the list"), UserError, "its symbolic links lead in a circle");
    const caught = (work: () => Promise<unknown>) =>
      work().then(() => undefined, (error) => refusedBySystem(error)?.message);
    const file = join(folder, "file");
    await Deno.writeTextFile(file, "");
    assertEquals(
      await caught(() => Array.fromAsync(Deno.readDir(file))),
      `Cannot read what is at ${file}: a part of the path is a file and not a folder, check the path.`,
    );
    assertEquals(
      await caught(() => Deno.mkdir(`${file}/x`)),
      `Cannot write what is at ${file}/x: a part of the path is a file and not a folder, check the path.`,
    );
    assertEquals(await caught(() => Promise.reject(new TypeError("x is undefined"))), undefined);
    const stale = Object.assign(new Error(`Stale file handle (os error 116): stat '${file}'`), { code: "ESTALE" });
    assertEquals(
      refusedBySystem(stale)?.message,
      `Cannot read what is at ${file}: the system says "Stale file handle", check the path or choose another.`,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a file that has no size until it is read is read as far as its kind goes", async () => {
  // The system makes these up; the second has eight bytes for each page of memory that there could be.
  assertEquals((await readText("/proc/self/comm", "the name")).endsWith("\n"), true);
  await assertRejects(() => readText("/proc/self/pagemap", "the list"), UserError, "and 4 are the most");
});

Deno.test("a file that the system makes up and that has nothing to give is waited for a moment only", async () => {
  const block = new Uint8Array(4);
  const of = { path: "/proc/kmsg", what: "the list", patience: 20 };
  await assertRejects(
    () => readPromptly({ read: () => new Promise(() => {}) }, block, of),
    UserError,
    "Cannot read the list /proc/kmsg: it has no bytes yet and may never have any, give a file.",
  );
  assertEquals(await readPromptly({ read: () => Promise.resolve(3) }, block, of), 3);
  assertEquals((await sha256Hex("/proc/self/comm")).length, 64);
});
