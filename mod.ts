/**
 * Few-shot adaptation of CLIP: CoOp, CoCoOp, zero-shot and methods on frozen features, computed exactly as the published
 * PyTorch code does.
 *
 * {@linkcode openRun} runs a {@linkcode Method} on a data set: it learns from few images, evaluates, and writes reports.
 * A method is an object, the kit's ({@linkcode coop}, {@linkcode cocoop}, {@linkcode zeroShot}, …) or your own: one that
 * learns prompts is a {@linkcode PromptLearning}, one on image features a {@linkcode FeatureLearning}. What is
 * learned in a prompt is a {@linkcode PromptMethod}: numbers, and a loss written in the operations of {@linkcode Ops},
 * which every engine runs and differentiates. {@linkcode loadModel} and {@linkcode openPrompt} are CLIP and a prompt by
 * themselves.
 *
 * Tensors are float32, row-major, with their axes in their names: `x_BE` is B images × E numbers of a feature (`C`
 * classes, `G` groups of images that share a context, `M` context tokens, `D` width of the text tower, `N` images, `V`
 * views). What a caller can mend is thrown as a {@linkcode UserError}, one sentence. Nothing native is loaded by
 * importing this module: engines and image decoding load their packages when they are used.
 *
 * @example CoOp for two epochs on the sample model
 * ```ts
 * import { coop, openRun } from "@prompt-kit/clip-prompts";
 *
 * const out = await Deno.makeTempDir();
 * await using run = await openRun(coop, { train: "base", eval: ["base"], epochs: 2, out });
 * await using learned = await run.learn(1);
 * const report = await run.report(learned, run.targets[0]);
 * await run.finish(learned);
 * await Deno.remove(out, { recursive: true });
 * if (report!.results.training!.loss.length !== 2) throw new Error("Not two epochs");
 * ```
 *
 * @module
 */

// Runs.
export { completeSettings, type Given, type RunConfig } from "./src/run/config.ts";
export type { EvaluationTarget } from "./src/run/learned.ts";
export type { Progress } from "./src/run/progress.ts";
export { type LearnedRun, openRun, type Run, type RunOptions } from "./src/run/run.ts";
export type { RunValues, Target, Transfer } from "./src/run/settings.ts";
export type { ClassSubset } from "./src/data/few_shot.ts";
export type { ClassNameRules } from "./src/data/class_names.ts";
export type { DatasetDescription, SplitRule } from "./src/data/description.ts";

// Methods.
export * from "./src/methods/kit.ts";
export type {
  FeatureLearning,
  Method,
  MethodFacts,
  Preset,
  PromptLearning,
  PromptTask,
  Values,
} from "./src/methods/method.ts";
export {
  choice,
  decimal,
  type Setting,
  type SettingsOf,
  type SettingWords,
  text,
  toggle,
  wholeNumber,
  withDefaults,
} from "./src/methods/setting.ts";
export {
  type ContextSettings,
  type KeptSettings,
  type PromptSettings,
  promptSettings,
  type TrainingSettings,
} from "./src/methods/prompt_settings.ts";
export type { FeatureSettings, TextSettings, Validation } from "./src/methods/feature_settings.ts";
export type { OverSettings } from "./src/methods/over_contexts.ts";
export type { MapleSettings } from "./src/methods/maple.ts";
export type { MmrlSettings } from "./src/methods/mmrl.ts";
export type { ProgradSettings } from "./src/methods/prograd.ts";
export type { PrometarSettings } from "./src/methods/prometar.ts";
export type { PromptsrcSettings } from "./src/methods/promptsrc.ts";
export type { TcpSettings } from "./src/methods/tcp.ts";
export type { TowerSettings } from "./src/methods/tower_prompts.ts";

// What a method of one's own is made of.
export {
  cosineLogits,
  crossEntropy,
  l2Normalize,
  type LossInputs,
  promptLoss,
  type PromptMethod,
  type PromptShape,
  type TowerPrompts,
} from "./src/methods/prompt_method.ts";
export { featureLogits, fillTemplate, normalizeRows, zeroShotFeatures } from "./src/methods/zero_shot.ts";
export type { FeatureClassifier, FeatureTask, LabelledFeatures } from "./src/methods/feature_method.ts";
export { namedStream, type RandomStream } from "./src/data/random.ts";

// CLIP, engines, and a prompt by itself.
export type { ClipConfig } from "./src/clip/config.ts";
export { type ClipModel, loadModel } from "./src/clip/model.ts";
export type {
  ClassPrompt,
  ClassTokenPosition,
  LayoutOptions,
  PromptLayout,
  PromptToken,
} from "./src/clip/prompt_layout.ts";
export { loadTokenizer, type Tokenizer } from "./src/clip/tokenizer.ts";
export { type ClipWeights, loadWeights, type WeightsLayout } from "./src/clip/weights/load.ts";
export { type EngineOptions, openEngine } from "./src/engine/choose.ts";
export type { Engine, Frozen, HostTensor, Ops, Program, ProgramFunction } from "./src/engine/ops.ts";
export { type Batch, openPrompt, type PromptSession } from "./src/prompt/session.ts";
export type { Parameter } from "./src/optim/sgd.ts";

// Reports and comparisons.
export { type ClassMetrics, harmonicMean, type Metrics } from "./src/eval/metrics.ts";
export type { NearestWords } from "./src/eval/nearest_words.ts";
export type {
  Mistake,
  Report,
  ReportedCircumstances,
  ReportedResults,
  ReportedRun,
  ReportedTiming,
  ReportedTraining,
} from "./src/eval/report.ts";
export { readReport } from "./src/eval/report_file.ts";
export type { Warning } from "./src/eval/collapse.ts";
export { type CompareOptions, compareReports } from "./src/eval/compare.ts";
export type {
  ComparedRun,
  Comparison,
  CurvePoint,
  Difference,
  MethodSummary,
  NoResult,
  Spread,
} from "./src/eval/comparison.ts";
export { comparisonText, type TextOptions } from "./src/eval/comparison_table.ts";
export { readFolder } from "./src/eval/page/write_page.ts";
export { UserError } from "./src/errors.ts";
