/** The CLIP that a published checkpoint holds besides its prompt, beside the model that it is said to be. */
import type { ClipWeights } from "../clip/weights/load.ts";
import { readStored } from "../clip/weights/read_tensor.ts";
import { tensorShapes } from "../clip/config.ts";
import { UserError } from "../errors.ts";
import type { FrozenTensor, PublishedPrompt } from "./checkpoint.ts";

/** What rounding to half precision changes at the most, of a number and, near zero, at all. */
const HALF = { relative: 2 ** -11, absolute: 2 ** -25 };
/** As much of a number for the shorter half precision of newer processors. */
const BRAIN_FLOAT = { relative: 2 ** -8, absolute: 0 };

/** Not in the published models: their texts are embedded before. */
const NOT_KEPT = "token_embedding.weight";

/**
 * How often the frozen numbers of a method's checkpoint were rounded. PromptSRC's average over epochs goes over all of the
 * model, in the precision that it was trained in.
 */
export function roundingsOf(method: string, epochs: number): number {
  return method === "promptsrc" ? epochs + 1 : 1;
}

/**
 * Compares the frozen CLIP of a checkpoint with a model, a tensor at a time. They are the same when they differ by rounding
 * alone: a checkpoint trained in half precision holds rounded weights.
 *
 * @throws {UserError} when the checkpoint holds a part of it only, or another one; names the tensor and how far off it is
 */
export function requireFrozen(
  { frozen, file: { path }, file, roundings = 1 }: PublishedPrompt,
  { weights, name: model }: { weights: ClipWeights; name: string },
): void {
  if (frozen.length === 0) return;
  const shapes = tensorShapes(weights.config);
  const other = (what: string) =>
    new UserError(
      `${path} was not trained with ${model}: ${what}. Name the model that it was trained with by --model.`,
    );
  for (const { stored, name, shape } of frozen) {
    const wanted = shapes.get(name);
    if (wanted === undefined) throw other(`its tensor ${JSON.stringify(stored)} is none of that model`);
    // A single number is stored as [] or [1].
    if (wanted.length > 0 ? `${shape}` !== `${wanted}` : shape.some((size) => size !== 1)) {
      throw other(`its tensor "${stored}" is [${shape.join(", ")}] and the model's [${wanted.join(", ")}]`);
    }
  }
  const byName = Map.groupBy(frozen, ({ name }) => name);
  for (const [name, copies] of byName) {
    const { data } = weights.tensor(name);
    for (const copy of copies) {
      const off = difference(readStored(file, { tensor: copy, name: copy.stored }), data, { copy, roundings });
      if (off !== undefined) throw other(`its tensor "${copy.stored}" differs by ${off}`);
    }
  }
  // Last: a shallower model differs in what there is.
  const lacking = [...shapes.keys()].find((name) => name !== NOT_KEPT && !byName.has(name));
  if (lacking !== undefined) {
    throw new UserError(`${path} is not whole, CLIP's tensor "${lacking}" is missing in it: download the file again.`);
  }
}

/** How far off numbers are, in words; undefined where rounding explains it. */
function difference(
  stored: Float32Array,
  model: Float32Array,
  { copy: { dtype }, roundings }: { copy: FrozenTensor; roundings: number },
): string | undefined {
  // What was trained in half precision may have been stored in single.
  const { relative, absolute } = dtype === "BF16" ? BRAIN_FLOAT : HALF;
  let isOff = false;
  let squares = 0;
  let whole = 0;
  for (let i = 0; i < model.length; i++) {
    const off = Math.abs(stored[i] - model[i]);
    if (!(off <= roundings * (relative * Math.abs(model[i]) + absolute))) isOff = true;
    squares += off * off;
    whole += model[i] * model[i];
  }
  if (!isOff) return undefined;
  if (!Number.isFinite(squares)) return "numbers that are not finite";
  if (whole === 0) return `${Math.sqrt(squares).toPrecision(2)} where the model has zeros`;
  const percent = 100 * Math.sqrt(squares / whole);
  return `${
    percent >= 0.01 ? percent.toFixed(2) : percent.toExponential(1)
  } % of its length, which is more than rounding`;
}
