/**
 * The class names of a published prompt. Its file holds no names, but the embeddings of their tokens; with the model's
 * table of embeddings these tell the names, and whether names and model that are given are the right ones.
 */
import { spokenName } from "../clip/spoken_name.ts";
import type { Tokenizer } from "../clip/tokenizer.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import type { PublishedPrompt } from "./checkpoint.ts";

/** What of a model is needed. */
export interface TokenTable {
  /** CLIP's tokenizer. */
  tokenizer: Pick<Tokenizer, "encode" | "word" | "startToken" | "endToken" | "size">;
  /** Embedding of a token, [D]. */
  embedding(id: number): Float32Array;
  /** Width of an embedding, D. */
  width: number;
  /** For messages: `ViT-B/16`. */
  name: string;
}

/** Embeddings stored in half precision differ by its rounding from those of the model, by 2⁻¹¹ of the value. */
const RELATIVE_TOLERANCE = 1e-3;
const ABSOLUTE_TOLERANCE = 1e-6;

/**
 * Checks that a prompt was trained with a model: by its width, and by the embedding of the start token that it stores.
 *
 * @throws {UserError} When it was trained with another model.
 */
export function requireModel(prompt: PublishedPrompt, table: TokenTable): void {
  const { shape } = prompt.params.ctx;
  const D = shape[shape.length - 1];
  const isOther = D !== table.width ||
    (prompt.prefix !== undefined &&
      !isNear(prompt.prefix.data.subarray(0, D), table.embedding(table.tokenizer.startToken)));
  if (!isOther) return;
  const why = D === table.width
    ? "its start token is another one"
    : `its tokens have ${D} numbers and not ${table.width}`;
  throw new UserError(
    `The prompt was not trained with ${table.name} (${why}): name the model that it was trained with by --model.`,
  );
}

/**
 * Reads the class names off the embeddings that a prompt stores. They come out in lower case, as CLIP's tokens have them;
 * undefined when the prompt stores none.
 *
 * @throws {UserError} When a token is not among the model's.
 */
export function recoverClassNames(prompt: PublishedPrompt, table: TokenTable): string[] | undefined {
  if (prompt.suffix === undefined) return undefined;
  const { tokenizer } = table;
  const ids = idsByKey(table);
  return rows(prompt.suffix).map((tokens_SD) => {
    const name: number[] = [];
    for (const embedding of tokens_SD) {
      const id = ids.get(keyOf(embedding));
      if (id === undefined) {
        throw new UserError(
          `A class name of the prompt has a token that ${table.name} does not have: name the model that it was trained ` +
            "with by --model.",
        );
      }
      if (id === tokenizer.endToken) break;
      name.push(id);
    }
    return name.map((id) => tokenizer.word(id).replace("</w>", " ")).join("").trim().replace(/ ?\.$/, "");
  });
}

/**
 * Rebuilds the embeddings that follow the context from class names, and compares them with those of the file.
 *
 * @throws {UserError} When there are other names or another number of them; names the first class that differs.
 */
export function requireClassNames(
  prompt: PublishedPrompt,
  options: { classNames: readonly string[]; table: TokenTable },
): void {
  const { classNames, table: { tokenizer, embedding } } = options;
  const { ctx } = prompt.params;
  const C = prompt.suffix?.shape[0] ?? (ctx.shape.length === 3 ? ctx.shape[0] : undefined);
  if (C !== undefined && C !== classNames.length) {
    const named = classNames.slice(0, 5).join(", ") + (classNames.length > 5 ? ", …" : "");
    throw new UserError(
      `The prompt was trained with ${C} classes, and ${classNames.length} are named (${named}): name those that it was ` +
        "trained with.",
    );
  }
  if (prompt.suffix === undefined) return;
  rows(prompt.suffix).forEach((tokens_SD, c) => {
    const ids = [...tokenizer.encode(`${spokenName(classNames[c])}.`), tokenizer.endToken];
    if (ids.length <= tokens_SD.length && ids.every((id, s) => isNear(tokens_SD[s], embedding(id)))) return;
    throw new UserError(
      `The prompt's class ${c + 1} is not "${
        classNames[c]
      }": name the classes that it was trained with, in their order.`,
    );
  });
}

/** Rows [S, D] of each class. */
function rows({ shape: [C, S, D], data }: HostTensor): Float32Array[][] {
  return Array.from(
    { length: C },
    (_, c) => Array.from({ length: S }, (_, s) => data.subarray((c * S + s) * D, (c * S + s + 1) * D)),
  );
}

function isNear(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length &&
    a.every((value, i) => Math.abs(value - b[i]) <= RELATIVE_TOLERANCE * Math.abs(b[i]) + ABSOLUTE_TOLERANCE);
}

/** Numbers of an embedding that tell tokens apart; enough that no two tokens share them. */
const KEY_NUMBERS = 16;

/** An embedding in half precision, so that files of either precision give the same. */
function keyOf(embedding: Float32Array): string {
  return new Uint16Array(Float16Array.from(embedding.subarray(0, KEY_NUMBERS)).buffer).join();
}

function idsByKey({ tokenizer, embedding }: TokenTable): Map<string, number> {
  const ids = new Map<string, number>();
  // The first of equals stays: tokens that were never trained may share an embedding.
  for (let id = tokenizer.size - 1; id >= 0; id--) ids.set(keyOf(embedding(id)), id);
  return ids;
}
