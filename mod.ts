/**
 * Few-shot prompt learning for CLIP: CoOp, CoCoOp, zero-shot and cheap methods on frozen features, computed exactly as the
 * published PyTorch code does.
 *
 * Frozen towers are compiled, learned prompts are differentiated: an {@linkcode Engine} runs the towers, a
 * {@linkcode PromptMethod} says what is learned, {@linkcode openPrompt} binds both to class names, {@linkcode train} descends.
 *
 * @example Train CoOp for a few steps on features
 * ```ts
 * import { coop, loadModel, loadTokenizer, loadWeights, namedStream, openEngine, openPrompt, train } from "./mod.ts";
 *
 * const engine = await openEngine("cpu");
 * const weights = await loadWeights("data/sample/model.safetensors");
 * const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
 * const classNames = ["River", "Forest"];
 * const random = namedStream(1, "context-init");
 * const method = coop({ model, contextTokens: 2, classes: 2, classSpecific: false, classTokenPosition: "end", random });
 * const prompt = await openPrompt(model, { method, classNames });
 * const E = model.config.embedding;
 * const features = { shape: [2, E], data: new Float32Array(2 * E).fill(1 / Math.sqrt(E)) };
 * const images = { labels: Int32Array.of(0, 1), views: 1, view: () => Promise.resolve(features) };
 * const schedule = { rate: 0.002, epochs: 2, warmupEpochs: 1, warmupRate: 1e-5 };
 * const order = namedStream(1, "batch-order");
 * const { losses } = await train(prompt, { images, batchSize: 2, schedule, momentum: 0.9, weightDecay: 5e-4, order });
 * if (losses.length !== 2 || !losses.every(Number.isFinite)) throw new Error(`Unexpected losses: ${losses}`);
 * ```
 *
 * @module
 */

// What CLIP is.
export type { ClipConfig } from "./src/clip/config.ts";
export { type ClipModel, loadModel } from "./src/clip/model.ts";
export type {
  ClassPrompt,
  ClassTokenPosition,
  LayoutOptions,
  PromptLayout,
  PromptToken,
} from "./src/clip/prompt_layout.ts";
export type { FrozenTextTower } from "./src/clip/text_tower.ts";
export type { FrozenBlock, FrozenLinear } from "./src/clip/block.ts";
export { loadTokenizer, type Tokenizer } from "./src/clip/tokenizer.ts";
export { type ClipWeights, loadWeights } from "./src/clip/weights/load.ts";

// What computes.
export { ENGINE_NAMES, type EngineName, type EngineOptions, openEngine } from "./src/engine/choose.ts";
export type { Engine, Frozen, HostTensor, MatMulOptions, Ops, Program, ProgramFunction } from "./src/engine/ops.ts";
export { tape, type TapeOps, type Var } from "./src/engine/tape.ts";

// Where samples come from.
export { type Dataset, type DatasetOptions, openDataset } from "./src/data/dataset.ts";
export { chooseClasses, type ClassSubset, type FewShot, fewShot, type FewShotOptions } from "./src/data/few_shot.ts";
export {
  type EncodeImages,
  type FeatureOptions,
  type FeatureProgress,
  type Features,
  getFeatures,
} from "./src/data/feature_cache.ts";
export { namedStream, pythonRandom, type RandomStream } from "./src/data/random.ts";
export { imageView, normalizeToPatches, type ViewOptions, type ViewRecipe } from "./src/data/views.ts";
export type { Sample, Split } from "./src/data/split.ts";

// What is learned.
export { cocoop, type CocoopOptions } from "./src/methods/cocoop.ts";
export { type ContextInit, coop, type CoopOptions } from "./src/methods/coop.ts";
export type { LossInputs, PromptMethod, PromptShape } from "./src/methods/method.ts";
export { featureLogits, fillTemplate, normalizeRows, zeroShotFeatures } from "./src/methods/zero_shot.ts";

// How it is learned.
export { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "./src/train/checkpoint.ts";
export { type ExactCheck, exactCheck } from "./src/train/exact_check.ts";
export {
  type OrderStream,
  type StepRecord,
  train,
  type Trainable,
  type TrainingImages,
  type TrainingState,
  type TrainOptions,
} from "./src/train/loop.ts";
export { type Hyperparameters, type Preset, PRESETS } from "./src/train/presets.ts";
export { learningRate, type Schedule } from "./src/train/schedule.ts";
export { type SgdOptions, sgdStep, type Velocity } from "./src/train/sgd.ts";
export { type Batch, openPrompt, type Parameter, type PromptSession, type StepResult } from "./src/train/step.ts";

// What comes out.
export { evaluatePredictions, harmonicMean, type Metrics } from "./src/eval/metrics.ts";
export { buildReport, type Outcome, outcomeOf, type Report, type ReportInput } from "./src/eval/report.ts";
export { readReport, writeReport } from "./src/eval/report_file.ts";
export { UserError } from "./src/errors.ts";
