import { assert, assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { lockFolder } from "../../src/run/lock.ts";
import {
  assertSameResults,
  assertSentence,
  resultsOf,
  RUN_FOLDER,
  runRecipe,
  SMALL_RUN,
  smallFolder,
} from "../small_run.ts";
import { inTempFolder } from "../temp_folder.ts";

/** A process that locks a folder and then does nothing. */
async function holder(folder: string): Promise<Deno.ChildProcess> {
  const script = `import { lockFolder } from ${JSON.stringify(import.meta.resolve("../../src/run/lock.ts"))};
    await lockFolder(${JSON.stringify(folder)});
    console.log("locked");
    setInterval(() => {}, 1000);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", `data:text/typescript,${encodeURIComponent(script)}`],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  assertEquals(new TextDecoder().decode(value), "locked\n");
  return child;
}

Deno.test("a locked folder is refused with the id of the process that has it; a killed process lets go", async () => {
  await inTempFolder(async (folder) => {
    const child = await holder(folder);
    try {
      const error = await assertRejects(() => lockFolder(folder), UserError);
      assertStringIncludes(error.message, `${folder} is in use by process ${child.pid}: wait for it to end`);
    } finally {
      child.kill("SIGKILL");
      await child.status;
      await child.stdout.cancel();
    }
    const lock = await lockFolder(folder);
    assertEquals(lock.stale, child.pid);
    lock.release();
    const again = await lockFolder(folder);
    assertEquals(again.stale, undefined);
    again.release();
  });
});

Deno.test("two runs in one folder: the second is told who has it; after a killed one the run goes on", async () => {
  const folder = await smallFolder();
  try {
    const path = `${folder}/${RUN_FOLDER}`;
    await Deno.mkdir(path, { recursive: true });
    const lock = await lockFolder(path);
    assertSentence(await runRecipe(folder), `${RUN_FOLDER} is in use by process ${Deno.pid}: wait for it to end`);
    lock.release();
    assertEquals([...Deno.readDirSync(path)].map(({ name }) => name), [".lock"]);
    // The id of a process that was killed stays in the file; the lock itself went with the process.
    await Deno.writeTextFile(`${path}/.lock`, "123456\n");
    const { code, stderr } = await runRecipe(folder);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, `Process 123456 was killed in ${RUN_FOLDER}; its work is taken up.`);
    assertEquals(await Deno.readTextFile(`${path}/.lock`), "");
    const expected = await resultsOf(path);

    // A finished run whose last metrics never reached the disk.
    const metrics = await Deno.readTextFile(`${path}/metrics.jsonl`);
    await Deno.writeTextFile(`${path}/metrics.jsonl`, metrics.slice(0, -20));
    assertEquals((await runRecipe(folder)).code, 0);
    await assertSameResults(path, expected, "after a cut last line");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("runs at the same time share the features, and end as each would alone", async () => {
  const [together, alone] = [await smallFolder(), await smallFolder()];
  try {
    const seeds = [1, 2];
    const args = (seed: number) => [...SMALL_RUN, "--seed", String(seed)];
    const path = (seed: number) => RUN_FOLDER.replace(/1$/, String(seed));
    const both = await Promise.all(seeds.map((seed) => runRecipe(together, { args: args(seed) })));
    for (const { code, stderr } of both) assertEquals(code, 0, stderr);
    for (const seed of seeds) {
      await Deno.remove(`${alone}/.cache`, { recursive: true }).catch(() => {});
      const { code, stderr } = await runRecipe(alone, { args: args(seed) });
      assertEquals(code, 0, stderr);
      await assertSameResults(`${together}/${path(seed)}`, await resultsOf(`${alone}/${path(seed)}`), `seed ${seed}`);
    }
    const third = await runRecipe(together, { args: [...args(1), "--fresh"] });
    assert(!/[1-9]\d* computed/.test(third.stderr), third.stderr);
    const stored = await Array.fromAsync(Deno.readDir(`${together}/.cache/features`));
    assertEquals(stored.length, 1);
    const names = await Array.fromAsync(Deno.readDir(`${together}/.cache/features/${stored[0].name}`));
    assert(names.every(({ name }) => /^[0-9a-f]{64}\.safetensors$/.test(name)), names.map(({ name }) => name).join());
  } finally {
    for (const folder of [together, alone]) await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a lock that is a link is refused, and what it leads to stays whole", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/letter.txt`, "what somebody wrote");
    await Deno.mkdir(`${folder}/run`);
    await Deno.symlink("../letter.txt", `${folder}/run/.lock`);
    await assertRejects(() => lockFolder(`${folder}/run`), UserError, "run/.lock is no file but a link");
    assertEquals(await Deno.readTextFile(`${folder}/letter.txt`), "what somebody wrote");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
