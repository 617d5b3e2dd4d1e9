/**
 * What is wrong with a path with `/` that an archive or a split file names, and that must not lead out of its folder: the
 * end of a sentence (`leads out of the folder`), or undefined when the path is fine.
 */
export function pathProblem(path: string): string | undefined {
  if (path === "") return "is empty";
  if (path.includes("\0")) return "holds a zero byte";
  if (path.includes("\\")) return "is written with \\ instead of /";
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return "is absolute";
  if (path.split("/").includes("..")) return "leads out of the folder";
  return undefined;
}

/** Whether a path is that of an image, by its ending; hidden files, and what macOS puts into archives, are none. */
export function isImagePath(path: string): boolean {
  return /\.(jpe?g|png|webp|tiff?)$/i.test(path) &&
    !path.split("/").some((part) => /^(\.(?!\.?$)|__MACOSX$)/.test(part));
}
