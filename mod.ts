/**
 * Few-shot prompt learning for CLIP: CoOp, CoCoOp, zero-shot and cheap methods on frozen features, computed exactly as the
 * published PyTorch code does.
 *
 * Frozen towers are compiled, learned prompts are differentiated: an {@linkcode Engine} runs the towers, a
 * {@linkcode PromptMethod} says what is learned, {@linkcode openPrompt} binds both to class names, {@linkcode train}
 * descends. Methods on features ({@linkcode gda}, {@linkcode tipAdapter}, …) are functions from a {@linkcode FeatureTask}
 * to a {@linkcode FeatureClassifier} and never run the text tower.
 *
 * Tensors are float32, row-major, with their axes in their names: `x_BE` is B images × E numbers of a feature (`C`
 * classes, `G` groups of images that share a context, `M` context tokens, `D` width of the text tower, `N` images, `V`
 * views). What a caller can mend is thrown as a {@linkcode UserError}, one sentence. Nothing native is loaded by
 * importing this module: engines and image decoding load their packages when they are used.
 *
 * @example A step of CoOp on the sample model
 * ```ts
 * import { coop, loadModel, loadTokenizer, loadWeights, namedStream, openEngine, openPrompt } from "./mod.ts";
 * import { sgdStep, zeroShotFeatures } from "./mod.ts";
 *
 * const engine = await openEngine("cpu");
 * const weights = await loadWeights("data/sample/model.safetensors");
 * const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
 * const random = namedStream(1, "context-init");
 * const method = coop({ model, contextTokens: 4, classes: 2, classSpecific: false, classTokenPosition: "end", random });
 * const prompt = await openPrompt(model, { method, classNames: ["River", "Forest"] });
 * // Two sentences stand in for two images: both are points of the same space.
 * const templates = ["a photo of a {}."];
 * const imageFeatures_BE = await zeroShotFeatures(model, { classNames: ["river", "forest"], templates });
 * const before = await prompt.step({ imageFeatures_BE, labels: [0, 1] });
 * sgdStep(prompt.params, before.gradients, { learningRate: 0.002, momentum: 0.9, weightDecay: 5e-4, velocity: {} });
 * const after = await prompt.step({ imageFeatures_BE, labels: [0, 1] });
 * if (!(after.loss < before.loss)) throw new Error(`The loss went from ${before.loss} to ${after.loss}`);
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
export type { FrozenBlock, FrozenLinear } from "./src/clip/block_weights.ts";
export type { FrozenTextTower } from "./src/clip/text_tower.ts";
export { loadTokenizer, type Tokenizer } from "./src/clip/tokenizer.ts";
export { type ClipWeights, loadWeights, type WeightsLayout } from "./src/clip/weights/load.ts";

// What computes.
export { ENGINE_NAMES, type EngineName, engineName, type EngineOptions, openEngine } from "./src/engine/choose.ts";
export type { Engine, Frozen, HostTensor, MatMulOptions, Ops, Program, ProgramFunction } from "./src/engine/ops.ts";
export { type EngineProbe, probeEngine } from "./src/engine/probe.ts";
export { tape, type TapeOps, type Var } from "./src/engine/tape.ts";

// Where samples come from.
export {
  DATASET_NAMES,
  describeDataset,
  ENSEMBLE_TEMPLATES,
  ensembleTemplates,
  knownDatasets,
} from "./src/data/catalogue.ts";
export type { ClassNameRules } from "./src/data/class_names.ts";
export { type Dataset, type DatasetOptions, openDataset } from "./src/data/dataset.ts";
export { type DatasetDescription, parseDescription, type SplitRule } from "./src/data/description.ts";
export { chooseClasses, type ClassSubset, type FewShot, fewShot, type FewShotOptions } from "./src/data/few_shot.ts";
export {
  CATALOGUE,
  type Catalogue,
  type CatalogueFile,
  catalogueHosts,
  type CatalogueItem,
  requireItem,
} from "./src/data/downloads.ts";
export { findModel, type ModelFile } from "./src/data/models.ts";
export { type ObtainedFile, obtainItem, type ObtainOptions } from "./src/data/obtain.ts";
export { namedStream, pythonRandom, type RandomStream } from "./src/data/random.ts";
export { type ImageSource, openImages } from "./src/data/source.ts";
export { readSplit, type Sample, type Split } from "./src/data/split.ts";

// Images as features.
export {
  type EncodeImages,
  type FeatureOptions,
  type FeatureProgress,
  type Features,
  getFeatures,
} from "./src/data/feature_cache.ts";
export {
  readSampleFeatures,
  SAMPLE_MODEL_SHA256,
  type SampleFeatures,
  type SampleSource,
  STORED_SOURCE,
  type StoredList,
  type StoredSeed,
  writeSampleFeatures,
} from "./src/data/sample_features.ts";
export {
  imageView,
  LEAST_AREA,
  LEAST_AREA_OF_FEATURE_METHODS,
  normalizeToPatches,
  type ViewOptions,
  type ViewRecipe,
} from "./src/data/views.ts";

// What is learned, in prompts.
export { cocoop, type CocoopOptions } from "./src/methods/cocoop.ts";
export { type ContextInit, coop, type CoopOptions } from "./src/methods/coop.ts";
export { kgcoop, type KgcoopOptions } from "./src/methods/kgcoop.ts";
export type { LossInputs, PromptMethod, PromptShape } from "./src/methods/prompt_method.ts";
export { prograd, type ProgradOptions } from "./src/methods/prograd.ts";
export {
  addToAverage,
  type GaussianOptions,
  gaussianWeights,
  interpolate,
  type PromptValues,
} from "./src/optim/prompt_average.ts";
export { featureLogits, fillTemplate, normalizeRows, zeroShotFeatures } from "./src/methods/zero_shot.ts";

// What is learned, on features.
export { clipAdapter, type ClipAdapterOptions } from "./src/methods/clip_adapter.ts";
export type { FeatureClassifier, FeatureMethod, FeatureTask, LabelledFeatures } from "./src/methods/feature_method.ts";
export { gda, type GdaOptions } from "./src/methods/gda.ts";
export { NO_NEW_CLASSES } from "./src/methods/new_classes.ts";
export { linearProbe } from "./src/methods/linear_probe.ts";
export { lpPlusPlus, type LpPlusPlusOptions } from "./src/methods/lp_plus_plus.ts";
export { tipAdapter, tipAdapterF, type TipAdapterFOptions, type TipAdapterOptions } from "./src/methods/tip_adapter.ts";

// How it is learned.
export { stepsPerEpoch } from "./src/optim/batch_order.ts";
export { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "./src/train/checkpoint.ts";
export { EXACT_TOLERANCE, type ExactCheck, exactCheck } from "./src/prompt/exact_check.ts";
export {
  copyParameters,
  epochMeans,
  type OrderStream,
  type StepRecord,
  train,
  type Trainable,
  type TrainingImages,
  type TrainingState,
  type TrainOptions,
} from "./src/train/loop.ts";
export { type Hyperparameters, type Preset, PRESETS } from "./src/train/presets.ts";
export { type PublishedPrompt, readPublishedPrompt } from "./src/published/checkpoint.ts";
export { recoverClassNames, type TokenTable } from "./src/published/class_names.ts";
export { learningRate, type Schedule } from "./src/optim/schedule.ts";
export { type Parameter, type SgdOptions, sgdStep, type Velocity } from "./src/optim/sgd.ts";
export { type Batch, openPrompt, type PromptSession, type StepResult } from "./src/prompt/session.ts";
export { openStoredPrompt, type SavedPrompt, type StoredPrompt, storedPrompt } from "./src/prompt/stored_prompt.ts";

// What comes out of a run.
export { type ClassMetrics, evaluatePredictions, harmonicMean, type Metrics } from "./src/eval/metrics.ts";
export { methodLabel } from "./src/eval/method_names.ts";
export { modelCard, type ModelCardOptions } from "./src/eval/model_card.ts";
export { type NearestWords, nearestWords, type NearestWordsOptions } from "./src/eval/nearest_words.ts";
export {
  buildReport,
  joinOutcomes,
  type Mistake,
  type Outcome,
  outcomeOf,
  type Report,
  REPORT_VERSION,
  type ReportedCircumstances,
  type ReportedResults,
  type ReportedRun,
  type ReportedTiming,
  type ReportedTraining,
  type ReportInput,
} from "./src/eval/report.ts";
export { formatJson, readReport, reportName, writeReport } from "./src/eval/report_file.ts";

// What comes out of many.
export type { Warning } from "./src/eval/collapse.ts";
export { type CompareOptions, compareReports } from "./src/eval/compare.ts";
export {
  type ComparedRun,
  type Comparison,
  COMPARISON_VERSION,
  type CurvePoint,
  type Difference,
  type MethodSummary,
  type NoResult,
  noResultSentences,
  type Spread,
} from "./src/eval/comparison.ts";
export { comparisonText, type TextOptions } from "./src/eval/comparison_table.ts";
export { comparisonPage } from "./src/eval/page/comparison_page.ts";
export { type Page, runPage } from "./src/eval/page/run_page.ts";
export { type ImageReader, readThumbnails } from "./src/eval/page/thumbnails.ts";
export { readFolder, writePage, writeRunPage } from "./src/eval/page/write_page.ts";

export { UserError } from "./src/errors.ts";
export { sha256Hex, writeFileAtomic } from "./src/files.ts";
export { KIT_VERSION } from "./src/version.ts";
