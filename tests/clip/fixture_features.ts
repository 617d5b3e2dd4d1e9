/** The features of tests/fixtures/weights, for every engine. */
import { assertLess } from "jsr:@std/assert@1.0.19";
import { fileURLToPath } from "node:url";
import { loadModel } from "../../src/clip/model.ts";
import { toPatches } from "../../src/clip/patches.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import type { Engine } from "../../src/engine/ops.ts";
import { relativeL2 } from "../engine/ops_cases.ts";
import { letters } from "./tower_cases.ts";

export const FIXTURES = fileURLToPath(new URL("../fixtures/weights", import.meta.url));

interface Expected {
  texts: string[];
  images: number[];
  features: Record<string, { images: number[]; texts: number[] }>;
}

/** What is loaded for each of the expected features. */
const CASES: Record<string, { path: string; activation?: "gelu" }> = {
  "hugging-face": { path: "hugging-face" },
  "open-clip": { path: "open-clip/open_clip_model.safetensors" },
  "checkpoint": { path: "checkpoint.pt" },
  "checkpoint with gelu": { path: "checkpoint.pt", activation: "gelu" },
};

/** Fails unless an engine gives PyTorch's features of every container, each row within 2e-5. */
export async function assertFeatures(engine: Engine): Promise<void> {
  const { texts, images, features }: Expected = JSON.parse(await Deno.readTextFile(`${FIXTURES}/expected.json`));
  for (const [name, { path, activation }] of Object.entries(CASES)) {
    const model = loadModel(await loadWeights(`${FIXTURES}/${path}`, { activation }), { engine, tokenizer: letters });
    const { size, patch } = model.config.image;
    const patches = toPatches({ shape: [2, 3, size, size], data: Float32Array.from(images) }, patch);
    const found = { images: await model.encodeImages(patches), texts: await model.encodeTexts(texts) };
    for (const kind of ["images", "texts"] as const) {
      const E = model.config.embedding;
      for (let i = 0; i < found[kind].shape[0]; i++) {
        const row = (data: ArrayLike<number>) => Array.from(data).slice(i * E, (i + 1) * E);
        const away = relativeL2(row(found[kind].data), row(features[name][kind]));
        assertLess(away, 2e-5, `${engine.name}: ${name}, ${kind} ${i}`);
      }
    }
    await model.dispose();
  }
}
