/** Runs that went wrong without an error: prompts that learned nothing, seeds that lie far from the others. */

/** What to look at twice. */
export interface Warning {
  /**
   * `collapse`: training accuracy near chance; `outlier`: one seed far from the others; `spread`: seeds far apart;
   * `missing`: no result; `part`: the test images are not all published ones; `data`, `classes`, `shots`: images, classes
   * or training images that make a number mean less; `engine`: two engines trained.
   */
  kind: "collapse" | "outlier" | "spread" | "missing" | "part" | "data" | "classes" | "shots" | "engine";
  /** As in file names and reports; null where it concerns all methods. */
  method: string | null;
  /** Null where it concerns all seeds. */
  seed: number | null;
  /** A sentence. */
  text: string;
}

/** Of the way from chance to perfect, less than this is nothing learned. */
const NEAR_CHANCE = 0.15;

/** Points between seeds that are worth a word. */
const FAR = 15;

/** Points that a seed must at least be away from its nearest neighbour to be called an outlier. */
const OUTLIER = 10;

/** True when a prompt is hardly better than guessing on the very images it was trained on. */
export function nearChance(trainingAccuracy: number, classes: number): boolean {
  const chance = 100 / classes;
  return trainingAccuracy < chance + NEAR_CHANCE * (100 - chance);
}

/** Finds seeds that lie far from the others, or seeds that lie far apart. */
export function unlikeSeeds(
  values: readonly { seed: number | null; value: number }[],
): { outlier: number | null; nearest: number } | { range: number } | undefined {
  if (values.length >= 3) {
    for (const { seed, value } of values) {
      const others = values.filter((one) => one.seed !== seed).map((one) => one.value);
      const nearest = others.toSorted((a, b) => Math.abs(a - value) - Math.abs(b - value))[0];
      const range = Math.max(...others) - Math.min(...others);
      if (Math.abs(nearest - value) > Math.max(OUTLIER, 2 * range)) return { outlier: seed, nearest };
    }
  }
  const all = values.map((one) => one.value);
  const range = Math.max(...all) - Math.min(...all);
  return values.length >= 2 && range > FAR ? { range } : undefined;
}
