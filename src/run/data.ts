/** The data set of a run: few-shot draws, and image features from the store or computed now. */
import type { ClipModel } from "../clip/model.ts";
import type { DatasetDescription } from "../data/description.ts";
import type { ClassSubset, FewShot } from "../data/few_shot.ts";
import type { FeatureChunk, FeatureCounts } from "../data/feature_cache.ts";
import type { ImageSource } from "../data/image_source.ts";
import type { Sample } from "../data/split.ts";
import type { HostTensor } from "../engine/ops.ts";
import type { ReportedCircumstances } from "../eval/report.ts";
import type { Progress } from "./progress.ts";

/** What a report says of a data set, but for the counts of one evaluation. */
export type AboutData = Pick<
  ReportedCircumstances["data"],
  "name" | "source" | "splitOrigin" | "splitSha256" | "images"
>;

/** A data set, as far as runs go; from {@linkcode openData}. */
export interface RunData {
  /** For reports. */
  readonly about: AboutData;
  /** Its zero-shot template. */
  readonly template: string;
  /** The templates of the ensemble. */
  readonly ensemble: readonly string[];
  /** What to look at twice, in sentences. */
  readonly warnings: readonly string[];
  /** The images; undefined where only their features are stored. */
  readonly images?: ImageSource;
  /** Few-shot and test images of the chosen classes. */
  draw(options: { shots: number; seed: number; classes: ClassSubset }): FewShot;
  /** All validation images of the chosen classes. Throws UserError where they are not there. */
  wholeVal(classes: ClassSubset): Sample[];
  /** One sha256 of the bytes of these images, in this order. */
  sha256(samples: readonly Sample[]): Promise<string>;
  /** The sha256 of each image's bytes; undefined where only features are stored. */
  hashesOf?(samples: readonly Sample[]): Promise<string[]>;
  /** Features [n, E] under the test transform, as the image tower gives them, or another encoder. */
  features(samples: readonly Sample[], options: FeaturesOptions): Promise<HostTensor>;
  /** Features under training views. */
  views(samples: readonly Sample[], options: ViewsOptions): Promise<TrainingViews>;
  /** Patches [B, N, K] of images in a training view; undefined where only features are stored. */
  patches?(samples: readonly Sample[], options: PatchesOptions): Promise<HostTensor>;
  /** What blocks below all learned tokens give, [n, numbers], from the store; undefined where only features are stored. */
  lowerRows?(samples: readonly Sample[], options: PatchesOptions & { below: LowerBlocks }): Promise<HostTensor>;
  /** What the frozen image tower gave, as runs look it up; undefined where only features are stored. */
  readonly store?: FeatureStore;
  /** Seconds spent on features so far. */
  featureSeconds(): number;
  close(): Promise<void>;
}

/** What is stored by the files that it is stored in. */
export interface FeatureStore {
  /** How many views of images have no file. */
  missing(chunks: readonly NeededChunk[]): Promise<number>;
  /** Computes what is missing or damaged. */
  fill(chunks: readonly NeededChunk[], options: { what: string }): Promise<FeatureCounts>;
}

/** Images whose features are needed, or what blocks below all learned tokens give of them. */
export interface NeededChunk extends FeatureChunk {
  below?: LowerBlocks;
}

/** Which features. */
export interface FeaturesOptions {
  /** What they are of, for progress. */
  what: string;
  seed: number;
  /** What encodes patches instead of the frozen image tower. */
  encoder?: Encoder;
}

/** An image tower with learned prompts. */
export interface Encoder {
  /** Tells it apart from others of the same model: features are stored under it. */
  id: string;
  /** Features [B, E] of patches [B, N, K]. */
  encode(patches_BNK: HostTensor): Promise<HostTensor>;
  /** Its blocks below all learned tokens. */
  below?: LowerBlocks;
}

/** Blocks of the image tower that nothing learned enters: what they give is stored, where it fits. */
export interface LowerBlocks {
  /** As in `the first 5 blocks`. */
  count: number;
  /** Numbers of one view. */
  numbers: number;
  /** Bytes that they may take for one set of images. */
  most: number;
  /** From patches [B, N, K] to [B, numbers]. */
  encode(patches_BNK: HostTensor): Promise<HostTensor>;
  /** From there to the features of the {@linkcode Encoder}. */
  onwards(rows_BN: HostTensor): Promise<HostTensor>;
}

/** Which patches. */
export interface PatchesOptions {
  seed: number;
  /** The number of the training view; undefined for the test transform. */
  view?: number;
  /** The least share of an image that a view keeps; that of prompt learning when left out. */
  leastArea?: number;
}

/** Which training views. */
export interface ViewsOptions {
  seed: number;
  /** How many of each image. */
  count: number;
  /** The least share of an image that a view keeps; that of prompt learning when left out. */
  leastArea?: number;
}

/** Training views of some images. */
export interface TrainingViews {
  /** How many there are: as asked for, or what the sample holds when it holds fewer. */
  readonly count: number;
  /** Features [n, E] of all images in one view, as the image tower gives them. */
  view(index: number): Promise<HostTensor>;
}

/** What data is opened with. */
export interface DataOptions {
  /** What computes features; left out where none will be asked for. */
  model?: ClipModel;
  /** Whether the weights are the sample's. */
  sample: boolean;
  /** Whether images are needed, and not only their stored features. */
  needsImages?: boolean;
  /** The description of the data set, where the user has one of their own. */
  description?: DatasetDescription;
  progress: Progress;
}

/** The template that the sample model was made for; it knows few other words (its model card). */
export const SAMPLE_TEMPLATE = "a photo of a {}.";
