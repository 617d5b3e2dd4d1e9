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
import { rowRange } from "../engine/host_tensor.ts";
import type { HostTensor } from "../engine/ops.ts";
import type { Fixtures } from "./fixtures.ts";
import { type ParityRow, parityRow, relativeL2 } from "./row.ts";

/** The published pass over token ids [n, T], and its pull-back. */
function plainTokens(
  model: ClipModel,
  { tokens, cotangent }: { tokens: { shape: readonly number[]; data: readonly number[] }; cotangent: HostTensor },
): Promise<{ features: HostTensor; gradient?: HostTensor }> {
  const [n, T] = tokens.shape;
  const D = model.config.text.width;
  const embedded = new Float32Array(n * T * D);
  tokens.data.forEach((id, i) => embedded.set(model.tokenEmbedding(id), i * D));
  const ends = Array.from({ length: n }, (_, i) => {
    const ids = tokens.data.slice(i * T, (i + 1) * T);
    return ids.indexOf(Math.max(...ids));
  });
  return plainText(model, { embedded_NTD: { shape: [n, T, D], data: embedded }, ends, cotangent });
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
  const row = (stage: string, tolerance: number, [got, wanted]: readonly [HostTensor, HostTensor]) =>
    parityRow(
      { stage: `${name}: ${stage}`, engine: engine.name, tolerance, unit: "relative L2" },
      Array.from({ length: wanted.shape[0] }, (_, i) => ({
        name: `row ${i}`,
        difference: relativeL2(rowRange(got, i, i + 1).data, rowRange(wanted, i, i + 1).data),
      })),
    );

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

  const pixels = fromPatches(atPatches, config.image.size);
  return [
    row("image features", 2e-5, [await model.encodeImages(patches), given.float("image_features")]),
    row("text features, packed", 2e-5, [await model.encodeTexts(texts), wantedText]),
    row("text features, plain", 2e-5, [plain.features, wantedText]),
    row("text pull-back to embeddings", 1e-4, [plain.gradient!, given.float("text_grad_embeddings")]),
    row("image pull-back to pixels", 1e-4, [pixels, given.float("image_grad_pixels")]),
  ];
}
