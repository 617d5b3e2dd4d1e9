/** A class name as prompts and templates spell it: underscores are spaces, as in the published code. */
export function spokenName(className: string): string {
  return className.replaceAll("_", " ");
}

/**
 * Where each name stands in another list, however it is spelled; -1 where it is not in it. Names that were read off CLIP's
 * tokens have spaces between digits. Of names that stand there several times, the second is at the second place.
 */
export function placesIn(seen: readonly string[], classNames: readonly string[]): number[] {
  const plain = (name: string) => spokenName(name).toLowerCase().replaceAll(/\s/g, "");
  const places = Map.groupBy(seen.keys(), (i) => plain(seen[i]));
  return classNames.map((name) => places.get(plain(name))?.shift() ?? -1);
}
