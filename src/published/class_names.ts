/**
 * The class names of a published prompt. Its file holds no names, but the embeddings of their tokens; with the model's
 * table of embeddings these tell the names, and whether names and model that are given are the right ones.
 */
import type { Tokenizer } from "../clip/tokenizer.ts";
import { UserError } from "../errors.ts";
import { fillTemplate } from "../methods/zero_shot.ts";
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

/** What stands behind the learned tokens of a published prompt. */
export interface PromptWords {
  /** The classes that it was trained on; in lower case where they were read off the tokens. */
  classNames: string[];
  /** Words between learned tokens and class name; empty where there are none. */
  wordsAfter: string;
}

/** Embeddings stored in half precision differ by its rounding from those of the model, by 2⁻¹¹ of the value. */
const RELATIVE_TOLERANCE = 1e-3;
const ABSOLUTE_TOLERANCE = 1e-6;

/** The words that the published trainers start from; those that have no learned token in their place stay. */
export const INITIAL_WORDS: readonly string[] = ["a", "photo", "of", "a"];

/**
 * Checks that a prompt was trained with a model: by its width, and by the embedding of the start token that it stores.
 *
 * @throws {UserError} when it was trained with another model
 */
export function requireModel(prompt: PublishedPrompt, table: TokenTable): void {
  const { shape } = prompt.params.ctx;
  const D = shape[shape.length - 1];
  const isOther = D !== table.width ||
    (prompt.prefix !== undefined &&
      !isNear(prompt.prefix.rows(0)[0], table.embedding(table.tokenizer.startToken), prompt));
  if (!isOther) return;
  const why = D === table.width
    ? "its start token is another one"
    : `its tokens have ${D} numbers and not ${table.width}`;
  throw new UserError(
    `The prompt was not trained with ${table.name} (${why}): name the model that it was trained with by --model.`,
  );
}

/** What is known of the texts of a prompt, besides its file. */
export interface TextFacts {
  table: TokenTable;
  /** The text after the learned tokens, with `{}` for the class name. */
  text: string;
}

/**
 * Reads the class names off the embeddings that a prompt stores. They come out in lower case, as CLIP's tokens have them;
 * undefined when the prompt stores none.
 *
 * @throws {UserError} when a token is not among the model's, or the texts have other words around the class names
 */
export function recoverClassNames(prompt: PublishedPrompt, { table, text }: TextFacts): PromptWords | undefined {
  const { suffix, params: { ctx: { shape } } } = prompt;
  if (suffix === undefined) return undefined;
  const find = tokenFinder(prompt, table);
  const texts = Array.from({ length: suffix.shape[0] }, (_, c) => {
    const ids: number[] = [];
    for (const embedding of suffix.rows(c)) {
      const id = find(embedding);
      if (id === table.tokenizer.endToken) break;
      ids.push(id);
    }
    return textOf(ids, table);
  });
  // "a" can stay behind longer contexts too: ProGrad's code counts words, and commas are tokens.
  const rest = INITIAL_WORDS.slice(shape[shape.length - 2]).join(" ") || "a";
  const wordsAfter = texts.every((text) => text.startsWith(`${rest} `)) ? rest : "";
  requireNoWords(prompt, wordsAfter);
  const [before, after] = text.split("{}").map((words) => textOf(table.tokenizer.encode(words), table));
  const start = `${wordsAfter}${before} `.trimStart();
  const strange = texts.find((one) => !one.startsWith(start) || !one.endsWith(after));
  if (strange !== undefined) {
    throw new UserError(
      `${prompt.file.path} has the text "${strange}" after its context, and prompts of the data set that is named have ` +
        `"${text}": name the one that it was trained on by --dataset.`,
    );
  }
  const classNames = texts.map((one) => one.slice(start.length, one.length - after.length).trimEnd());
  const words = classNames[0].split(" ");
  for (const [word, where] of [[words[0], "begin"], [words[words.length - 1], "end"]] as const) {
    const isOfAll = (name: string) => where === "begin" ? name.startsWith(`${word} `) : name.endsWith(` ${word}`);
    if (!classNames.every(isOfAll)) continue;
    throw new UserError(
      `All class names in ${prompt.file.path} ${where} with "${word}", which may be a word of the prompt: check ` +
        "--dataset, and name the classes with --classes, or give the data with --data.",
    );
  }
  return { classNames, wordsAfter };
}

/**
 * Rebuilds the embeddings of class names, and compares them with those that follow the context in the file.
 *
 * @throws {UserError} when there are other names or another number of them; names the first class that differs
 */
export function requireClassNames(
  prompt: PublishedPrompt,
  { classNames, table, text }: TextFacts & { classNames: readonly string[] },
): PromptWords {
  const { suffix, params: { ctx } } = prompt;
  const { tokenizer, embedding } = table;
  const C = suffix?.shape[0] ?? (ctx.shape.length === 3 ? ctx.shape[0] : undefined);
  if (C !== undefined && C !== classNames.length) {
    const named = classNames.slice(0, 5).join(", ") + (classNames.length > 5 ? ", …" : "");
    throw new UserError(
      `The prompt was trained with ${C} classes, and ${classNames.length} are named (${named}): name those that it was ` +
        "trained with.",
    );
  }
  if (suffix === undefined) return { classNames: [...classNames], wordsAfter: "" };
  const find = tokenFinder(prompt, table);
  const end = embedding(tokenizer.endToken);
  let first: number[] | undefined;
  for (const [c, name] of classNames.entries()) {
    const ids = tokenizer.encode(fillTemplate(text, name));
    const rows = suffix.rows(c);
    const from = rows.findIndex((row) => isNear(row, end, prompt)) - ids.length;
    const before = from < 0 ? [] : rows.slice(0, from).map(find);
    first ??= before;
    if (
      from >= 0 && `${before}` === `${first}` && ids.every((id, s) => isNear(rows[from + s], embedding(id), prompt))
    ) {
      continue;
    }
    throw new UserError(
      `The prompt's class ${c + 1} is not "${name}": name the classes that it was trained with, in their order.`,
    );
  }
  const wordsAfter = textOf(first ?? [], table);
  requireNoWords(prompt, wordsAfter);
  return { classNames: [...classNames], wordsAfter };
}

function requireNoWords({ layout, file }: PublishedPrompt, words: string): void {
  if (words === "" || layout.wordsStay) return;
  throw new UserError(
    `${file.path} has the fixed words "${words}" between its context and the class names, which this kit does not put ` +
      "there: the prompt cannot be imported.",
  );
}

function textOf(ids: readonly number[], { tokenizer }: TokenTable): string {
  return ids.map((id) => tokenizer.word(id).replace("</w>", " ")).join("").trim();
}

function isNear(a: Float32Array, b: Float32Array, { roundings = 1 }: PublishedPrompt): boolean {
  return a.length === b.length &&
    a.every((value, i) =>
      Math.abs(value - b[i]) <= roundings * (RELATIVE_TOLERANCE * Math.abs(b[i]) + ABSOLUTE_TOLERANCE)
    );
}

/** Numbers of an embedding that tell tokens apart; enough that no two tokens share them. */
const KEY_NUMBERS = 16;

/** An embedding in half precision, so that files of either precision give the same. */
function keyOf(embedding: Float32Array): string {
  return new Uint16Array(Float16Array.from(embedding.subarray(0, KEY_NUMBERS)).buffer).join();
}

/** Finds the token of an embedding: by its key, or, where it was rounded more than once, the nearest. */
function tokenFinder(prompt: PublishedPrompt, table: TokenTable): (embedding: Float32Array) => number {
  const { tokenizer, embedding: of, name } = table;
  const ids = new Map<string, number>();
  // The first of equals stays: tokens that were never trained may share an embedding.
  for (let id = tokenizer.size - 1; id >= 0; id--) ids.set(keyOf(of(id)), id);
  return (embedding) => {
    const key = keyOf(embedding);
    const id = ids.get(key) ?? nearest(embedding, table);
    if (isNear(embedding, of(id), prompt)) {
      ids.set(key, id);
      return id;
    }
    throw new UserError(
      `A class name of the prompt has a token that ${name} does not have: name the model that it was trained with by ` +
        "--model.",
    );
  };
}

function nearest(embedding: Float32Array, { tokenizer, embedding: of }: TokenTable): number {
  let found = 0;
  let least = Infinity;
  for (let id = 0; id < tokenizer.size; id++) {
    const other = of(id);
    let squares = 0;
    for (let i = 0; i < embedding.length && squares < least; i++) squares += (embedding[i] - other[i]) ** 2;
    if (squares < least) [found, least] = [id, squares];
  }
  return found;
}
