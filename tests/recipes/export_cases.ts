/** A folder with images and a learned prompt, and what `export` and `classify` say of them. */
import { assertEquals } from "jsr:@std/assert@1.0.19";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { readPublishedPrompt } from "../../src/published/checkpoint.ts";
import { encodeCheckpoint } from "../../src/train/checkpoint.ts";
import { smallFolder, startRecipe } from "../small_run.ts";
import { ROOT } from "../tasks.ts";

/** The prompt's file. */
export const PROMPT = "prompt.safetensors";

/** The folder; the caller removes it. */
export async function exportFolder(): Promise<string> {
  const folder = await smallFolder();
  const { params } = readPublishedPrompt(`${ROOT}tests/fixtures/published/cocoop.pth.tar-10`);
  const state = { step: 0, losses: [], params, velocity: {}, order: [] };
  const prompt = encodeCheckpoint(state, {
    method: "cocoop",
    model: "sample",
    "model-sha256": (await loadWeights(`${ROOT}data/sample/model.safetensors`)).sha256,
    "classes-seen": JSON.stringify(["annual crop land", "forest", "river"]),
  });
  await Deno.writeFile(`${folder}/${PROMPT}`, prompt);
  return folder;
}

/** Runs a recipe in the folder to its end, and gives what it printed. */
export async function ended(
  folder: string,
  recipe: string,
  { args, code = 0 }: { args: readonly string[]; code?: number },
): Promise<{ stdout: string; stderr: string }> {
  const end = await startRecipe(folder, { recipe, args: [...args, "--quiet"] }).output();
  const [stdout, stderr] = [end.stdout, end.stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(end.code, code, `${recipe} ${args.join(" ")}\n${stderr}`);
  return { stdout, stderr };
}

/** The probabilities that `classify` gives of images, in their order. */
export async function classified(folder: string, args: readonly string[]): Promise<number[][]> {
  const { stdout } = await ended(folder, "classify", { args: ["--json", ...args] });
  const { answers } = JSON.parse(stdout) as { answers: { probabilities: number[] }[] };
  return answers.map(({ probabilities }) => probabilities);
}
