/**
 * Parity of the weights' layouts: the same CLIP from OpenAI's and Hugging Face's safetensors, a state dictionary and a
 * TorchScript archive.
 */
import { toPatches } from "../clip/patches.ts";
import { loadModel } from "../clip/model.ts";
import type { Tokenizer } from "../clip/tokenizer.ts";
import { loadWeights } from "../clip/weights/load.ts";
import type { Engine, HostTensor } from "../engine/ops.ts";
import type { Fixtures } from "./fixtures.ts";
import { type ParityCase, type ParityRow, parityRow, relativeL2 } from "./row.ts";

/** The file of the layout that the others are held to. */
export const FIRST_LAYOUT = "openai.safetensors";

/** Files of the other layouts, and how far their features may be. The TorchScript archive is half precision in part. */
const LAYOUTS = [
  { file: "hf.safetensors", stage: "weights, Hugging Face safetensors", tolerance: 1e-6 },
  { file: "state_dict.pt", stage: "weights, state_dict .pt", tolerance: 1e-6 },
  { file: "openai.pt", stage: "weights, TorchScript .pt", tolerance: 2e-3 },
];

/** Endings of all layouts' files: `NAME_hf.safetensors` is a layout of `NAME`. */
export const LAYOUT_FILES: readonly string[] = [FIRST_LAYOUT, ...LAYOUTS.map(({ file }) => file)];

/** The rows of one model's layouts. */
export async function layoutRows(
  engine: Engine,
  options: { fixtures: Fixtures; name: string; tokenizer: Tokenizer },
): Promise<ParityRow[]> {
  const { fixtures, name, tokenizer } = options;
  const given = await fixtures.tensors(`${name}_towers.safetensors`);
  const { texts } = await fixtures.json(`${name}_towers.json`) as { texts: string[] };
  const features = async (file: string): Promise<{ images: HostTensor; texts: HostTensor }> => {
    const weights = await loadWeights(fixtures.path(`${name}_${file}`));
    const model = loadModel(weights, { engine, tokenizer });
    const patches = toPatches(given.float("images"), model.config.image.patch);
    const out = { images: await model.encodeImages(patches), texts: await model.encodeTexts(texts) };
    await model.dispose();
    return out;
  };
  const first = await features(FIRST_LAYOUT);
  const rows: ParityRow[] = [];
  for (const { file, stage, tolerance } of LAYOUTS) {
    const other = await features(file);
    const cases: ParityCase[] = (["images", "texts"] as const).map((kind) => ({
      name: `${kind} of ${name}_${file}`,
      difference: relativeL2(other[kind].data, first[kind].data),
    }));
    rows.push(parityRow({ stage: `${name}: ${stage}`, engine: engine.name, tolerance, unit: "relative L2" }, cases));
  }
  return rows;
}
