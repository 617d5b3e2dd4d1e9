/**
 * Compares texts as Python does, by code points. JavaScript compares UTF-16 units, and puts what is above U+FFFF (emoji) before U+E000
 * to U+FFFF; labels follow from the order of names, so the two must not differ.
 */
export function compareCodePoints(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) {
    const [one, other] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (one !== other) return rank(one) - rank(other);
  }
  return a.length - b.length;
}

/** Orders the halves of code points above U+FFFF after everything else. */
function rank(unit: number): number {
  return 0xD800 <= unit && unit < 0xE000 ? unit + 0x10000 : unit;
}
