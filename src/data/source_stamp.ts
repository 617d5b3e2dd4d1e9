import type { ImageSource } from "./image_source.ts";

/** What tells that an image's bytes are still the same, without reading them. */
export type ImageStamp = Awaited<ReturnType<ImageSource["stamp"]>>;

/**
 * Files changed in the last 2 seconds are not settled: file systems keep times in steps of up to 2 seconds (FAT), so a
 * later change within the step would leave the stamp as it is.
 */
const UNSETTLED_MS = 2000;

/**
 * The stamp of a file: size, modification time, change time and inode. The change time is the one that no program can
 * set back; it is missing on some systems. `lookedAt` is when the file system was asked, in milliseconds since 1970.
 */
export function fileStamp(info: Deno.FileInfo, lookedAt: number): ImageStamp {
  const { size, mtime, ctime, ino } = info;
  const times = [mtime, ctime].map((time) => time?.getTime());
  // Without a modification time nothing would show a change.
  const changed = mtime === null ? Infinity : Math.max(...times.map((time) => time ?? 0));
  return {
    text: [size, ...times, ino].map((part) => part ?? "-").join(" "),
    settled: changed < lookedAt - UNSETTLED_MS,
  };
}
