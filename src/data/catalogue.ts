/** The data sets that come with the kit, and those that users describe. */
import { parseYaml } from "../deps.ts";
import { didYouMean } from "../did_you_mean.ts";
import { UserError } from "../errors.ts";
import { readBytes } from "../files.ts";
import { type DatasetDescription, parseDescription } from "./description.ts";
import caltech101 from "../../data/datasets/caltech101.yaml" with { type: "text" };
import dtd from "../../data/datasets/dtd.yaml" with { type: "text" };
import eurosat from "../../data/datasets/eurosat.yaml" with { type: "text" };
import fgvcAircraft from "../../data/datasets/fgvc_aircraft.yaml" with { type: "text" };
import food101 from "../../data/datasets/food101.yaml" with { type: "text" };
import imagenet from "../../data/datasets/imagenet.yaml" with { type: "text" };
import oxfordFlowers from "../../data/datasets/oxford_flowers.yaml" with { type: "text" };
import oxfordPets from "../../data/datasets/oxford_pets.yaml" with { type: "text" };
import stanfordCars from "../../data/datasets/stanford_cars.yaml" with { type: "text" };
import sun397 from "../../data/datasets/sun397.yaml" with { type: "text" };
import ucf101 from "../../data/datasets/ucf101.yaml" with { type: "text" };
import templates from "../../data/templates.yaml" with { type: "text" };

/** Imported as text, so that they are there without a permission and when the kit is imported by URL. */
const TEXTS: Record<string, string> = {
  caltech101,
  dtd,
  eurosat,
  fgvc_aircraft: fgvcAircraft,
  food101,
  imagenet,
  oxford_flowers: oxfordFlowers,
  oxford_pets: oxfordPets,
  stanford_cars: stanfordCars,
  sun397,
  ucf101,
};

/** The seven templates that CoOp's ensemble takes for every data set, with `{}` for the class name. */
export const ENSEMBLE_TEMPLATES: readonly string[] = (parseYaml(templates) as { ensemble: string[] }).ensemble;

/** Names of the data sets that come with the kit, as {@linkcode describeDataset} takes them. */
export const DATASET_NAMES: readonly string[] = Object.keys(TEXTS);

/**
 * Descriptions of all data sets that come with the kit: the eleven of CoOp's benchmark.
 *
 * @example
 * ```ts
 * import { knownDatasets } from "@prompt-kit/clip-prompts";
 *
 * const eurosat = knownDatasets().find(({ name }) => name === "EuroSAT");
 * if (eurosat?.template !== "a centered satellite photo of {}.") throw new Error("unexpected");
 * ```
 */
export function knownDatasets(): DatasetDescription[] {
  return DATASET_NAMES.map((name) => parseDescription(TEXTS[name], `${name}.yaml`));
}

/**
 * The description of a data set.
 *
 * @param nameOrPath One of {@linkcode DATASET_NAMES} (any case, with or without `_`), the name that a description
 * gives, or the path of a YAML file.
 * @throws {UserError} When there is none of this name, or the file is missing or not usable.
 *
 * @example
 * ```ts
 * import { describeDataset } from "@prompt-kit/clip-prompts";
 *
 * const { name, split } = await describeDataset("eurosat");
 * if (name !== "EuroSAT" || split.kind !== "file") throw new Error("unexpected");
 * ```
 */
export async function describeDataset(nameOrPath: string): Promise<DatasetDescription> {
  if (/\.ya?ml$/i.test(nameOrPath)) {
    const bytes = await readBytes(nameOrPath, "the data set description");
    return parseDescription(new TextDecoder().decode(bytes), nameOrPath);
  }
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const key = DATASET_NAMES.find((name) => plain(name) === plain(nameOrPath));
  const known = key
    ? parseDescription(TEXTS[key], `${key}.yaml`)
    : knownDatasets().find(({ name }) => plain(name) === plain(nameOrPath));
  if (known) return known;
  throw new UserError(
    `There is no data set ${nameOrPath}.${didYouMean(nameOrPath, DATASET_NAMES)} ` +
      `Known are ${DATASET_NAMES.join(", ")}; or give the path of a YAML file of your own.`,
  );
}

/**
 * The templates of the ensemble for a data set: the seven, and its own where the published code adds it
 * (`ZeroshotCLIP2` of CoOp trainers/zsclip.py).
 *
 * @param description from {@linkcode describeDataset}
 *
 * @example
 * ```ts
 * import { describeDataset, ensembleTemplates } from "@prompt-kit/clip-prompts";
 *
 * const templates = ensembleTemplates(await describeDataset("eurosat"));
 * if (!templates.every((template) => template.includes("{}"))) throw new Error("unexpected");
 * ```
 */
export function ensembleTemplates(description: DatasetDescription): string[] {
  return description.ensembleWithTemplate ? [...ENSEMBLE_TEMPLATES, description.template] : [...ENSEMBLE_TEMPLATES];
}
