/**
 * The parity table as a test. The engine `cpu` (plain JavaScript) computes the miniature model alone here: the sample model
 * takes it two minutes; `deno task parity --engine cpu` has both.
 */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { openEngine } from "../../src/engine/choose.ts";
import { deepKinds, deepModels } from "../../src/parity/deep.ts";
import { openFixtures } from "../../src/parity/fixtures.ts";
import { recursiveRates } from "../../src/parity/rates.ts";
import { countDifferent, notCompared, type ParityRow, parityRow, relativeL2 } from "../../src/parity/row.ts";
import { deepEngineRows, engineRows, modelNames, plainRows } from "../../src/parity/run.ts";
import { sharedPath, sharedTest } from "../shared.ts";
import { ROOT } from "../tasks.ts";

const FOLDER = sharedPath("reference");
/** What the table of `deno task parity` has for a stage. */
const STAGE_WIDTH = 42;
const PAGE = Deno.readTextFileSync(`${ROOT}docs/parity.md`);

async function holds(rows: AsyncIterable<ParityRow>): Promise<string[]> {
  const stages: string[] = [];
  for await (const row of rows) {
    assert(
      row.passed,
      `${row.stage} on ${row.engine}: ${row.largest} > ${row.tolerance} at ${row.failures.join("; ")}`,
    );
    assert(PAGE.includes(`| ${row.stage} `), `docs/parity.md has no row "${row.stage}": measure anew`);
    stages.push(row.stage);
  }
  return stages;
}

sharedTest("tokenizer, pixels, few-shot lists and learning rates are the published ones", async () => {
  const stages = await holds(plainRows(openFixtures(FOLDER)));
  assertEquals(stages, [
    "tokenizer ids",
    "image files decoded",
    "resize",
    "resize and centre crop",
    "crop, resize, flip",
    "few-shot lists",
    "base and new classes, relabelled",
    "counts of classes and images",
    "learning rates, printed digits",
  ]);
});

const ENGINES: Record<string, { names: string[]; rows: number }> = {
  onnx: { names: ["mini", "sample"], rows: 25 },
  wasm: { names: ["mini", "sample"], rows: 25 },
  cpu: { names: ["mini"], rows: 14 },
};

for (const [name, { names, rows }] of Object.entries(ENGINES)) {
  sharedTest(`towers, prompts, training and layouts agree with PyTorch on ${name}: ${names.join(", ")}`, async () => {
    const engine = await openEngine(name);
    try {
      const tokenizer = await loadTokenizer();
      const stages = await holds(engineRows(engine, { fixtures: openFixtures(FOLDER), tokenizer, names }));
      assertEquals(stages.length, rows);
    } finally {
      await engine.dispose();
    }
  });
}

/** Rows of methods inside the towers: 6 of IVLP and of MaPLe, 7 of PromptSRC, 9 of ProMetaR, as far as a model has cases. */
const DEEP: Record<string, { names: string[]; rows: number }> = {
  onnx: { names: ["mini", "mini4", "sample"], rows: 12 + 28 + 22 },
  wasm: { names: ["mini", "mini4"], rows: 12 + 28 },
  cpu: { names: ["mini"], rows: 12 },
};

for (const [name, { names, rows }] of Object.entries(DEEP)) {
  sharedTest(`prompts inside the towers agree with PyTorch on ${name}: ${names.join(", ")}`, async () => {
    const engine = await openEngine(name);
    try {
      const stages = await holds(deepEngineRows(engine, { fixtures: openFixtures(FOLDER), names }));
      assertEquals(stages.length, rows);
      for (const stage of stages) {
        assert(stage.length <= STAGE_WIDTH, `"${stage}" breaks the table of deno task parity`);
      }
    } finally {
      await engine.dispose();
    }
  });
}

sharedTest("every model that cases inside the towers name is found", async () => {
  const fixtures = openFixtures(FOLDER);
  assertEquals(deepKinds(fixtures), ["ivlp", "maple", "promptsrc", "prometar"]);
  assertEquals(await deepModels(fixtures), ["mini", "mini4", "sample"]);
});

/** The miniature model's fixtures under another name, in a folder of their own. */
async function otherFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "clip-prompts-" });
  for (const { name } of Deno.readDirSync(FOLDER)) {
    if (/^sample_|^deep_.*\.json$/.test(name)) continue;
    await Deno.symlink(`${FOLDER}/${name}`, `${folder}/${name.replace(/^mini_/, "other_")}`);
  }
  const { cases } = JSON.parse(await Deno.readTextFile(`${FOLDER}/deep_ivlp.json`));
  const mini = { ...cases.mini_all, model: "other" };
  await Deno.writeTextFile(`${folder}/deep_ivlp.json`, JSON.stringify({ cases: { mini_all: mini } }));
  return folder;
}

async function parity(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", `${ROOT}recipes/parity.ts`, ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function replaceFile(path: string, content: string): Promise<void> {
  await Deno.remove(path);
  await Deno.writeTextFile(path, content);
}

sharedTest("a folder with other names passes, and --json is one object", async () => {
  const folder = await otherFolder();
  try {
    const { code, stdout, stderr } = await parity(folder, "--engine", "onnx", "--json");
    assertEquals(code, 0, stderr + stdout);
    const { passed, rows } = JSON.parse(stdout) as { passed: boolean; rows: ParityRow[] };
    assertEquals(passed, true);
    for (const stage of ["other: gradients", "other ivlp: gradients"]) {
      assert(rows.some((row) => row.stage === stage), stage);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

sharedTest("a number that differs ends with 1 and names the stage; a file that is missing ends with 2", async () => {
  const folder = await otherFolder();
  try {
    const tokens = JSON.parse(await Deno.readTextFile(`${folder}/tokenizer.json`));
    tokens[0].ids[0]++;
    await replaceFile(`${folder}/tokenizer.json`, JSON.stringify(tokens));
    const prompts = JSON.parse(await Deno.readTextFile(`${folder}/other_prompts.json`));
    prompts.cases.coop_end.losses[7] *= 1.001;
    await replaceFile(`${folder}/other_prompts.json`, JSON.stringify(prompts));
    const wrong = await parity(folder, "--engine", "onnx");
    assertEquals(wrong.code, 1, wrong.stderr);
    assertEquals(wrong.stdout.match(/FAILED/g)?.length, 2, wrong.stdout);
    assert(wrong.stdout.includes("coop_end step 8"), wrong.stdout);

    await Deno.remove(`${folder}/other_hf.safetensors`);
    const missing = await parity(folder, "--engine", "onnx");
    assertEquals(missing.code, 2, missing.stdout);
    assert(missing.stderr.includes("other_hf.safetensors is missing"), missing.stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a folder that is not there, and one without fixtures, are user errors", async () => {
  const gone = await parity("no/such/folder");
  assertEquals([gone.code, gone.stdout], [2, ""]);
  assert(gone.stderr.includes("no/such/folder"), gone.stderr);
  const empty = await Deno.makeTempDir({ prefix: "clip-prompts-" });
  const bare = await parity(empty);
  assertEquals(bare.code, 2);
  assert(bare.stderr.includes("NAME_towers.json"), bare.stderr);
  await Deno.remove(empty);
  assertEquals((await parity("--engine", "onnx", "a", "b")).code, 2);
});

sharedTest("what is not compared is said", async () => {
  const skipped: string[] = [];
  for await (const row of plainRows(openFixtures(FOLDER), { eurosat: ["no/such/folder"] })) {
    if (row.skipped === undefined) continue;
    assertEquals([row.passed, row.cases], [false, 0]);
    skipped.push(`${row.stage}: ${row.skipped}`);
  }
  assertEquals(skipped, [
    "image files decoded: no EuroSAT.zip in no/such/folder",
    "few-shot lists: no few_shot.json in no/such/folder",
  ]);
});

sharedTest("every model of the folder is found", () => {
  assertEquals(modelNames(openFixtures(FOLDER)), ["mini", "sample"]);
});

Deno.test("a row passes when every case is within the tolerance, and NaN is not", () => {
  const about = { stage: "s", engine: "-", tolerance: 0.1, unit: "u" };
  const row = (...differences: number[]) =>
    parityRow(about, differences.map((difference, i) => ({ name: `case ${i}`, difference })));
  assertEquals([row(0, 0.1).passed, row(0, 0.1).largest], [true, 0.1]);
  assertEquals([row(0, 0.2).passed, row(0, 0.2).failures], [false, ["case 1"]]);
  assertEquals([row(NaN, 0).passed, row(NaN, 0).failures], [false, ["case 0"]]);
  assertEquals(notCompared("s", "why").passed, false);
});

Deno.test("differences are relative lengths and counts", () => {
  assertEquals(relativeL2([3, 4], [3, 4]), 0);
  assertEquals(relativeL2([3, 5], [3, 4]), 0.2);
  assertEquals(relativeL2([0], [0]), 0);
  assertEquals(relativeL2([1], [0]), Infinity);
  assertEquals(countDifferent([1, 2, 3], [1, 5]), 2);
});

Deno.test("rates come from the ones before them", () => {
  const rates = recursiveRates({ rate: 1, epochs: 4, warmupRate: 0.5 });
  assertEquals(rates.map((rate) => Number(rate.toFixed(6))), [0.5, 1, 0.853553, 0.5]);
});
