/** Reports of runs that never were, for tests of what is made from reports. */
import { pythonRandom } from "../../src/data/random.ts";
import type { ClassSubset } from "../../src/data/few_shot.ts";
import { buildReport, type Report } from "../../src/eval/report.ts";

/** EuroSAT's names, with one that would break a page that does not escape it. */
export const NAMES = {
  base: ["Annual Crop Land", "Forest", "Herbaceous Vegetation Land", "Highway or Road", "Industrial Buildings"],
  new: [
    "Pasture Land",
    "Permanent Crop Land",
    "Residential Buildings",
    "River",
    'Sea <script>alert("1")</script> & Lake',
  ],
};

/** What {@linkcode makeReport} makes up. */
export interface CaseOptions {
  method?: string;
  evaluatedOn?: "base" | "new";
  seed?: number;
  shots?: number;
  /** Share of the images that are right, about. */
  accuracy?: number;
  images?: number;
  trainAccuracy?: number | null;
  trainedOn?: ClassSubset;
  validation?: true;
}

/** A report with made-up predictions: a pure function of the options, but for the clock. */
export async function makeReport(options: CaseOptions = {}): Promise<Report> {
  const { method = "cocoop", evaluatedOn = "base", seed = 1, shots = 16, accuracy = 0.9, images = 400 } = options;
  const learned = method !== "zeroshot";
  const classNames = NAMES[evaluatedOn];
  const random = pythonRandom(seed * 1000 + method.length * 10 + (evaluatedOn === "base" ? 1 : 2));
  const samples = Array.from({ length: images }, (_, i) => ({
    path: `${classNames[Math.floor(i * 5 / images)]}/${i}.jpg`,
    label: Math.floor(i * 5 / images),
  }));
  const predictions = samples.map(({ label }) =>
    random.random() < accuracy ? label : (label + 1 + random.below(4)) % 5
  );
  const confidences = samples.map(() => 0.3 + 0.7 * random.random());
  const epochs = 20;
  return await buildReport({
    run: {
      method,
      preset: learned ? "seed-notebook" : null,
      hyperparameters: learned
        ? { epochs, batchSize: 4, lr: 0.0025, initWords: "a photo of a", classSpecific: false }
        : {},
      changed: [],
      seed: learned ? seed : null,
      shots: learned ? shots : null,
      trainedOn: learned ? options.trainedOn ?? "base" : null,
      evaluatedOn,
      ...options.validation ? { validation: true } : {},
      classNames,
      prompts: classNames.map((name) => [learned ? `X X X X ${name}.` : `a photo of a ${name}.`]),
      learnedNumbers: learned ? 35360 : 0,
      command: `deno task ${method} --eval ${evaluatedOn} --seed ${seed}`,
    },
    model: {
      name: "sample",
      sha256: "ab".repeat(32),
      config: {
        embedding: 128,
        image: { size: 64, patch: 8, width: 192, layers: 6, heads: 3 },
        text: { context: 77, vocabulary: 49408, width: 128, layers: 4, heads: 2 },
      },
      sample: true,
    },
    data: {
      name: "eurosat",
      source: "features of EuroSAT under the sample model, as shipped",
      splitOrigin: "split_zhou_EuroSAT.json",
      splitSha256: "cd".repeat(32),
      images: 27000,
      train: learned ? shots * 5 : 0,
      val: learned ? 20 : 0,
    },
    engine: { name: "onnx", device: "ONNX Runtime 1.30.0 on cpu", threads: 2 },
    samples,
    outcome: { predictions, confidences, margins: confidences.map((confidence) => confidence / 2) },
    training: learned
      ? {
        steps: epochs * 20,
        loss: Array.from({ length: epochs }, (_, e) => 1.3 * Math.exp(-e / 6) + 0.1 * random.random()),
        lr: Array.from({ length: epochs }, (_, e) =>
          e === 0 ? 1e-5 : 0.00125 * (1 + Math.cos(Math.PI * (e - 1) / epochs))),
        accuracy: options.trainAccuracy === undefined ? 96.25 : options.trainAccuracy,
        classes: 5,
      }
      : undefined,
    nearestWords: learned
      ? ["a", "photo", "of", "<b>"].map((word, i) => ({
        token: i + 1,
        className: null,
        words: [word, "river", "satellite", "é", "sat"].map((w, k) => ({
          word: w,
          distance: 0.6 + 0.1 * k + 0.01 * i,
        })),
      }))
      : undefined,
    seconds: { features: 0, training: 61.23456, evaluation: 4.5 },
  });
}
