import { settingsFromYaml } from "../../recipes/cli/config.ts";
import { recipe } from "../../recipes/cocoop.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { factsOf } from "../../src/published/folder_names.ts";
import { readClassNames, splitWords } from "../../recipes/cli/words.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { UserError } from "../../src/errors.ts";
import { decodeCheckpoint } from "../../src/train/checkpoint.ts";
import { readPublishedPrompt } from "../../src/published/checkpoint.ts";
import {
  recoverClassNames,
  requireClassNames,
  requireModel,
  type TokenTable,
} from "../../src/published/class_names.ts";
import { ROOT } from "../tasks.ts";

const FIXTURES = fileURLToPath(new URL("../fixtures/published/", import.meta.url));
const EXPECTED = JSON.parse(Deno.readTextFileSync(`${FIXTURES}expected.json`)) as {
  ends: Record<string, Record<string, [number, number]>>;
};
const NAMES = ["Annual Crop Land", "Herbaceous Vegetation Land", "River"];

async function sampleTable(): Promise<TokenTable> {
  const [weights, tokenizer] = await Promise.all([
    loadWeights(`${ROOT}data/sample/model.safetensors`),
    loadTokenizer(),
  ]);
  const { data, shape: [, width] } = weights.tensor("token_embedding.weight");
  return { tokenizer, width, name: "sample", embedding: (id) => data.subarray(id * width, (id + 1) * width) };
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (
  const [file, method, epoch, context] of [["coop.pth.tar-50", "coop", 50, 16], [
    "cocoop.pth.tar-10",
    "cocoop",
    10,
    4,
  ]] as const
) {
  Deno.test(`${file} gives its learned tensors and its epoch, and nothing of its optimiser is run`, () => {
    const prompt = readPublishedPrompt(FIXTURES + file);
    assertEquals([prompt.method, prompt.epoch], [method, epoch]);
    assertEquals(prompt.params.ctx.shape, [context, 128]);
    assertEquals(prompt.suffix?.shape, [3, 76 - context, 128]);
    assertEquals(Object.keys(prompt.params), Object.keys(EXPECTED.ends[file]));
    for (const [name, [first, last]] of Object.entries(EXPECTED.ends[file])) {
      const { data } = prompt.params[name];
      assertEquals([data[0], data.at(-1)], [Math.fround(first), Math.fround(last)], name);
    }
  });

  Deno.test(`${file} tells its class names, and refuses others`, async () => {
    const prompt = readPublishedPrompt(FIXTURES + file);
    const table = await sampleTable();
    requireModel(prompt, table);
    assertEquals(recoverClassNames(prompt, table), NAMES.map((name) => name.toLowerCase()));
    const check = (classNames: string[]) => requireClassNames(prompt, { classNames, table });
    check(NAMES);
    check(["annual_crop_land", "herbaceous vegetation land", "river"]);
    const refused = (classNames: string[], message: string) =>
      assertStringIncludes(assertThrows(() => check(classNames), UserError).message, message);
    refused(NAMES.slice(1), "trained with 3 classes, and 2 are named");
    refused([NAMES[0], "Forest", NAMES[2]], 'class 2 is not "Forest"');
    refused([NAMES[1], NAMES[0], NAMES[2]], "class 1 is not");
    refused([NAMES[0], NAMES[1], "River Delta"], 'class 3 is not "River Delta"');
  });
}

Deno.test("a prompt of another model is refused, by its width or by its start token", async () => {
  const prompt = readPublishedPrompt(`${FIXTURES}coop.pth.tar-50`);
  const table = await sampleTable();
  assertStringIncludes(
    assertThrows(() => requireModel(prompt, { ...table, width: 512 }), UserError).message,
    "its tokens have 128 numbers and not 512",
  );
  const other = { ...table, embedding: (id: number) => table.embedding(id).map((value) => value * 1.01) };
  assertStringIncludes(
    assertThrows(() => requireModel(prompt, other), UserError).message,
    "start token is another one",
  );
  assertThrows(() => recoverClassNames(prompt, other), UserError, "does not have");
});

Deno.test("a checkpoint that would run something is refused by its name, damaged ones and others by a sentence", () =>
  inFolder(async (folder) => {
    const refused = (path: string, message: string) =>
      assertStringIncludes(assertThrows(() => readPublishedPrompt(path), UserError).message, message);
    refused(`${FIXTURES}hostile.pth.tar-1`, "posix.system");
    const bytes = await Deno.readFile(`${FIXTURES}coop.pth.tar-50`);
    const path = join(folder, "model.pth.tar-50");
    await Deno.writeFile(path, bytes.subarray(0, 40_000));
    refused(path, "damaged or cut off");
    await Deno.writeTextFile(path, "no archive");
    refused(path, "no zip archive");
    refused(join(folder, "none"), "does not exist");
    // A tensor of another method, MaPLe's say: a name of the same length in the pickle.
    const text = new TextDecoder("latin1").decode(bytes).replaceAll("token_suffix", "token_suffiy");
    await Deno.writeFile(path, Uint8Array.from(text, (character) => LATIN.get(character) ?? character.charCodeAt(0)));
    refused(path, '"token_suffiy" is of neither');
  }));

/** What `TextDecoder("latin1")` (windows-1252) gives for 0x80…0x9f, back to bytes. */
const LATIN = new Map(
  Array.from({ length: 32 }, (_, i) => [new TextDecoder("latin1").decode(Uint8Array.of(0x80 + i)), 0x80 + i] as const),
);

Deno.test("the published folder names tell data set, shots, seed, classes and place of the name", () => {
  assertEquals(
    factsOf(
      "output/base2new/train_base/dtd/shots_16/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1/seed3/prompt_learner/model.pth.tar-10",
    ),
    {
      dataset: "dtd",
      train: "base",
      shots: 16,
      seeds: [3],
      classTokenPosition: undefined,
    },
  );
  assertEquals(
    factsOf("output/DescribableTextures/CoOp/rn50_4shots/nctx16_cscFalse_ctpmiddle/seed1/model.pth.tar-100"),
    {
      dataset: "dtd",
      train: "all",
      shots: 4,
      seeds: [1],
      classTokenPosition: "middle",
    },
  );
  assertEquals(Object.values(factsOf("model.pth.tar-50")).filter((fact) => fact !== undefined), []);
});

Deno.test("words, own flags and settings of a command line are told apart", async () => {
  const options = { own: { classes: "A,B" }, settings: ["model", "json", "seeds"] as const };
  assertEquals(splitWords(["a.jpg", "--model", "x", "--classes=p,q", "--json", "b.jpg", "--seed", "2"], options), {
    words: ["a.jpg", "b.jpg"],
    own: { classes: "p,q" },
    flags: ["--model", "x", "--json", "--seed", "2"],
  });
  assertThrows(() => splitWords(["--classes", "--json"], options), UserError, "--classes needs a value");
  assertEquals(await readClassNames("river, forest ,sea"), ["river", "forest", "sea"]);
  await assertRejects(() => readClassNames("river"), UserError, "has one name");
  await assertRejects(() => readClassNames("a,b,a"), UserError, 'names "a" twice');
  await assertRejects(() => readClassNames("none.txt"), UserError, "no file none.txt");
});

async function runImport(args: string[], cwd: string): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      `--allow-read=${ROOT},${cwd}`,
      `--allow-write=${cwd}`,
      `${ROOT}recipes/import.ts`,
      ...args,
    ],
    cwd,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("deno task import makes a run folder of a published folder, and does not write over one", () =>
  inFolder(async (folder) => {
    const published = join(folder, "output/base2new/train_base/eurosat/shots_16/CoCoOp/c4_ep10/seed2");
    await Deno.mkdir(join(published, "prompt_learner"), { recursive: true });
    await Deno.copyFile(`${FIXTURES}cocoop.pth.tar-10`, join(published, "prompt_learner/model.pth.tar-10"));
    await Deno.writeTextFile(join(published, "prompt_learner/checkpoint"), "model.pth.tar-10\n");
    const { code, out, err } = await runImport([published, "--model", "sample"], folder);
    assertEquals([code, err], [0, ""]);
    assertStringIncludes(out, "trained on 3 classes: annual crop land, herbaceous vegetation land, river");
    assertStringIncludes(out, "deno task cocoop --eval base,new --preset cocoop-cvpr22 --seed 2");
    const run = join(folder, "runs/eurosat/cocoop/cocoop-cvpr22/sample/shots16/seed2");
    const config = { where: "config.yaml", names: recipe.settings };
    assertEquals(settingsFromYaml(await Deno.readTextFile(join(run, "config.yaml")), config).preset, "cocoop-cvpr22");
    const path = join(run, "checkpoint-0010.safetensors");
    const { state, metadata } = decodeCheckpoint(await Deno.readFile(path), path);
    assertEquals(state.params, readPublishedPrompt(`${FIXTURES}cocoop.pth.tar-10`).params);
    assertEquals([metadata.method, metadata.dataset, metadata.seed, metadata["trained-on"]], [
      "cocoop",
      "EuroSAT",
      "2",
      "base",
    ]);
    assertEquals(JSON.parse(metadata["classes-seen"]).length, 3);
    assert(/^[0-9a-f]{64}$/.test(metadata["model-sha256"]) && /^[0-9a-f]{64}$/.test(metadata["imported-sha256"]));

    const again = await runImport([published, "--model", "sample"], folder);
    assertEquals(again.code, 2);
    assertStringIncludes(again.err, "holds a prompt already: replace it with --fresh");
    assertEquals((await runImport([published, "--model", "sample", "--fresh"], folder)).code, 0);
  }));

Deno.test("what import misses is asked for in a sentence", () =>
  inFolder(async (folder) => {
    const file = `${FIXTURES}coop.pth.tar-50`;
    for (
      const [args, message] of [
        [[], "Name a checkpoint"],
        [[file], "Name the model that the prompt was trained with"],
        [[file, "--model", "sample"], "name it with --dataset"],
        [[file, "--model", "sample", "--dataset", "eurosat", "--classes", "a,b,c"], 'class 1 is not "a"'],
        [[file, "--model", "sample", "--dataset", "eurosat", "--preset", "cocoop-cvpr22"], "is not for coop"],
        [[folder, "--model", "sample"], 'no file "checkpoint"'],
        [[file, "--modell", "sample"], 'Did you mean "--model"?'],
      ] as const
    ) {
      const { code, err } = await runImport([...args], folder);
      assertEquals(code, 2, err);
      assertStringIncludes(err, message);
    }
  }));
