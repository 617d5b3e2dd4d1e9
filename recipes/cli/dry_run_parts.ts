/** What all dry runs tell alike: prompts with their tokens, permissions, image features that are still to be made. */
import type { ClipModel } from "../../src/clip/model.ts";
import type { Inputs } from "../../src/run/inputs.ts";
import { permissionFlags, type Script } from "./permissions.ts";
import { duration } from "./progress.ts";

/** Images that are timed; the tower takes them as one batch. */
const TIMED = 8;

/** The permissions of this very command. */
export function permissionLine(script: Script): string {
  return `Permissions: ${permissionFlags(script, Deno.args).join(" ")}`;
}

/** A hand-written prompt with the ids of its tokens. */
export function tokenLine(text: string, { tokenizer }: Pick<ClipModel, "tokenizer">): string {
  return `"${text}" [${[tokenizer.startToken, ...tokenizer.encode(text), tokenizer.endToken].join(" ")}]`;
}

/**
 * How long the image features of a run take and how much they weigh, from one batch through the image tower.
 *
 * @param images test images, and training images times their views
 * @returns seconds and bytes, both 0 where the features are stored, and the sentence
 */
export async function featureEstimate(
  { model, images: source }: Pick<Inputs, "model" | "images">,
  images: number,
): Promise<{ seconds: number; bytes: number; sentence: string }> {
  if (source === undefined) return { seconds: 0, bytes: 0, sentence: "Image features are stored." };
  const { size, patch } = model.config.image;
  const shape = [TIMED, (size / patch) ** 2, 3 * patch ** 2];
  const batch = { shape, data: new Float32Array(shape[0] * shape[1] * shape[2]).fill(0.5) };
  const seconds = images / TIMED * await secondsOf(() => model.encodeImages(batch));
  const bytes = images * model.config.embedding * 4;
  return {
    seconds,
    bytes,
    sentence: `Image features: ${images.toLocaleString("en-US")} images, about ${duration(seconds)} and ${
      mebibytes(bytes)
    } in the cache, less what is there.`,
  };
}

/** The time of some work: the shortest of three after one that prepares it, since other programs run too. */
export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  await work();
  let least = Infinity;
  for (let i = 0; i < 3; i++) {
    const began = performance.now();
    await work();
    least = Math.min(least, (performance.now() - began) / 1000);
  }
  return least;
}

/** `12 MiB`. */
export function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20).toLocaleString("en-US")} MiB`;
}
