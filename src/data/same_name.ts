/** Whether two names differ in case and punctuation at most: `vit-b16` is `ViT-B/16`. */
export function sameName(a: string, b: string): boolean {
  const [plainA, plainB] = [a, b].map((text) =>
    text.normalize("NFC").toLowerCase().replaceAll(/[^\p{L}\p{M}\p{N}]/gu, "")
  );
  return plainA === plainB;
}
