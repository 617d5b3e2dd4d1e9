/**
 * L-BFGS with the line search of Moré and Thuente, step for step as scipy's `L-BFGS-B` goes when nothing is bounded
 * (Byrd, Lu, Nocedal and Zhu, 1995; Moré and Thuente, 1994), so that runs that stop early stop at the same point.
 */

type Objective = (x: Float64Array) => { value: number; gradient: Float64Array };

interface MinimizeOptions {
  maxIterations: number;
  /** Stop when no part of the gradient is larger. */
  gradientTolerance: number;
  /** Stop when the value fell by less than this share of it (of 1, when it is smaller). */
  valueTolerance: number;
  /** Evaluations of one line search. */
  maxEvaluations: number;
}

/** Pairs of steps and gradient differences that are kept. */
const MEMORY = 10;
const EPSILON = 2 ** -52;

/** Minimises a smooth function. */
export function minimize(
  objective: Objective,
  start: Float64Array,
  options: MinimizeOptions,
): { x: Float64Array; value: number; iterations: number } {
  let x: Float64Array = start.slice();
  let { value, gradient } = objective(x);
  let pairs: { step: Float64Array; change: Float64Array; curvature: number }[] = [];
  let iterations = 0;
  while (iterations < options.maxIterations && largest(gradient) > options.gradientTolerance) {
    const direction = descentDirection(gradient, pairs);
    const slope = dot(gradient, direction);
    const first = iterations === 0 ? Math.min(1 / Math.sqrt(dot(direction, direction)), 1e10) : 1;
    const found = slope >= 0 ? undefined : lineSearch((at) => {
      const point = x.map((xi, i) => xi + at * direction[i]);
      const there = objective(point);
      return { ...there, point, slope: dot(there.gradient, direction) };
    }, { value, slope, first, maxEvaluations: options.maxEvaluations });
    if (found === undefined) {
      // The direction is no good: start over along the gradient, or give up when it was the gradient.
      if (pairs.length === 0) break;
      pairs = [];
      continue;
    }
    iterations++;
    const fell = value - found.value;
    const unit = Math.max(Math.abs(value), Math.abs(found.value), 1);
    const step = direction.map((d) => d * found.at);
    const change = found.gradient.map((g, i) => g - gradient[i]);
    x = found.point;
    value = found.value;
    gradient = found.gradient;
    if (fell <= options.valueTolerance * unit) break;
    const curvature = (found.slope - slope) * found.at;
    if (curvature > EPSILON * -slope * found.at) pairs = [...pairs, { step, change, curvature }].slice(-MEMORY);
  }
  return { x, value, iterations };
}

/** `−H·gradient`, by the two loops over the kept pairs. */
function descentDirection(
  gradient: Float64Array,
  pairs: readonly { step: Float64Array; change: Float64Array; curvature: number }[],
): Float64Array {
  const out = gradient.map((g) => -g);
  if (pairs.length === 0) return out;
  const shares = pairs.map(() => 0);
  for (let p = pairs.length - 1; p >= 0; p--) {
    shares[p] = dot(pairs[p].step, out) / pairs[p].curvature;
    addScaled(out, pairs[p].change, -shares[p]);
  }
  const last = pairs[pairs.length - 1];
  const scale = last.curvature / dot(last.change, last.change);
  for (let i = 0; i < out.length; i++) out[i] *= scale;
  pairs.forEach((pair, p) => addScaled(out, pair.step, shares[p] - dot(pair.change, out) / pair.curvature));
  return out;
}

interface Trial {
  value: number;
  slope: number;
  gradient: Float64Array;
  point: Float64Array;
}

interface End {
  at: number;
  value: number;
  slope: number;
}

/** A step that lowers the value enough and flattens the slope enough; undefined when none is in reach. */
function lineSearch(
  evaluate: (at: number) => Trial,
  options: { value: number; slope: number; first: number; maxEvaluations: number },
): (Trial & { at: number }) | undefined {
  const [decrease, flatten, narrowest, farthest] = [1e-3, 0.9, 0.1, 1e10];
  const needed = decrease * options.slope;
  let best: End = { at: 0, value: options.value, slope: options.slope };
  let other: End = best;
  let bracketed = false;
  let early = true;
  let width = farthest;
  let formerWidth = 2 * farthest;
  let [low, high] = [0, 5 * options.first];
  let at = options.first;
  for (let count = 0; count < options.maxEvaluations; count++) {
    const trial = evaluate(at);
    const enough = options.value + at * needed;
    if (early && trial.value <= enough && trial.slope >= 0) early = false;
    const converged = trial.value <= enough && Math.abs(trial.slope) <= -flatten * options.slope;
    const stuck = bracketed && (at <= low || at >= high || high - low <= narrowest * high);
    const outside = at === farthest && trial.value <= enough && trial.slope <= needed;
    if (converged || stuck || outside) return { ...trial, at };

    // Stage one minimises f(t) − required decrease.
    const tilt = early && trial.value <= best.value && trial.value > enough ? needed : 0;
    const tilted = (end: End) => ({ at: end.at, value: end.value - end.at * tilt, slope: end.slope - tilt });
    const next = nextTrial(
      { best: tilted(best), other: tilted(other), now: tilted({ at, value: trial.value, slope: trial.slope }) },
      { bracketed, low, high },
    );
    const straight = (end: End) => ({ at: end.at, value: end.value + end.at * tilt, slope: end.slope + tilt });
    [best, other, bracketed, at] = [straight(next.best), straight(next.other), next.bracketed, next.at];
    if (bracketed) {
      if (Math.abs(other.at - best.at) >= 0.66 * formerWidth) at = best.at + 0.5 * (other.at - best.at);
      formerWidth = width;
      width = Math.abs(other.at - best.at);
      [low, high] = [Math.min(best.at, other.at), Math.max(best.at, other.at)];
    } else {
      [low, high] = [at + 1.1 * (at - best.at), at + 4 * (at - best.at)];
    }
    at = Math.min(Math.max(at, 0), farthest);
    if (bracketed && (at <= low || at >= high || high - low <= narrowest * high)) at = best.at;
  }
  return undefined;
}

/** The safeguarded cubic and quadratic steps of Moré and Thuente, section 4. */
function nextTrial(
  ends: { best: End; other: End; now: End },
  bracket: { bracketed: boolean; low: number; high: number },
): { best: End; other: End; bracketed: boolean; at: number } {
  const { best, other, now } = ends;
  const opposite = now.slope * Math.sign(best.slope) < 0;
  const cubicFrom = (a: End, b: End) => {
    const theta = 3 * (a.value - b.value) / (b.at - a.at) + a.slope + b.slope;
    const size = Math.max(Math.abs(theta), Math.abs(a.slope), Math.abs(b.slope));
    return { theta, size, squared: (theta / size) ** 2 - (a.slope / size) * (b.slope / size) };
  };
  const secant = now.at + now.slope / (now.slope - best.slope) * (best.at - now.at);
  let at: number;
  let { bracketed } = bracket;

  if (now.value > best.value) {
    // Higher: the minimum lies between.
    const { theta, size, squared } = cubicFrom(best, now);
    const gamma = (now.at < best.at ? -1 : 1) * size * Math.sqrt(squared);
    const r = (gamma - best.slope + theta) / (gamma - best.slope + gamma + now.slope);
    const cubic = best.at + r * (now.at - best.at);
    const chord = (best.value - now.value) / (now.at - best.at) + best.slope;
    const quadratic = best.at + best.slope / chord / 2 * (now.at - best.at);
    at = Math.abs(cubic - best.at) < Math.abs(quadratic - best.at) ? cubic : cubic + (quadratic - cubic) / 2;
    bracketed = true;
  } else if (opposite) {
    // Lower, and the slope turned: the minimum lies between.
    const { theta, size, squared } = cubicFrom(best, now);
    const gamma = (now.at > best.at ? -1 : 1) * size * Math.sqrt(squared);
    const r = (gamma - now.slope + theta) / (gamma - now.slope + gamma + best.slope);
    const cubic = now.at + r * (best.at - now.at);
    at = Math.abs(cubic - now.at) > Math.abs(secant - now.at) ? cubic : secant;
    bracketed = true;
  } else if (Math.abs(now.slope) < Math.abs(best.slope)) {
    // Lower and flatter: the cubic may have no minimum ahead.
    const { theta, size, squared } = cubicFrom(best, now);
    const gamma = (now.at > best.at ? -1 : 1) * size * Math.sqrt(Math.max(0, squared));
    const r = (gamma - now.slope + theta) / (gamma + (best.slope - now.slope) + gamma);
    const end = now.at > best.at ? bracket.high : bracket.low;
    const cubic = r < 0 && gamma !== 0 ? now.at + r * (best.at - now.at) : end;
    const cubicNearer = Math.abs(cubic - now.at) < Math.abs(secant - now.at);
    if (bracketed) {
      at = cubicNearer ? cubic : secant;
      const limit = now.at + 0.66 * (other.at - now.at);
      at = now.at > best.at ? Math.min(limit, at) : Math.max(limit, at);
    } else {
      at = Math.min(Math.max(cubicNearer ? secant : cubic, bracket.low), bracket.high);
    }
  } else if (bracketed) {
    // Lower and no flatter, with the minimum between here and the other end.
    const { theta, size, squared } = cubicFrom(now, other);
    const gamma = (now.at > other.at ? -1 : 1) * size * Math.sqrt(squared);
    const r = (gamma - now.slope + theta) / (gamma - now.slope + gamma + other.slope);
    at = now.at + r * (other.at - now.at);
  } else {
    at = now.at > best.at ? bracket.high : bracket.low;
  }

  if (now.value > best.value) return { best, other: now, bracketed, at };
  return { best: now, other: opposite ? best : other, bracketed, at };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function addScaled(to: Float64Array, from: Float64Array, factor: number): void {
  for (let i = 0; i < to.length; i++) to[i] += factor * from[i];
}

function largest(values: Float64Array): number {
  let top = 0;
  for (const value of values) top = Math.max(top, Math.abs(value));
  return top;
}
