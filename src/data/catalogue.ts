/** The data sets that come with the kit, and those that users describe. */
import { didYouMean } from "../did_you_mean.ts";
import { UserError } from "../errors.ts";
import { type DatasetDescription, parseDescription } from "./description.ts";
import { sameName } from "./same_name.ts";
import caltech101 from "../../data/datasets/caltech101.json" with { type: "json" };
import dtd from "../../data/datasets/dtd.json" with { type: "json" };
import eurosat from "../../data/datasets/eurosat.json" with { type: "json" };
import fgvcAircraft from "../../data/datasets/fgvc_aircraft.json" with { type: "json" };
import food101 from "../../data/datasets/food101.json" with { type: "json" };
import imagenet from "../../data/datasets/imagenet.json" with { type: "json" };
import oxfordFlowers from "../../data/datasets/oxford_flowers.json" with { type: "json" };
import oxfordPets from "../../data/datasets/oxford_pets.json" with { type: "json" };
import stanfordCars from "../../data/datasets/stanford_cars.json" with { type: "json" };
import sun397 from "../../data/datasets/sun397.json" with { type: "json" };
import ucf101 from "../../data/datasets/ucf101.json" with { type: "json" };
import templates from "../../data/templates.json" with { type: "json" };

/** Imported, so that they are there without a permission and when the kit is imported by URL. */
const TABLES: Readonly<Record<string, unknown>> = {
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
export const ENSEMBLE_TEMPLATES: readonly string[] = templates.ensemble;

/** Names of the data sets that come with the kit, as {@linkcode describeDataset} takes them. */
export const DATASET_NAMES: readonly string[] = Object.keys(TABLES);

/** Descriptions of all data sets that come with the kit: the eleven of CoOp's benchmark. */
export function knownDatasets(): DatasetDescription[] {
  return DATASET_NAMES.map((name) => parseDescription(TABLES[name], `${name}.json`));
}

/**
 * The description of a data set: by one of {@linkcode DATASET_NAMES} (any case, with or without `_`), or by the name that
 * it gives. A description comes back as it is.
 *
 * @throws {UserError} When there is none of this name.
 */
export function describeDataset(dataset: string | DatasetDescription): DatasetDescription {
  if (typeof dataset !== "string") return dataset;
  const known = knownDatasets();
  const index = DATASET_NAMES.findIndex((name, i) => [name, known[i].name].some((one) => sameName(one, dataset)));
  if (index >= 0) return known[index];
  throw new UserError(
    `There is no data set ${dataset}.${didYouMean(dataset, DATASET_NAMES)} ` +
      `Known are ${DATASET_NAMES.join(", ")}; or give a description of your own, in recipes the path of a YAML file.`,
  );
}

/**
 * The templates of the ensemble for a data set: the seven, and its own where the published code adds it
 * (`ZeroshotCLIP2` of CoOp trainers/zsclip.py).
 */
export function ensembleTemplates(description: DatasetDescription): string[] {
  return description.ensembleWithTemplate ? [...ENSEMBLE_TEMPLATES, description.template] : [...ENSEMBLE_TEMPLATES];
}
