/** Runs that are killed, or that the disk refuses, and started again: they end with the bits of one that nothing happened to. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { namedStream } from "../../src/data/random.ts";
import { UserError } from "../../src/errors.ts";
import { coop } from "../../src/methods/coop.ts";
import { pipeline } from "../../recipes/cli/pipeline.ts";
import { runMethod } from "../../recipes/cli/recipe.ts";
import { decodeCheckpoint } from "../../src/train/checkpoint.ts";
import { clear, endsTheSame, killAt, PHASES } from "./kills.ts";
import { failEverywhere, type Fault, keyOf, Killed, type Tried } from "../faults.ts";
import {
  assertSameResults,
  assertSentence,
  resultsOf,
  RUN_FOLDER,
  runRecipe,
  SMALL_RUN,
  smallFolder,
} from "../small_run.ts";

const KILLS = 50;

Deno.test(`a run killed at ${KILLS} random moments and started again ends with the same bits`, async (t) => {
  const killedAfter = await endsTheSame({
    runFolder: RUN_FOLDER,
    kills: KILLS,
    holds: ["checkpoint-0012.safetensors"],
  });
  for (const phase of PHASES) {
    const count = killedAfter.filter((line) => line.toLowerCase().startsWith(phase)).length;
    await t.step(`${count} of the ${killedAfter.length} kills while at: ${phase}`, () => assert(count > 0));
  }
});

Deno.test("a prompt with a head, whose numbers learn at a rate of their own, ends with the same bits too", async () => {
  await endsTheSame({
    run: { args: [...SMALL_RUN, "--head", "dept"] },
    runFolder: RUN_FOLDER.replace("/coop/", "/coop-dept/"),
    kills: 8,
    holds: ["checkpoint-0012.safetensors"],
  });
});

Deno.test("a method on features that is killed and started again ends with the same bits", async () => {
  const folder = await smallFolder();
  try {
    const args = "--data images --eval base,new --shots 4 --epochs 3 --views 2 --engine onnx --threads 1".split(" ");
    const run = { recipe: "tip_adapter_f", args };
    const { code, stderr } = await runRecipe(folder, run);
    assertEquals(code, 0, stderr);
    const lines = stderr.trimEnd().split("\n").length;
    const done = (await listAll(`${folder}/runs`)).find((path) => path.endsWith("/done"))!;
    const runFolder = done.slice(0, -"/done".length);
    const expected = await resultsOf(runFolder);
    const random = namedStream(7, "kills");
    await clear(folder);
    for (let kills = 0; kills < 5; kills++) {
      await killAt(folder, { line: 1 + random.below(lines), milliseconds: random.uniform(0, 30) }, run);
    }
    assertEquals((await runRecipe(folder, run)).code, 0);
    await assertSameResults(runFolder, expected, "after 5 kills");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** The small run on base classes in this process. */
function runHere(): Promise<void> {
  const args = [...SMALL_RUN, "--eval", "base", "--quiet"];
  const info = { method: coop, examples: [] };
  return runMethod(import.meta.resolve("../../recipes/coop.ts"), { info, args }, pipeline(coop));
}

/** Lets the small run fail at every operation on files in a folder of its own, and checks that it ends with the same bits. */
async function failSmallRun(fault: Fault, failed: Tried["failed"]): Promise<Set<string>> {
  const folder = await smallFolder();
  const home = Deno.cwd();
  const { log } = console;
  try {
    Deno.chdir(folder);
    console.log = () => {};
    await runHere();
    const expected = await resultsOf(RUN_FOLDER);
    return await failEverywhere({
      fault,
      failed,
      run: runHere,
      clear: () => clear(folder),
      whole: (how) => assertSameResults(RUN_FOLDER, expected, how),
    });
  } finally {
    console.log = log;
    Deno.chdir(home);
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a run that dies at any operation on files ends with the same bits when it is started again", async () => {
  const tried = await failSmallRun("killed", (failed, error) => {
    assert(error instanceof Killed, `${keyOf(failed)}: ${error}`);
  });
  for (
    const name of [
      "identity.json",
      "config.yaml",
      "checkpoint.safetensors",
      "checkpoint-0012.safetensors",
      "report-base.json",
      "done",
    ]
  ) {
    assert(tried.has(`rename ${RUN_FOLDER}/${name}`), [...tried].join("\n"));
  }
  assert(tried.has(`writeTextFile ${RUN_FOLDER}/metrics.jsonl`));
});

Deno.test("a disk that is full at any operation on files is told in a sentence, and nothing is lost", async () => {
  let whole: string[] = [];
  await failSmallRun("full disk", async (failed, error) => {
    assert(error instanceof UserError, `${keyOf(failed)}: ${error}`);
    assert(/: the disk is full, free some space or choose another folder\.$/.test(error.message), error.message);
    const left = (await listAll(".")).filter((path) => !path.startsWith("./images/"));
    assertEquals(left.filter((path) => path.endsWith(".partial")), [], keyOf(failed));
    for (const path of whole) {
      assert(left.includes(path) || path.endsWith("/checkpoint.safetensors"), `${path} is gone: ${keyOf(failed)}`);
    }
    whole = left.length < whole.length ? [] : left;
  });
});

async function listAll(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    found.push(...isDirectory ? await listAll(`${folder}/${name}`) : [`${folder}/${name}`]);
  }
  return found;
}

Deno.test("numbers too large to compute with stop a run by step and tensor; the last good checkpoint stays, and the run starts from it", async () => {
  const folder = await smallFolder();
  try {
    // Each step multiplies what is learned by nearly the product of the two.
    const args = [...SMALL_RUN, "--lr", "1e6", "--weight-decay", "1e6"];
    const first = await runRecipe(folder, { args });
    // The warm-up epoch of four steps has its own rate.
    assertSentence(first, "Training stopped at step 5 (epoch 2): the learned ctx after it has numbers of ");
    assert(first.stderr.includes(", too large to compute with. The last checkpoint is kept."), first.stderr);
    const path = (await listAll(`${folder}/runs`)).find((file) => file.endsWith("/checkpoint.safetensors"))!;
    const bytes = await Deno.readFile(path);
    const { state } = decodeCheckpoint(bytes, path);
    assertEquals(state.step, 3);
    assert(state.params.ctx.data.every(Number.isFinite));
    const second = await runRecipe(folder, { args });
    assertSentence(second, "Training stopped at step 5 (epoch 2)");
    assert(second.stderr.includes("Going on at step 4 from the checkpoint"), second.stderr);
    assertEquals(await Deno.readFile(path), bytes);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
