/**
 * Why some methods have no result on classes without training images, in words that end a sentence.
 *
 * @example
 * ```ts
 * import { NO_NEW_CLASSES } from "@prompt-kit/clip-prompts";
 *
 * if ("gda" in NO_NEW_CLASSES || !("tip-adapter" in NO_NEW_CLASSES)) throw new Error("unexpected");
 * ```
 */
export const NO_NEW_CLASSES = {
  "tip-adapter": "the cache has no keys of classes without training images, so this would be zero-shot CLIP",
  "tip-adapter-f": "the cache has no keys of classes without training images, so this would be zero-shot CLIP",
  "lp++": "its visual weights are learned from images of each class",
  "linear-probe": "its weights are learned from images of each class, and no text is used",
} as const;
