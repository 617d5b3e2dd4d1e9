/** What a meta-learned step draws from a batch (ProMetaR trainers/prometar.py): which images ask and which help. */
import type { BatchDraw } from "../prompt/session.ts";

/** What draws, and can be continued later; a `namedStream` is one. */
export interface MetaStream {
  /** Shuffles in place, all orders equally likely. */
  shuffle(items: number[]): void;
  /** A whole number from 0 to below `count`. */
  below(count: number): number;
  /** A number in [0, 1). */
  random(): number;
  /** Everything that decides what comes next. */
  state(): number[];
  /** Continues from a {@linkcode MetaStream.state}. */
  restore(state: readonly number[]): void;
}

/**
 * Draws a query label among those of the batch: its images are the query, all others the support. Each query image is mixed
 * with a support image by a share of Beta(½, ½).
 */
export function drawMeta(labels: ArrayLike<number>, random: MetaStream): BatchDraw | undefined {
  const all = Array.from(labels);
  const distinct = [...new Set(all)].sort((a, b) => a - b);
  if (distinct.length < 2) return undefined;
  random.shuffle(distinct);
  const rows = all.map((_, row) => row);
  const query = rows.filter((row) => all[row] === distinct[0]);
  const support = rows.filter((row) => all[row] !== distinct[0]);
  // Beta(½, ½) is the arcsine law: its inverse distribution function is sin²(πu/2).
  const lambda = query.map(() => Math.sin(Math.PI * random.random() / 2) ** 2);
  const mix = query.map(() => random.below(support.length));
  return { query, support, mix, lambda };
}
