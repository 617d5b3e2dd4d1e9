/** Reading files that have no size, those that the system makes up as they are read. */
import { UserError } from "./errors.ts";

/** What is to be had it has at once; `/proc/kmsg` has nothing until something happens. */
const PATIENCE_MS = 2000;

/**
 * Reads as `file.read` does, and not for ever.
 *
 * @throws {UserError} when nothing comes
 */
export async function readPromptly(
  file: Pick<Deno.FsFile, "read">,
  block: Uint8Array,
  { path, what, patience = PATIENCE_MS }: { path: string; what: string; patience?: number },
): Promise<number | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new UserError(
      `Cannot read ${what} ${path}: it has no bytes yet and may never have any, give a file.`,
    );
    timer = setTimeout(() => reject(error), patience);
  });
  try {
    return await Promise.race([file.read(block), late]);
  } finally {
    clearTimeout(timer);
  }
}
