/** TCP's and DePT's prompts of the published code, taken over by `deno task import`: to PyTorch's logits. */
import { assert, assertAlmostEquals, assertEquals, assertLess, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import type { ArchiveTensor } from "../../bench/torch_archive.ts";
import { type ClipModel, loadModel } from "../../src/clip/model.ts";
import { spokenName } from "../../src/clip/spoken_name.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { readSafetensors, toFloat32 } from "../../src/clip/weights/safetensors.ts";
import { chooseClasses } from "../../src/data/few_shot.ts";
import { readSampleFeatures } from "../../src/data/sample_features.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { outcomeOf } from "../../src/eval/outcome.ts";
import { readReport } from "../../src/eval/report_file.ts";
import { normalizeRows } from "../../src/methods/zero_shot.ts";
import { openStoredPrompt, storedPrompt } from "../../src/prompt/stored_prompt.ts";
import { decodeCheckpoint } from "../../src/train/checkpoint.ts";
import { relativeL2, withEngine } from "../engine/ops_cases.ts";
import { frozenTensors, inFile, ones, textTensors, writeCheckpoint } from "../published/tower_files.ts";
import { sharedPath, sharedTest } from "../shared.ts";
import { assertSentence, runRecipe } from "../small_run.ts";
import { ROOT } from "../tasks.ts";
import { inTempFolder } from "../temp_folder.ts";

const SAMPLE = `${ROOT}data/sample/model.safetensors`;

async function fixture(
  name: string,
): Promise<{ tensor(name: string): HostTensor; names: string[]; metadata: Record<string, string> }> {
  const { entries, metadata } = readSafetensors(await Deno.readFile(`${ROOT}tests/fixtures/${name}`), name);
  return {
    metadata,
    names: [...entries.keys()],
    tensor: (name) => ({ shape: entries.get(name)!.shape, data: toFloat32(entries.get(name)!) }),
  };
}

/** Imports a prompt; what was said, and where the run is. */
async function imported(folder: string, args: readonly string[]): Promise<{ said: string; run: string }> {
  const { code, stdout, stderr } = await runRecipe(folder, { recipe: "import", args });
  assertEquals([code, stderr], [0, ""]);
  return { said: stdout, run: `${folder}/${/→ (.*)/.exec(stdout)![1]}` };
}

async function storedIn(run: string) {
  const file = [...Deno.readDirSync(run)].map(({ name }) => name).find((name) => name.endsWith(".safetensors"))!;
  return storedPrompt(decodeCheckpoint(await Deno.readFile(`${run}/${file}`), file), run);
}

/** How far a run's prompt is from wanted logits, on classes and images. */
async function distances(
  run: string,
  { model: path, cases }: {
    model: string;
    cases: readonly { classNames: readonly string[]; images(model: ClipModel): HostTensor; wanted: Float32Array }[];
  },
): Promise<number[]> {
  const stored = await storedIn(run);
  return await withEngine("onnx", async (engine) => {
    const model = loadModel(await loadWeights(path), { engine, tokenizer: await loadTokenizer() });
    const found: number[] = [];
    for (const { classNames, images, wanted } of cases) {
      const session = await openStoredPrompt(stored, { model, classNames });
      found.push(relativeL2((await session.logits(images(model))).data, wanted));
      await session.dispose();
    }
    await model.dispose();
    return found;
  });
}

Deno.test("TCP's prompt is imported with the words of its data set, and evaluates to PyTorch's answers", () =>
  inTempFolder(async (folder) => {
    const { tcp } = JSON.parse(await Deno.readTextFile(`${ROOT}tests/fixtures/published/expected.json`)) as {
      tcp: Record<"base" | "new", number[][]>;
    };
    // The weight in the folder's name is used nowhere in TCP's code.
    const path = "output_1108_4/base2new/train_base/eurosat/shots_16_1.0/TCP/vit_b16_ep100_ctxv1/seed2";
    await Deno.mkdir(`${folder}/${path}/prompt_learner`, { recursive: true });
    const file = `${folder}/${path}/prompt_learner/model.pth.tar-50`;
    await Deno.copyFile(`${ROOT}tests/fixtures/published/tcp.pth.tar-50`, file);
    const own = ["--model", "sample", "--dataset", "mine.yaml", "--class-block", "2", "--out", "mine"];
    await Deno.writeTextFile(`${folder}/mine.yaml`, "name: Mine\ntemplate: a photo of a {}, a type of land.\n");
    const other = await runRecipe(folder, { recipe: "import", args: [path, ...own] });
    assertSentence(other, 'prompts of the data set that is named have "{}, a type of land."');
    const { said, run } = await imported(folder, [path, "--model", "sample", "--class-block", "2"]);
    assertStringIncludes(said, "EuroSAT, base classes, 16 shots, seed 2, lambda 8\n");
    const [, command] = /evaluate: deno task tcp (.*)/.exec(said)!;
    const evaluated = await runRecipe(folder, { recipe: "tcp", args: [...command.split(" "), "--quiet"] });
    assertEquals(evaluated.code, 0, evaluated.stderr);

    const features = readSampleFeatures(await Deno.readFile(`${ROOT}data/sample/features.safetensors`), "features");
    const split = features.split(1);
    const chosen = split.test.filter((_, i) => i % 405 === 0);
    const images = () => normalizeRows(features.plain(chosen, 1));
    const cases = (["base", "new"] as const).map((subset) => ({
      ...chooseClasses(split, subset),
      subset,
      images,
      wanted: Float32Array.from(tcp[subset].flat()),
    }));
    const found = await distances(run, { model: SAMPLE, cases });
    assertLess(Math.max(...found), 2e-5, `${found}`);
    for (const { subset, classNames, wanted } of cases) {
      const { run: ran } = await readReport(`${run}/report-${subset}.json`);
      assertEquals([ran.preset, ran.hyperparameters.lambda, ran.importedFrom], ["tcp-cvpr24", 8, "model.pth.tar-50"]);
      const { predictions, confidences, margins } = outcomeOf({ shape: [chosen.length, 5], data: wanted });
      const lines = (await Deno.readTextFile(`${run}/predictions-${subset}.csv`)).split("\n").map((line) =>
        line.split(",")
      );
      const said = chosen.map(({ path }) => lines.find(([image]) => image === path));
      assert(said.filter((line) => line !== undefined).length >= 8);
      said.forEach((line, n) => {
        if (line === undefined) return;
        assertEquals(line[2], classNames[predictions[n]], subset);
        [confidences[n], margins[n]].forEach((value, k) => assertAlmostEquals(Number(line[3 + k]), value, 2e-5));
      });
    }
  }));

sharedTest(
  "the words of another data set are those of its texts and its hand-written prompts: pets",
  () =>
    inTempFolder(async (folder) => {
      const { tensor, names, metadata } = await fixture("tcp.safetensors");
      const { classes, new: others, block } = JSON.parse(metadata.cases).pets;
      const model = sharedPath("reference/mini4_openai.safetensors");
      const texts = classes.map((name: string) => `X X X X ${spokenName(name)}, a type of pet.`);
      const tensors = new Map(await textTensors(await loadWeights(model), { texts, M: 4, precision: "float" }));
      for (const name of names.filter((one) => one.startsWith("pets/final/"))) {
        tensors.set(name.slice("pets/final/".length), inFile(tensor(name), "float"));
      }
      const path = "output/train_base/oxford_pets/shots_16_8.0/TCP/mine/seed1";
      await writeCheckpoint(`${folder}/${path}/prompt_learner/model.pth.tar-10`, { tensors, epoch: 10 });
      // In the miniature's table several words share an embedding, so that names are not read off it.
      const flags = ["--model", model, "--class-block", String(block), "--classes", classes.join(",")];
      const { run } = await imported(folder, [path, ...flags]);
      // The images of make_tcp.py.
      const images = ({ config: { embedding: E } }: ClipModel) =>
        normalizeRows({
          shape: [12, E],
          data: Float32Array.from({ length: 12 * E }, (_, i) => Math.sin(0.37 * i + 0.5)),
        });
      const cases = [[classes, "final_logits"], [others, "new_logits"]].map(([classNames, name]) => ({
        classNames,
        images,
        wanted: tensor(`pets/${name}`).data,
      }));
      const found = await distances(run, { model, cases });
      assertLess(Math.max(...found), 2e-5, `${found}`);
    }),
);

/** What DePT's trainers keep besides the learned tensors and CLIP: over KgCoOp what its code makes and never uses. */
const UNUSED: Record<string, ArchiveTensor> = {
  "prompt_learner.bias_vectors": ones(1, 128),
  "prompt_learner.meta_net.linear1.weight": ones(128, 128),
  "prompt_learner.meta_net.linear1.bias": ones(128),
  "meta_net.linear1.weight": ones(128, 128),
  "meta_net.linear1.bias": ones(128),
  "adapter.fc.0.weight": ones(32, 128),
  "adapter.fc.2.weight": ones(128, 32),
};

/** DePT's trainers, and their configurations as far as their file is known. */
const TRAINERS = {
  coop: "ExtrasLinearProbeCoOp/eurosat/shots16/vit_b16_ep10_bs4_lr35",
  kgcoop: "ExtrasLinearProbeKgCoOp/eurosat/shots16/vit_b16_ep10_ctxv1_bs4_lr35",
  cocoop: "ExtrasLinearProbeCoCoOp/eurosat/shots16/mine",
} as const;

const DEPT = await fixture("dept.safetensors");
const BASE: string[] = JSON.parse(DEPT.metadata.base);
const NEW: string[] = JSON.parse(DEPT.metadata.new);

/** Writes the prompt of a DePT trainer, with its head for `classNames`, as its code does; the run's folder. */
async function publishedDept(
  folder: string,
  { under, classNames = BASE }: { under: keyof typeof TRAINERS; classNames?: string[] },
): Promise<string> {
  const weights = await loadWeights(SAMPLE);
  const tensors = frozenTensors(weights, { precision: "half" });
  for (const name of DEPT.names.filter((one) => one.startsWith(`${under}/start/`))) {
    const own = name.slice(`${under}/start/`.length);
    const learned = inFile(DEPT.tensor(`${under}/final/${own}`), "float");
    tensors.set(/^(film|linear)/.test(own) ? own : `prompt_learner.${own}`, learned);
  }
  const texts = classNames.map((name) => `X X X X ${name}.`);
  const rest = await textTensors(weights, { texts, M: 4, precision: "half" });
  for (const [name, one] of [...rest, ...under === "kgcoop" ? Object.entries(UNUSED) : []]) tensors.set(name, one);
  const path = `outputs/dept/train_base/${TRAINERS[under]}/seed3`;
  await writeCheckpoint(`${folder}/${path}/PromptLearner/model.pth.tar-10`, { tensors, epoch: 10 });
  return path;
}

for (const under of ["coop", "kgcoop", "cocoop"] as const) {
  Deno.test(`DePT's prompt over ${under} is imported with its head, and gives PyTorch's logits of base and new classes`, () =>
    inTempFolder(async (folder) => {
      const { said, run } = await imported(folder, [await publishedDept(folder, { under }), "--model", "sample"]);
      assertStringIncludes(said, `deno task ${under} --head dept --eval base,new --preset dept-cvpr24`);
      assertEquals(said.includes("not known, and in no report: batch-size, lr, "), under === "cocoop");
      const cases = ([[BASE, "base"], [NEW, "new"]] as const).map(([classNames, subset]) => ({
        classNames,
        images: () => DEPT.tensor("tests"),
        wanted: DEPT.tensor(`${under}/final/${subset}`).data,
      }));
      const found = await distances(run, { model: SAMPLE, cases });
      assertLess(Math.max(...found), 2e-5, `${found}`);
    }));
}

Deno.test("the command that import prints evaluates a head; one for other classes than the data set's is refused", () =>
  inTempFolder(async (folder) => {
    const evaluate = async (classNames: string[], flags: string[]) => {
      const path = await publishedDept(folder, { under: "kgcoop", classNames });
      const { said, run } = await imported(folder, [path, "--model", "sample", ...flags]);
      const args = [...(/evaluate: deno task kgcoop (.*)/.exec(said)!)[1].split(" "), "--quiet"];
      return { run, ...await runRecipe(folder, { recipe: "kgcoop", args }) };
    };
    const { run, code, stderr } = await evaluate(BASE, []);
    assertEquals(code, 0, stderr);
    const { run: { label, hyperparameters } } = await readReport(`${run}/report-base.json`);
    assertEquals([label, hyperparameters.lambda, hyperparameters.lr], ["KgCoOp with DePT", 2, 0.0035]);
    const other = await evaluate(["Annual Crop", ...BASE.slice(1)], ["--fresh"]);
    assertSentence(other, 'other classes than the base ones of EuroSAT: it has none for "Annual Crop Land"');
  }));
