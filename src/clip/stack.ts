/**
 * Residual attention blocks, one after the other, with rows that are learned: forward and pull-back.
 *
 * Prompts inside a tower are rows of its sequences (MaPLe, IVLP; see {@linkcode LearnedRows}). Before a deeper block they
 * are replaced: `x ← keep·x + place·tokens`, and on the way back `dTokens = placeᵀ·dx`, `dx ← keep·dx`.
 *
 * Shapes: `N` sequences, `L` rows of a sequence, `Q` rows that are picked, `M` learned tokens, `X` rows that all sequences
 * share, `D` width, `H` heads, `d` = D/H.
 */
import type { Ops, RowRange } from "../engine/ops.ts";
import { pickRows, rangeOf, spreadRows, swapped, withoutRange, withRange } from "../engine/rows.ts";
import { type AttentionContext, block, type BlockOptions } from "./block.ts";
import type { FrozenBlock } from "./block_weights.ts";

/** Learned tokens in the rows of a tower. */
export interface LearnedRows<T> {
  /** 0/1: the row of each learned token, [N or 1, L, M]. A row holds one token at most. */
  place: T;
  /** No token is in two rows of a sequence: the pull-back of the first block may skip all other rows. */
  placedOnce?: boolean;
  /** The first learned row, where token `m` stands in row `from + m` of every sequence: what is replaced is not computed. */
  from?: number;
  /**
   * The tokens of layer 0, 1, …, [N or 1, M, D]. Those of layer 0 are part of the first block's input; those of layer
   * `i` replace the rows before block `i`. After the last layer the rows flow on like any others.
   */
  layers: readonly T[];
}

/** Options of {@linkcode stack}. */
export interface StackOptions<T> {
  /** The tokens of layer 0 must be in `x` already: each tower prepares them in its own way (positions, ln_pre). */
  learned?: LearnedRows<T>;
  /** Added to the scores of every block, [N or 1, 1, L, X + L]. */
  mask?: T;
  /** 0/1, [N or 1, Q, L]: only these rows come out of the last block. */
  pick?: T;
  /** Keys and values that all sequences share in a block, [X, 1, H, d] each. */
  shared?(layer: number): AttentionContext<T>["shared"];
}

/** What a stack returns. */
export interface StackResult<T> {
  /** [Q, N, D] */
  y: T;
  /** Keys and values [L, N, H, d] of each block's own rows. */
  attended: readonly { keys(): T; values(): T }[];
  /** The gradient at `x`, [L, N, D]. */
  pullback(dy_QND: T): T;
  /**
   * The gradients at the tokens of all layers, [N, M, D]: one for each sequence, also where sequences share their
   * tokens. That of layer 0 is the gradient at the first block's input. Throws {@linkcode Error} when no rows
   * are learned.
   */
  pullbackToLearned(dy_QND: T): T[];
}

/**
 * Runs `x_LND` through the blocks. Throws {@linkcode Error} when there are more layers of learned tokens than blocks.
 */
export function stack<T>(
  ops: Ops<T>,
  x_LND: T,
  blocks: readonly FrozenBlock[],
  options: StackOptions<T> = {},
): StackResult<T> {
  const { learned, mask, pick, shared } = options;
  const depth = learned?.layers.length ?? 0;
  if (depth > blocks.length) throw new Error(`Tokens for ${depth} layers do not fit ${blocks.length} blocks`);
  const replacement = learned && depth > 1 ? replacementOf(ops, learned, ops.shape(x_LND)[1]) : undefined;
  const last = blocks.length - 1;
  let x = x_LND;
  const results = blocks.map((weights, i) => {
    if (replacement && i > 0 && i < depth) x = replacement.put(x, learned!.layers[i]);
    const blockOptions: BlockOptions<T> = {
      mask,
      shared: shared?.(i),
      pick: i === last ? pick : undefined,
      leave: i + 1 < depth ? replacement!.leave : undefined,
    };
    const result = block(ops, x, weights, blockOptions);
    x = result.y;
    return result;
  });

  /** The gradient at the first block's output; `visit` gets those at the tokens of deeper layers on the way. */
  function afterFirst(dy: T, visit: (layer: number, dTokens_NMD: T) => void = () => {}): T {
    let dx = dy;
    for (let i = last; i > 0; i--) {
      dx = results[i].pullback(dx);
      if (replacement === undefined || i >= depth) continue;
      visit(i, replacement.tokens(dx));
      dx = replacement.rest(dx);
    }
    return dx;
  }

  return {
    y: x,
    attended: results,
    pullback: (dy) => results[0].pullback(afterFirst(dy)),
    pullbackToLearned(dy) {
      if (learned === undefined || depth === 0) throw new Error("No rows of this stack are learned: use pullback");
      const layers = new Array<T>(depth);
      const dx = afterFirst(dy, (layer, dTokens) => layers[layer] = dTokens);
      if (replacement?.leave !== undefined) {
        layers[0] = swapped(ops, results[0].pullbackToLeft(dx));
        return layers;
      }
      const rows = ops.transpose(learned.place, [0, 2, 1]);
      // Only the learned rows of the first block's input can change. A token in several rows gets the sum of their gradients.
      layers[0] = swapped(
        ops,
        learned.placedOnce ? results[0].pullback(dx, rows) : pickRows(ops, rows, results[0].pullback(dx)),
      );
      return layers;
    },
  };
}

/** How learned rows are replaced; `leave` are those that the block before need not compute. */
interface Replacement<T> {
  leave?: RowRange;
  /** The rows before a block, with its tokens. */
  put(x: T, tokens_NMD: T): T;
  /** The pull-backs of {@linkcode Replacement.put} to the tokens and to the rows that it was given. */
  tokens(dx_LND: T): T;
  rest(dx_LND: T): T;
}

function replacementOf<T>(ops: Ops<T>, { from, place, layers }: LearnedRows<T>, N: number): Replacement<T> {
  if (from === undefined) return replacing(ops, place);
  const [, count, D] = ops.shape(layers[0]);
  const leave = { from, count };
  return {
    leave,
    put: (x, tokens) => withRange(ops, x, leave, { part: swapped(ops, ops.broadcastTo(tokens, [N, count, D])) }),
    tokens: (dx) => swapped(ops, rangeOf(ops, dx, leave)),
    rest: (dx) => withoutRange(ops, dx, leave),
  };
}

/** Replaces the placed rows of [L, N, D] by tokens; `tokens` and `rest` are its pull-backs to those and to the rows. */
function replacing<T>(ops: Ops<T>, place_NLM: T): Replacement<T> {
  const taken_NL1 = ops.sum(place_NLM, -1);
  const keep_LN1 = swapped(ops, ops.shift(ops.scale(taken_NL1, -1), 1));
  const rest = (x_LND: T) => ops.mul(keep_LN1, x_LND);
  return {
    put: (x_LND: T, tokens_NMD: T) => ops.add(rest(x_LND), swapped(ops, ops.matMul(place_NLM, tokens_NMD))),
    tokens: (dx_LND: T) => swapped(ops, spreadRows(ops, place_NLM, dx_LND)),
    rest,
  };
}
