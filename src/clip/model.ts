/**
 * A CLIP model on an engine: images and texts in, features out.
 */
import type { Engine, HostTensor } from "../engine/ops.ts";
import type { ClipConfig } from "./config.ts";
import { freezeImageTower, type FrozenImageTower, imageTower } from "./image_tower.ts";
import { type ClassPrompt, layOut, type LayoutOptions, packSizes, type PromptLayout } from "./prompt_layout.ts";
import { freezeTextTower, type FrozenTextTower, textTower } from "./text_tower.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { ClipWeights } from "./weights/load.ts";
import { UserError } from "../errors.ts";

/** Most token rows in one run of the text tower; bounds memory for any number of classes. */
export const ROWS_PER_RUN = 1024;

/** Rows of a pack: long enough to share the prefix among many classes, short enough that attention stays small. */
export const ROWS_PER_PACK = 160;

/** Takes how many texts are encoded by now. */
export type TextProgress = (count: { done: number; total: number }) => void;

/** CLIP, ready to run; from {@linkcode loadModel}. */
export interface ClipModel {
  /** Its sizes. */
  readonly config: ClipConfig;
  /** Of the weights' file. */
  readonly sha256: string;
  /** The factor of the cosines: exp of the stored parameter, 100 in OpenAI's weights and 19.97 in the sample's. */
  readonly logitScale: number;
  /** What turns texts into its tokens. */
  readonly tokenizer: Tokenizer;
  /** What its towers run on. */
  readonly engine: Engine;
  /**
   * The text tower, for programs that hold prompts.
   *
   * @internal
   */
  text(): Promise<FrozenTextTower>;
  /**
   * The image tower, for programs that prompt it.
   *
   * @internal
   */
  image(): FrozenImageTower;
  /** Image features [B, E], not normalised, from normalised patches [B, grid², 3·patch²]. */
  encodeImages(patches_BNK: HostTensor): Promise<HostTensor>;
  /** Text features [n, E], not normalised; `onProgress` is told how many there are. Throws `UserError` for a text that is longer than the model reads. */
  encodeTexts(
    texts: readonly string[],
    onProgress?: (count: { done: number; total: number }) => void,
  ): Promise<HostTensor>;
  /** The token's embedding, [D]; a view, not a copy. */
  tokenEmbedding(id: number): Float32Array;
  /** Position embeddings of the text tower, [77, D]. */
  readonly positions: Float32Array;
  /** Packs prompts for this model's text tower. */
  layOut(
    prompts: readonly ClassPrompt[],
    options: Pick<LayoutOptions, "contextTokens" | "classSpecific" | "branches" | "inserted">,
  ): PromptLayout;
  /** Frees the towers' programs; the engine, which keeps the weights, is disposed by whoever opened it. */
  dispose(): Promise<void>;
}

/**
 * Puts weights on an engine. Each tower is frozen when it is first used, so that a run on cached features never
 * loads the image tower.
 *
 * @param weights from `loadWeights`
 * @param options the engine, which must outlive the model, and CLIP's tokenizer
 *
 * @example
 * ```ts
 * import { loadModel, loadTokenizer, loadWeights, openEngine } from "@prompt-kit/clip-prompts";
 *
 * const engine = await openEngine("cpu");
 * const weights = await loadWeights("data/sample/model.safetensors");
 * const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
 * const features = await model.encodeTexts(["a centered satellite photo of Forest."]);
 * await model.dispose();
 * await engine.dispose();
 * if (features.shape.join() !== `1,${model.config.embedding}`) throw new Error("unexpected");
 * ```
 */
export function loadModel(weights: ClipWeights, options: { engine: Engine; tokenizer: Tokenizer }): ClipModel {
  const { engine, tokenizer } = options;
  const { config } = weights;
  const tensor = (name: string) => weights.tensor(name);
  const table = tensor("token_embedding.weight").data;
  const positions = tensor("positional_embedding").data;
  const D = config.text.width;
  const tokenEmbedding = (id: number) => table.subarray(id * D, (id + 1) * D);

  let frozenText: Promise<FrozenTextTower> | undefined;
  const text = () =>
    frozenText ??= freezeTextTower(engine, tensor, {
      config,
      startEmbedding: tokenEmbedding(tokenizer.startToken),
    });
  let frozenImage: FrozenImageTower | undefined;
  const image = () => frozenImage ??= freezeImageTower(engine, tensor, { config });
  const images = engine.program("image_tower", (ops, [patches]) => [imageTower(ops, image(), patches).features]);
  let textTowerNow: FrozenTextTower | undefined;
  const texts = engine.program(
    "text_tower",
    (ops, [fixed, mask, pick]) => [textTower(ops, textTowerNow!, { fixed, mask, pick }).features],
    // Each set of shapes is a copy of the tower's weights, and texts have many lengths.
    { shapes: 1 },
  );
  const ofModel = { width: D, embedding: tokenEmbedding, positions, rowsPerPack: ROWS_PER_PACK };

  return {
    config,
    sha256: weights.sha256,
    logitScale: Math.fround(Math.exp(tensor("logit_scale").data[0])),
    tokenizer,
    engine,
    text,
    image,
    async encodeImages(patches_BNK) {
      return (await images.run([patches_BNK]))[0];
    },
    async encodeTexts(list, onProgress) {
      textTowerNow = await text();
      const prompts = textPrompts({ config, tokenizer }, list);
      const { P, Q, L } = packSizes(prompts, { rowsPerPack: ROWS_PER_PACK });
      const E = config.embedding;
      const features = new Float32Array(P * Q * E);
      // A few packs at a time are laid out: those of all texts would take gigabytes for the largest lists of names.
      const step = Math.max(1, Math.floor(ROWS_PER_RUN / L)) * Q;
      for (let c = 0; c < prompts.length; c += step) {
        const { fixed, mask, pick } = layOut(prompts.slice(c, c + step), {
          ...{ contextTokens: 0, classSpecific: false, classesPerPack: Q, rows: L },
          ...ofModel,
        });
        features.set((await texts.run([fixed, mask, pick]))[0].data, c * E);
        onProgress?.({ done: Math.min(prompts.length, c + step), total: prompts.length });
      }
      return { shape: [prompts.length, E], data: features.slice(0, prompts.length * E) };
    },
    tokenEmbedding,
    positions,
    layOut: (prompts, shape) => layOut(prompts, { ...shape, ...ofModel }),
    async dispose() {
      await images.dispose();
      await texts.dispose();
    },
  };
}

/**
 * Texts as prompts of nothing but words.
 *
 * @throws {UserError} when one is longer than the model reads
 */
export function textPrompts(
  { config, tokenizer }: Pick<ClipModel, "config" | "tokenizer">,
  texts: readonly string[],
): ClassPrompt[] {
  return texts.map((line): ClassPrompt => {
    const ids = tokenizer.encode(line);
    if (ids.length + 2 > config.text.context) {
      throw new UserError(
        `The text "${line}" has ${
          ids.length + 2
        } tokens, more than the ${config.text.context} that this model reads: shorten it.`,
      );
    }
    return { tokens: [...ids, tokenizer.endToken].map((id) => ({ id })), shared: 0 };
  });
}
