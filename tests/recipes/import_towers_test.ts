/** Prompts of the published code inside both towers, taken over by `deno task import`: to the published logits. */
import {
  assertEquals,
  assertLess,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "jsr:@std/assert@1.0.19";
import { dirname } from "node:path";
import type { ArchiveTensor } from "../../bench/torch_archive.ts";
import { loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { deepImages, deepLogits } from "../../src/parity/deep.ts";
import { relativeL2 } from "../../src/parity/row.ts";
import { openStoredPrompt, storedPrompt } from "../../src/prompt/stored_prompt.ts";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "../../src/train/checkpoint.ts";
import type { Report } from "../../src/eval/report.ts";
import { withEngine } from "../engine/ops_cases.ts";
import {
  caseOf,
  FIXTURES,
  modelPath,
  ones,
  publishedCase,
  towerTensors,
  writeCheckpoint,
} from "../published/tower_files.ts";
import { sharedTest } from "../shared.ts";
import { runRecipe } from "../small_run.ts";
import { ROOT } from "../tasks.ts";
import { inTempFolder } from "../temp_folder.ts";

/** Imports a run's folder; where its prompt lies. */
async function imported(
  folder: string,
  { run, model, flags = [] }: { run: string; model: string; flags?: readonly string[] },
): Promise<string> {
  const args = [run, "--model", model, ...flags];
  const { code, stdout, stderr } = await runRecipe(folder, { recipe: "import", args });
  assertEquals([code, stderr], [0, ""]);
  return `${folder}/${/→ (.*)/.exec(stdout)![1]}`;
}

/** The prompt in a run's folder. */
async function storedIn(run: string): Promise<Checkpoint> {
  const file = [...Deno.readDirSync(run)].map(({ name }) => name).find((name) => name.endsWith(".safetensors"))!;
  return decodeCheckpoint(await Deno.readFile(`${run}/${file}`), file);
}

/** How far the logits of an imported prompt are from the published ones, on its own classes and on new ones. */
async function logitDistances(run: string, { method, name }: { method: string; name: string }): Promise<number[]> {
  const about = await caseOf(method, name);
  const stored = storedPrompt(await storedIn(run), run);
  assertEquals(stored.classesSeen, about.classnames.map((one) => one.replaceAll("_", " ").toLowerCase()));
  const given = await FIXTURES.tensors(`deep_${method}.safetensors`);
  return await withEngine("onnx", async (engine) => {
    const weights = await loadWeights(modelPath(about.model));
    const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
    const images = await deepImages(model, { fixtures: FIXTURES, name: about.model });
    const found: number[] = [];
    const last = method === "promptsrc" ? "gpa" : "final";
    for (
      const [classNames, key] of [[about.classnames, `${last}_logits`], [about.new_classnames, "new_logits"]] as const
    ) {
      const session = await openStoredPrompt(stored, { model, classNames });
      found.push(relativeL2(await deepLogits(session, images), given.float(`${name}/${key}`).data));
      await session.dispose();
    }
    await model.dispose();
    return found;
  });
}

// Lengths and depths of either tower, one tower alone, words that stay, towers of 2, 4 and 6 layers; half precision.
const CASES = [
  ["maple", "mini4_d3", "float"],
  ["maple", "mini_d1", "half"],
  ["ivlp", "mini4_v4t2", "float"],
  ["ivlp", "mini4_text", "half"],
  ["promptsrc", "mini4_all", "half"],
  ["promptsrc", "sample_v5t3", "float"],
  ["prometar", "sample_v3t2", "half"],
] as const;

for (const [method, name, precision] of CASES) {
  sharedTest(
    `an imported prompt of ${method}, ${name} in ${precision} precision, gives the published logits`,
    () =>
      inTempFolder(async (folder) => {
        const run = await publishedCase(folder, { method, name, precision });
        const { model } = await caseOf(method, name);
        const path = await imported(folder, { run, model: modelPath(model) });
        const found = await logitDistances(path, { method, name });
        assertLess(Math.max(...found), 2e-5, `${found}`);
      }),
  );
}

sharedTest(
  "a file of PyTorch's with all that Dassl saves: the same, to the rounding of its half precision",
  () =>
    inTempFolder(async (folder) => {
      const about = { method: "maple", name: "mini_d1" };
      const file = `${folder}/eurosat/shots_1/MaPLe/seed2/MultiModalPromptLearner/model.pth.tar-7`;
      await Deno.mkdir(dirname(file), { recursive: true });
      await Deno.copyFile(`${ROOT}tests/fixtures/published/maple_mini_d1.pth.tar-7`, file);
      // No file "checkpoint" lies beside it: it is the only one in the folder.
      const model = modelPath("mini");
      const path = await imported(folder, { run: dirname(dirname(file)), model, flags: ["--train", "base"] });
      assertEquals(path, `${folder}/runs/eurosat/maple/maple-cvpr23+epochs=7+depth=1/mini_openai/shots1/seed2`);
      const { state: { params }, metadata } = await storedIn(path);
      const given = await FIXTURES.tensors("deep_maple.safetensors");
      for (const [name, { data }] of Object.entries(params)) {
        const published = given.float(`mini_d1/final/prompt_learner.${name}`).data;
        assertEquals(data, name === "ctx" ? Float32Array.from(Float16Array.from(published)) : published, name);
      }
      assertEquals(Object.keys(params), ["ctx", "proj.bias", "proj.weight"]);
      assertEquals(
        [metadata.method, metadata.shots, metadata.seed, metadata.epochs, metadata["init-words"], metadata.lr],
        ["maple", "1", "2", "7", "a photo of a", undefined],
      );
      assertLess(Math.max(...await logitDistances(path, about)), 2e-4);

      const other = await runRecipe(folder, {
        recipe: "import",
        args: [file, "--model", modelPath("mini4"), "--train", "base"],
      });
      assertEquals(other.code, 2);
      const why = /not trained with mini4_openai: its tensor "\S+" differs by \d+\.\d\d % of its length, which is more/;
      assertMatch(other.stderr, why);
    }),
);

sharedTest(
  "the commands that import prints evaluate the prompt and classify with it",
  () =>
    inTempFolder(async (folder) => {
      const method = "maple";
      const run = await publishedCase(folder, { method, name: "sample_d3", precision: "half" });
      const { code, stdout, stderr } = await runRecipe(folder, { recipe: "import", args: [run, "--model", "sample"] });
      assertEquals([code, stderr], [0, ""]);
      assertStringIncludes(stdout, "MaPLe, 75,072 learned numbers, 10 epochs → ");
      assertStringIncludes(stdout, "not known, and in no report: batch-size, lr, momentum, weight-decay, ");
      const path = `${folder}/${/→ (.*)/.exec(stdout)![1]}`;
      const command = /evaluate: deno task maple (.*)/.exec(stdout)![1].split(" ");
      const evaluated = await runRecipe(folder, { recipe: method, args: [...command, "--quiet", "--json"] });
      assertEquals(evaluated.code, 0, evaluated.stderr);
      const [base, fresh]: Report[] = JSON.parse(evaluated.stdout);
      assertEquals([base.run.evaluatedOn, fresh.run.evaluatedOn, base.run.trainedOn], ["base", "new", "base"]);
      // What the file and its folders tell, and nothing of the preset's.
      assertEquals(base.run.hyperparameters, { epochs: 10, initWords: "a photo of a", contextTokens: 2, depth: 3 });
      assertEquals([base.run.preset, base.run.changed, base.run.importedFrom], [null, [], "model.pth.tar-10"]);
      assertEquals([base.run.shots, base.run.seed, base.run.imagesSha256], [16, 3, undefined]);
      const card = await Deno.readTextFile(`${path}/MODEL_CARD.md`);
      assertStringIncludes(card, "imported from `model.pth.tar-10`. What is not listed here is not known.");
      assertStringIncludes(card, "Method: MaPLe, preset not known\n");
      assertStringIncludes(await Deno.readTextFile(`${path}/report.html`), "model.pth.tar-10; what is not listed");

      const image = `${ROOT}tests/fixtures/images/sampling_444.jpg`;
      const said = await runRecipe(folder, { recipe: "classify", args: ["--prompt", path, "--json", image] });
      assertEquals(said.code, 0, said.stderr);
      const [{ probabilities }] = JSON.parse(said.stdout).answers;
      assertEquals(probabilities.length, 5);
      // The prompted tower sees the image otherwise than the frozen one.
      const frozen = await storedIn(path);
      for (const name of ["proj.weight", "proj.bias"]) frozen.state.params[name].data.fill(0);
      const changed = `${folder}/checkpoint-0010.safetensors`;
      await Deno.writeFile(changed, encodeCheckpoint(frozen.state, frozen.metadata));
      const otherwise = await runRecipe(folder, { recipe: "classify", args: ["--prompt", changed, "--json", image] });
      assertNotEquals(JSON.parse(otherwise.stdout).answers[0].probabilities, probabilities);
    }),
);

sharedTest(
  "a file that is not whole, or of another method, is refused by the tensor's name, and leaves no folder",
  () =>
    inTempFolder(async (folder) => {
      const text = "text_encoder.transformer.resblocks.1.VPT_shallow";
      const image = "image_encoder.transformer.resblocks.2.VPT_shallow";
      const whole = await towerTensors("promptsrc", { name: "mini4_d3", precision: "float" });
      const path = `${folder}/eurosat/seed1/VLPromptLearner/model.pth.tar-7`;
      const flags = ["--model", modelPath("mini4"), "--method", "promptsrc", "--shots", "16", "--train", "base"];
      const refused = async (
        change: (tensors: Map<string, ArchiveTensor>) => void,
        message: string,
        given: readonly string[] = flags,
      ) => {
        const tensors = new Map(whole);
        change(tensors);
        await writeCheckpoint(path, { tensors, epoch: 7 });
        const { code, stderr } = await runRecipe(folder, { recipe: "import", args: [path, ...given] });
        assertEquals([code, stderr.includes(message)], [2, true], stderr);
        assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
        await assertRejects(() => Deno.stat(`${folder}/runs`), Deno.errors.NotFound);
      };
      await refused((tensors) => tensors.delete(text), `is not whole, PromptSRC's tensor "${text}" is missing`);
      await refused(
        (tensors) => tensors.delete("image_encoder.VPT"),
        `PromptSRC's tensor "image_encoder.VPT" is missing`,
      );
      await refused(
        (tensors) => tensors.set(image, ones(3, 64)),
        `"${image}" of ${path} is [3, 64] and PromptSRC learns [4, 64]`,
      );
      await refused((tensors) => tensors.set(image.replace("2.", "7."), ones(4, 64)), "PromptSRC's tensor");
      await refused(
        (tensors) => tensors.delete("text_encoder.text_projection"),
        'CLIP\'s tensor "text_projection" is missing',
      );
      const nan = { ...ones(4, 64), bytes: () => new Uint8Array(Float32Array.from({ length: 256 }, () => NaN).buffer) };
      await refused((tensors) => tensors.set(text, nan), `"${text}" of ${path} holds numbers that are not finite`);
      // Its teacher's image tower is in it, so that it is not IVLP's; which of the two others, nothing says.
      const without = flags.filter((flag) => !["--method", "promptsrc"].includes(flag));
      const ask =
        "as PromptSRC or ProMetaR leave them, and its folders do not say which trained it: say --method promptsrc or";
      await refused(() => {}, ask, without);
      await refused(() => {}, "and --method says ivlp: say --method promptsrc or prometar", [
        ...without,
        "--method",
        "ivlp",
      ]);
      const sample = [...flags.slice(2), "--model", "sample"];
      await refused(
        () => {},
        'its tensor "text_encoder.positional_embedding" is [77, 64] and the model\'s [77, 128]',
        sample,
      );
      const stripped = (tensors: Map<string, ArchiveTensor>) => {
        for (const name of tensors.keys()) if (!/VPT|prompt_learner\.(ctx|token)/.test(name)) tensors.delete(name);
      };
      await refused(stripped, "its tokens have 64 numbers and not 128", sample);
      await writeCheckpoint(path, { tensors: whole, epoch: 7 });
      await Deno.truncate(path, 1_000_000);
      const cut = await runRecipe(folder, { recipe: "import", args: [path, ...flags] });
      assertEquals([cut.code, cut.stderr.includes("damaged or cut off")], [2, true], cut.stderr);
    }),
);
