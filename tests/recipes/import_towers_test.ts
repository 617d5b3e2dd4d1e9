/** Prompts of the published code inside both towers, taken over by `deno task import`: to the published logits. */
import { assertEquals, assertLess } from "jsr:@std/assert@1.0.19";
import { loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { deepImages, deepLogits } from "../../src/parity/deep.ts";
import { relativeL2 } from "../../src/parity/row.ts";
import { openStoredPrompt, storedPrompt } from "../../src/prompt/stored_prompt.ts";
import { decodeCheckpoint } from "../../src/train/checkpoint.ts";
import { withEngine } from "../engine/ops_cases.ts";
import { caseOf, FIXTURES, modelPath, publishedCase } from "../published/tower_files.ts";
import { sharedTest } from "../shared.ts";
import { runRecipe } from "../small_run.ts";

/** Imports a run's folder; where its prompt lies. */
async function imported(folder: string, { run, model }: { run: string; model: string }): Promise<string> {
  const { code, stdout, stderr } = await runRecipe(folder, { recipe: "import", args: [run, "--model", model] });
  assertEquals([code, stderr], [0, ""]);
  return `${folder}/${/→ (.*)/.exec(stdout)![1]}`;
}

/** How far the logits of an imported prompt are from the published ones, on its own classes and on new ones. */
export async function distances(run: string, { method, name }: { method: string; name: string }): Promise<number[]> {
  const about = await caseOf(method, name);
  const [file] = [...Deno.readDirSync(run)].map(({ name }) => name).filter((one) => one.endsWith(".safetensors"));
  const stored = storedPrompt(decodeCheckpoint(await Deno.readFile(`${run}/${file}`), file), file);
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

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "clip-prompts-" }));
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const CASES = ["maple/mini4_d3", "maple/mini4_all", "maple/mini_d1", "ivlp/mini4_v4t2", "ivlp/mini4_text"];

for (const [method, name] of CASES.map((one) => one.split("/"))) {
  sharedTest(`an imported prompt of ${method}, ${name}, gives the published logits`, () =>
    inFolder(async (folder) => {
      const run = await publishedCase(folder, { method, name, precision: "float" });
      const { model } = await caseOf(method, name);
      const found = await distances(await imported(folder, { run, model: modelPath(model) }), { method, name });
      assertLess(Math.max(...found), 2e-5, `${found}`);
    }));
}
