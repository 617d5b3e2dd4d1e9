/** Where the images of a split lie among those that are there: below which folders, and in which form of Unicode. */
import { UserError } from "../errors.ts";
import type { ImageSource } from "./image_source.ts";
import { imagesBelow } from "./source.ts";
import type { Sample, Split } from "./split.ts";

/**
 * Brings a split and its images together. The folders around the images, such as `2750/`, are found for each first folder
 * of the split by itself: archives that were unpacked one by one lie in folders of their own (`cars_train/cars_train/`).
 *
 * @throws {UserError} When images of the split are not there.
 */
export function placeSplit(
  split: Split,
  { images, file }: { images: ImageSource; file: string },
): { split: Split; images: ImageSource } {
  const parts = [split.train, split.val, split.test];
  const paths = [...new Set(parts.flatMap((part) => part.map(({ path }) => path)))];
  const composed = new Map(images.paths.map((path) => [path.normalize("NFC"), path]));
  const groups = [...Map.groupBy(paths, topOf).values()];
  const prefixes = new Map<string, string>();
  let prefix: string | undefined;
  for (const [first] of groups) {
    prefix = prefixOf(first, { composed, before: prefix }) ?? prefix;
    if (prefix === undefined) throw noImage(first, { images, file });
    prefixes.set(topOf(first), prefix);
  }
  const all = [...new Set(prefixes.values())];
  const common = all.length === 1 ? all[0] : "";
  const missing: string[] = [];
  const placed = new Map(paths.map((path) => {
    const full = prefixes.get(topOf(path)) + path;
    const found = images.has(full) ? full : composed.get(full.normalize("NFC"));
    if (found === undefined) missing.push(path);
    return [path, found?.slice(common.length)];
  }));
  if (missing.length > 0) {
    throw new UserError(
      `${missing.length} of the ${paths.length} images of the split are not in ${images.describe}, the first one is ${
        missing[0]
      }: ${unread(missing[0], images) ?? "get the data set whole, or the split that belongs to it"}.`,
    );
  }
  const move = (samples: Sample[]) => samples.map((sample) => ({ ...sample, path: placed.get(sample.path)! }));
  const test = move(split.test);
  return {
    split: { train: move(split.train), val: split.val === split.test ? test : move(split.val), test },
    images: imagesBelow(images, common),
  };
}

/** The first folder of a path, with `/`; empty where there is none. */
function topOf(path: string): string {
  return path.slice(0, path.indexOf("/") + 1);
}

/** What stands before a path of the split among the images: `before` where that does, else the shortest. */
function prefixOf(
  path: string,
  { composed, before = "" }: { composed: ReadonlyMap<string, string>; before?: string },
): string | undefined {
  const plain = path.normalize("NFC");
  for (const one of [before, ""]) if (composed.has(one.normalize("NFC") + plain)) return one;
  let shortest: string | undefined;
  for (const [form, found] of composed) {
    if (form.endsWith(`/${plain}`) && (shortest === undefined || form.length - plain.length < shortest.length)) {
      shortest = prefixBefore(found, plain);
    }
  }
  return shortest;
}

/** The folders of a found path that stand before the path of the split, in their own form of Unicode. */
function prefixBefore(found: string, plain: string): string {
  const depth = plain.split("/").length;
  return found.split("/").slice(0, -depth).map((folder) => `${folder}/`).join("");
}

function noImage(path: string, { images, file }: { images: ImageSource; file: string }): UserError {
  return new UserError(
    `${images.describe} has no image ${path}, the first one of the split ${file}: ${
      unread(path, images) ?? "give the data and the split that belong together"
    }.`,
  );
}

/** What to do about an image that is there in a format that is not read. */
function unread(path: string, { leftOut }: ImageSource): string | undefined {
  const found = leftOut.some((one) => `/${one}`.endsWith(`/${path}`));
  return found ? "it is there, in a format that is not read; convert it to JPEG or PNG" : undefined;
}
