/** No data set has more folders in each other; what looks for classes in them takes its time for each. */
export const MOST_FOLDERS = 100;

/**
 * What is wrong with a path with `/` that an archive or a split file names, and that must not lead out of its folder: the
 * end of a sentence (`leads out of the folder`), or undefined when the path is fine.
 */
export function pathProblem(path: string): string | undefined {
  if (path === "") return "is empty";
  if (path.includes("\0")) return "holds a zero byte";
  if (path.includes("\\")) return "is written with \\ instead of /";
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return "is absolute";
  const parts = path.split("/");
  if (parts.includes("..")) return "leads out of the folder";
  if (parts.length > MOST_FOLDERS) return `lies more than ${MOST_FOLDERS} folders deep`;
  // What stands for bytes that are no letter: two names may look alike, and a class would be called so.
  if (path.includes("\ufffd")) return "has a name that is not UTF-8";
  return undefined;
}

/**
 * What systems put beside the files of users: hidden files, what macOS puts into archives, thumbnails and bins of network
 * storage and of Windows.
 */
const JUNK =
  /^(\.(?!\.?$).*|__MACOSX|@eaDir|@tmp|@Recycle|@Recently-Snapshot|#recycle|#snapshot|\$RECYCLE\.BIN|RECYCLER|System Volume Information|lost\+found|Network Trash Folder|Temporary Items|__pycache__|(eh)?thumbs\.db|desktop\.ini|Icon\r)$/i;
const IMAGE = /\.(jpe?g|png|webp|tiff?)$/i;
/** Endings of files that lie beside images and are known to be none, and names without an ending. */
const NO_IMAGE =
  /\.(txt|csv|tsv|jsonl?|ya?ml|xml|md|rst|html?|pdf|docx?|xlsx?|mat|np[yz]|pkl|pickle|pth?|h5|py|ipynb|m|sh|log|ini|cfg|toml|db|lst|names|url|lnk|onnx|safetensors|sha\d+|md5|partial)$|(^|\/)(readme|licen[cs]e|copying|notice|changelog|version|done)$/i;

/** Files that hold other files, by their endings. */
export const ARCHIVE = /\.(zip|tar|tgz|tar\.gz)$/i;

/** Whether a file or folder of this name is nothing of the user's. */
export function isJunk(name: string): boolean {
  return JUNK.test(name);
}

/** Bytes of the largest image that is read. A photo of a phone has a tenth; a few are held at once. */
export const MOST_IMAGE_BYTES = 128 << 20;

/** Whether a path is that of an image, by its ending; what lies in folders that are nothing of the user's is none. */
export function isImagePath(path: string): boolean {
  return IMAGE.test(path) && !path.split("/").some(isJunk);
}

/**
 * Whether a path may be that of an image in a format that is not read (`.bmp`, `.heic`, no ending at all), or of an archive:
 * what must be told of when it is left out.
 */
export function isLeftOut(path: string): boolean {
  return !IMAGE.test(path) && !NO_IMAGE.test(path) && !path.split("/").some(isJunk);
}
