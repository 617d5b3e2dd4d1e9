/** Folders of class folders. Opening a data set looks at names only, so that its images may hold anything. */
import { dirname, join } from "node:path";
import { openDataset } from "../../src/data/dataset.ts";

/** The class folders of EuroSAT. */
export const EUROSAT = [
  "AnnualCrop",
  "Forest",
  "HerbaceousVegetation",
  "Highway",
  "Industrial",
  "Pasture",
  "PermanentCrop",
  "Residential",
  "River",
  "SeaLake",
];

/** Writes a file and the folders around it. */
export async function put(path: string, content = path): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(path, content);
}

/** Writes images `0.jpg`, `1.jpg`, … into each class folder. */
export async function putClasses(folder: string, classes: string[], count = 5): Promise<void> {
  for (const name of classes) {
    for (let i = 0; i < count; i++) await put(join(folder, name, `${i}.jpg`));
  }
}

/** What there is to know of a data set. */
export async function openAndClose(options: Parameters<typeof openDataset>[0]) {
  const dataset = await openDataset(options);
  await dataset.images.close();
  return dataset;
}

/** The class names of a data set, in the order of their labels. */
export function classesOf({ split: { train } }: Awaited<ReturnType<typeof openAndClose>>): string[] {
  return [...new Map(train.map(({ label, className }) => [label, className]))].sort(([a], [b]) => a - b)
    .map(([, name]) => name);
}
