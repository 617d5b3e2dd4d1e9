/** Class folders among the paths of images. */
import { compareCodePoints } from "./code_points.ts";

/** A folder that holds the images of one class. */
export interface ClassFolder {
  /** Below the image folder, with `/`; nested ones have several parts. */
  folder: string;
  /** Paths below the image folder. */
  paths: string[];
}

/**
 * Where the class folders begin: single folders around them are passed through. Images that lie beside folders belong
 * to no class.
 */
export function classFoldersPrefix(paths: readonly string[]): string {
  let prefix = "";
  for (;;) {
    const folders = new Set<string>();
    for (const path of paths) {
      const end = path.indexOf("/", prefix.length);
      if (end >= 0 && path.startsWith(prefix)) folders.add(path.slice(0, end + 1));
      if (folders.size > 1) return prefix;
    }
    const [only] = folders;
    const goesOn = only !== undefined &&
      paths.some((path) => path.startsWith(only) && path.indexOf("/", only.length) >= 0);
    if (!goesOn) return prefix;
    prefix = only;
  }
}

/** Groups images by their folders, sorted by name. Images in no folder are left out. */
export function classFolders(paths: readonly string[]): ClassFolder[] {
  const inFolders = paths.filter((path) => path.includes("/"));
  const groups = Map.groupBy(inFolders, (path) => path.slice(0, path.lastIndexOf("/")));
  return [...groups].map(([folder, paths]) => ({ folder, paths })).sort((a, b) =>
    compareCodePoints(a.folder, b.folder)
  );
}
