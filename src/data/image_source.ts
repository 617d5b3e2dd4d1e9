/** What images are read from, whatever holds them. */

/** Images by path; `openImages` opens one. */
export interface ImageSource {
  /** How many images there are. */
  readonly count: number;
  /** Paths of all images below the image folder, with `/`, sorted. */
  readonly paths: readonly string[];
  /** Paths of what may be images in formats that are not read, of archives, and of empty folders (with `/` at the end). */
  readonly leftOut: readonly string[];
  /** What it is, for people: `EuroSAT.zip (zip archive)`. */
  readonly describe: string;
  /** Where it is: the absolute path with links resolved, and the folder in it where only that is used. */
  readonly location: string;
  /** Whether there is an image of this path. */
  has(path: string): boolean;
  /** How many bytes an image file has, without reading it; left out where all are in memory. */
  size?(path: string): Promise<number>;
  /** The bytes of an image file. Throws {@linkcode UserError} when it is not there, not whole, or cannot be read. */
  read(path: string): Promise<Uint8Array>;
  /**
   * What tells that an image's bytes are still the same, without reading them. Where `text` is what it was, so are the
   * bytes, provided that the earlier stamp was `settled`: the last change was long enough ago that a later one shows.
   * Bytes that are read after the stamp was taken belong to it or to a later one, never to an earlier one. Throws
   * {@linkcode UserError} when there is no such image.
   */
  stamp(path: string): Promise<{ readonly text: string; readonly settled: boolean }>;
  /** Closes files and frees memory. */
  close(): Promise<void>;
}
