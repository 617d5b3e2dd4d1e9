/**
 * What is wrong with a path that shall stay below a given folder: nothing that an archive or a split file names may
 * lead out of it.
 *
 * @param path A path with `/`, as it stands in an archive or a split file.
 * @returns The end of a sentence (`leads out of the folder`), or undefined when the path is fine.
 */
export function pathProblem(path: string): string | undefined {
  if (path === "") return "is empty";
  if (path.includes("\0")) return "holds a zero byte";
  if (path.includes("\\")) return "is written with \\ instead of /";
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return "is absolute";
  if (path.split("/").includes("..")) return "leads out of the folder";
  return undefined;
}
