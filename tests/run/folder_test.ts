import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { openRunFolder, readDone } from "../../src/run/folder.ts";
import { inTempFolder } from "../temp_folder.ts";

const param = { shape: [2], data: Float32Array.of(1, 2) };
const velocity = { ctx: new Float32Array(2) };

/** All files, those in folders too, by name. */
async function filesBelow(folder: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${folder}/${below}`)) {
    found.push(...isDirectory ? await filesBelow(folder, `${below}${name}/`) : [below + name]);
  }
  return found.sort();
}

Deno.test("a run folder that cannot be opened is not left locked", async () => {
  await inTempFolder(async (folder) => {
    const path = `${folder}/run`;
    const { remove } = Deno;
    await Deno.mkdir(path);
    await Deno.writeTextFile(`${path}/.report-base.json.1.0.partial`, "");
    Deno.remove = () => Promise.reject(Object.assign(new Error("Operation not permitted"), { code: "EPERM" }));
    try {
      await assertRejects(() => openRunFolder(path), UserError, "may not be written by you");
    } finally {
      Deno.remove = remove;
    }
    (await openRunFolder(path)).close();
    assertEquals([...Deno.readDirSync(path)].map(({ name }) => name), [".lock"]);
  });
});

Deno.test("what a killed process left half written or overtaken is cleared away, also among charts and pages", async () => {
  await inTempFolder(async (folder) => {
    const kept = ["checkpoint-0002.safetensors", "dtd-all/plots/loss.svg", "metrics.jsonl"];
    const left = [
      ".done.7.0.partial",
      "checkpoint.safetensors",
      "plots/.loss.svg.7.1.partial",
      "dtd-all/.report.html.7.2.partial",
      "dtd-all/plots/.loss.svg.7.3.partial",
    ];
    await Deno.mkdir(`${folder}/dtd-all/plots`, { recursive: true });
    await Deno.mkdir(`${folder}/plots`);
    for (const name of [...left, ...kept]) await Deno.writeTextFile(`${folder}/${name}`, "x");
    (await openRunFolder(folder)).close();
    assertEquals(await filesBelow(folder), [".lock", ...kept]);
  });
});

Deno.test("the checkpoint of a training that goes on stays", async () => {
  await inTempFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/checkpoint.safetensors`, "x");
    (await openRunFolder(folder)).close();
    assertEquals(await filesBelow(folder), [".lock", "checkpoint.safetensors"]);
  });
});

Deno.test("starting over takes away first what says that the run is done", async () => {
  await inTempFolder(async (folder) => {
    const names = ["checkpoint-0002.safetensors", "config.yaml", "done", "metrics.jsonl", "report-base.json"];
    for (const name of names) await Deno.writeTextFile(`${folder}/${name}`, "x");
    const run = await openRunFolder(folder);
    const { remove } = Deno;
    const removed: string[] = [];
    Deno.remove = (path, options) => (removed.push(String(path).slice(folder.length + 1)), remove(path, options));
    try {
      await run.clear();
    } finally {
      Deno.remove = remove;
      run.close();
    }
    assertEquals(removed.slice(0, 2), ["done", "checkpoint-0002.safetensors"]);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), [".lock"]);
  });
});

Deno.test("metrics.jsonl survives a cut last line", async () => {
  await inTempFolder(async (folder) => {
    const records = [1, 2, 3].map((step) => ({ step, epoch: 1, lr: 0.5, loss: 1 / step }));
    const run = await openRunFolder(folder);
    try {
      await run.writeMetrics(records.slice(0, 1));
      await run.appendMetrics(records.slice(1));
      const path = `${folder}/metrics.jsonl`;
      const whole = await Deno.readTextFile(path);
      assertEquals(whole.trimEnd().split("\n").map((line) => JSON.parse(line)), records);
      for (const damaged of [whole.slice(0, -7), `${whole}{"step":4,"ep`, whole + whole, ""]) {
        await Deno.writeTextFile(path, damaged);
        await run.writeMetrics(records);
        assertEquals(await Deno.readTextFile(path), whole);
      }
    } finally {
      run.close();
    }
  });
});

Deno.test("a run folder tells which run its files are of: its own note, and its checkpoint", async () => {
  await inTempFolder(async (folder) => {
    const run = await openRunFolder(folder);
    try {
      assertEquals(await run.identities(), []);
      await run.write("identity.json", '{"method":"coop","seed":"2"}');
      // Nothing came of it.
      assertEquals(await run.identities(), []);
      await run.write("report-base.json", "{}");
      assertEquals(await run.identities(), [{ method: "coop", seed: "2" }]);
      await run.clear();
      const state = { step: 2, losses: [1, 0.5], params: { ctx: param }, velocity, order: [1] };
      await run.saveCheckpoint(state, { metadata: { method: "coop", epochs: "2" } });
      const stored = { method: "coop", epochs: "2", "checkpoint-version": "1", step: "2" };
      assertEquals(await run.identities(), [stored]);
      await run.write("identity.json", '{"method":"coop","seed":"1"}');
      assertEquals(await run.identities(), [{ method: "coop", seed: "1" }, stored]);
      // Cut off, it says nothing; the checkpoint still does.
      await run.write("identity.json", '{"method":"co');
      assertEquals(await run.identities(), [stored]);
    } finally {
      run.close();
    }
  });
});

Deno.test("the final checkpoint takes the place of the others, and is the one that is read", async () => {
  await inTempFolder(async (folder) => {
    const run = await openRunFolder(folder);
    try {
      assertEquals(await run.checkpoint(), undefined);
      const state = { step: 1, losses: [1], params: { ctx: param }, velocity, order: [1] };
      await run.saveCheckpoint(state, { metadata: {} });
      const going = await run.checkpoint();
      assertEquals([going?.name, going?.final, going?.checkpoint.state.step], ["checkpoint.safetensors", false, 1]);
      await run.saveCheckpoint({ ...state, step: 2, losses: [1, 0.5] }, { metadata: {}, finalEpoch: 12_345 });
      const ended = await run.checkpoint();
      assertEquals([ended?.name, ended?.final, ended?.checkpoint.state.step], [
        "checkpoint-12345.safetensors",
        true,
        2,
      ]);
      assertEquals(await filesBelow(folder), [".lock", "checkpoint-12345.safetensors"]);
    } finally {
      run.close();
    }
  });
});

Deno.test("what done says is read back; without it, or cut off, the run has not come to its end", async () => {
  await inTempFolder(async (folder) => {
    assertEquals(await readDone(folder), undefined);
    const run = await openRunFolder(folder);
    await run.finish({ evaluatedOn: ["base"], chosen: { alpha: 1 } });
    run.close();
    assertEquals((await readDone(folder))?.evaluatedOn, ["base"]);
    await Deno.writeTextFile(`${folder}/done`, "{");
    assertEquals(await readDone(folder), undefined);
  });
});
