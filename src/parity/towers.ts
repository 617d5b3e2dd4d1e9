/**
 * Parity of the towers: features, and pull-backs through the plain 77-token text tower and the image tower.
 *
 * The text tower is held in both of its forms: packed prompts as training uses them, and the plain pass over all 77
 * positions, whose gradient at every embedding PyTorch gives.
 */
import type { ClipModel } from "../clip/model.ts";
import { freezeImageTower, imageTower } from "../clip/image_tower.ts";
import { fromPatches, toPatches } from "../clip/patches.ts";
import { plainText } from "../clip/plain_text.ts";
import type { ClipWeights } from "../clip/weights/load.ts";
import type { HostTensor } from "../engine/ops.ts";
import type { Fixtures } from "./fixtures.ts";
import { type ParityRow, parityRow, relativeL2 } from "./row.ts";

/** The published pass over token ids [n, T], and its pull-back. */
async function plainTokens(
  model: ClipModel,
  inputs: { tokens: { shape: readonly number[]; data: readonly number[] }; cotangent: HostTensor },
): Promise<{ features: HostTensor; gradient: HostTensor }> {
  const [n, T] = inputs.tokens.shape;
  const D = model.config.text.width;
  const embedded = new Float32Array(n * T * D);
  const ends: number[] = [];
  for (let i = 0; i < n; i++) {
    const ids = inputs.tokens.data.slice(i * T, (i + 1) * T);
    ids.forEach((id, t) => embedded.set(model.tokenEmbedding(id), (i * T + t) * D));
    ends.push(ids.indexOf(Math.max(...ids)));
  }
  const { features, gradient } = await plainText(model, {
    embedded_NTD: { shape: [n, T, D], data: embedded },
    ends,
    cotangent: inputs.cotangent,
  });
  return { features, gradient: gradient! };
}

/** The rows of one model: `NAME_towers.*`. */
export async function towerRows(
  model: ClipModel,
  options: { weights: ClipWeights; fixtures: Fixtures; name: string },
): Promise<ParityRow[]> {
  const { weights, fixtures, name } = options;
  const { engine, config } = model;
  const given = await fixtures.tensors(`${name}_towers.safetensors`);
  const texts = (await fixtures.json(`${name}_towers.json`) as { texts: string[] }).texts;
  const about = (stage: string, tolerance: number) => ({
    stage: `${name}: ${stage}`,
    engine: engine.name,
    tolerance,
    unit: "relative L2",
  });
  const rowCases = (got: HostTensor, wanted: HostTensor) => {
    const width = wanted.data.length / wanted.shape[0];
    return Array.from({ length: wanted.shape[0] }, (_, i) => ({
      name: `row ${i}`,
      difference: relativeL2(
        got.data.subarray(i * width, (i + 1) * width),
        wanted.data.subarray(i * width, (i + 1) * width),
      ),
    }));
  };

  const patches = toPatches(given.float("images"), config.image.patch);
  const wantedText = given.float("text_features");
  const plain = await plainTokens(model, {
    tokens: given.integers("tokens"),
    cotangent: given.float("text_cotangent"),
  });

  const frozen = freezeImageTower(engine, (tensor) => weights.tensor(tensor), { config });
  const program = engine.program("image_pullback", (ops, [patches, cotangent]) => [
    imageTower(ops, frozen, patches).pullback(cotangent),
  ]);
  const [atPatches] = await program.run([patches, given.float("image_cotangent")]);
  await program.dispose();

  return [
    parityRow(
      about("image features", 2e-5),
      rowCases(await model.encodeImages(patches), given.float("image_features")),
    ),
    parityRow(about("text features, packed", 2e-5), rowCases(await model.encodeTexts(texts), wantedText)),
    parityRow(about("text features, plain", 2e-5), rowCases(plain.features, wantedText)),
    parityRow(
      about("text pull-back to embeddings", 1e-4),
      rowCases(plain.gradient, given.float("text_grad_embeddings")),
    ),
    parityRow(
      about("image pull-back to pixels", 1e-4),
      rowCases(fromPatches(atPatches, config.image.size), given.float("image_grad_pixels")),
    ),
  ];
}
