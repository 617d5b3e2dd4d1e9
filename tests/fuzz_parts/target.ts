/** What a fuzzed reader is. */
import type { Corpus } from "./mutate.ts";

/** A kind of file and its reader. */
export interface Target {
  name: string;
  /** Ending of the file, with the dot. */
  ending: string;
  /** Whole files; the first is one that can be read. */
  corpus(folder: string): Promise<Corpus>;
  /** Puts damaged content into a whole wrapping. */
  wrap?(bytes: Uint8Array): Uint8Array;
  /** Reads the file as the kit does; ends well or throws a `UserError`. */
  read(path: string): Promise<void>;
  /** Files with so many names, one kind each: reading them takes no longer than a few passes over them. */
  growing?(items: number): Record<string, Uint8Array>;
  /** What can be read although it is no file: `a folder`. */
  readable?: readonly string[];
  /** Whether the reader writes beside the file. */
  writes?: boolean;
  /** What may be taken in one piece for a file of this size. */
  mostBytes(fileBytes: number): number;
}

/** Text as bytes. */
export const text = (value: string) => new TextEncoder().encode(value);

/** Readers of numbers take at most eight bytes for each byte that there is. */
export const NUMBERS = (fileBytes: number) => 8 * fileBytes + (1 << 20);
/** Images grow as far as deflate can, and 64 MiB are fine for any. */
export const IMAGES = (fileBytes: number) => 1100 * fileBytes + (65 << 20);
