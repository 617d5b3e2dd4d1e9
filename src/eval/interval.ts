/**
 * How sure a difference is: Student's t with the degrees of freedom of Satterthwaite (Biometrics Bulletin, 1946), over seeds
 * and test images. Where seeds are all that varies it is the paired t interval, with one seed that of a paired proportion.
 */
import { chiSquareQuantile, studentQuantile } from "./quantiles.ts";
import type { DifferenceVariance } from "./variance.ts";

/**
 * Satterthwaite's degrees of freedom are themselves estimates: two seeds that happen to agree would make the seeds' part look
 * small and the degrees many, and the interval would cover 86 % instead of 95. So they are computed from the value that the seeds'
 * part stays below with this confidence. `bench/coverage.ts` measures what comes of it.
 */
const CAUTION = 2 / 3;

/** The chance of telling a difference that there is, in {@linkcode seedsToTell}. */
export const POWER = 0.8;

/** Nobody trains more seeds than this. */
const MOST_SEEDS = 1000;

/** The interval of a difference, in points. */
export function differenceInterval(
  difference: number,
  variance: DifferenceVariance,
  confidence: number,
): { low: number; high: number } {
  const half = studentQuantile((1 + confidence) / 2, degreesOfFreedom(variance)) * Math.sqrt(total(variance));
  return { low: Math.max(-100, difference - half), high: Math.min(100, difference + half) };
}

/**
 * How many seeds it takes to tell a difference of this size with a chance of {@linkcode POWER}, if seeds and images vary as seen.
 */
export function seedsToTell(difference: number, variance: DifferenceVariance, confidence: number): number | null {
  if (variance.count < 2) return null;
  const tells = (count: number) => {
    const planned = { ...variance, count, seeds: variance.seeds * variance.count / count };
    const degrees = degreesOfFreedom(planned);
    const quantiles = studentQuantile((1 + confidence) / 2, degrees) + studentQuantile(POWER, degrees);
    return quantiles * Math.sqrt(total(planned)) <= Math.abs(difference);
  };
  if (!tells(MOST_SEEDS)) return null;
  let [few, enough] = [1, MOST_SEEDS];
  while (enough - few > 1) {
    const middle = Math.floor((few + enough) / 2);
    if (tells(middle)) enough = middle;
    else few = middle;
  }
  return enough;
}

function total({ seeds, images }: DifferenceVariance): number {
  return images.reduce((sum, { variance }) => sum + variance, seeds);
}

function degreesOfFreedom({ count, seeds, images }: DifferenceVariance): number {
  const cautious = count === 1 ? 0 : seeds * (count - 1) / chiSquareQuantile(1 - CAUTION, count - 1);
  const whole = images.reduce((sum, { variance }) => sum + variance, cautious);
  const parts = images.reduce(
    (sum, { variance, degrees }) => sum + variance ** 2 / degrees,
    count === 1 ? 0 : cautious ** 2 / (count - 1),
  );
  return whole === 0 ? 1 : whole ** 2 / parts;
}
