/** Bounds what is in memory by its bytes: a few large images weigh as much as hundreds of usual ones. */

/** Bytes of image files, or of decoded images, that are held at a time. */
const MOST_HELD = 256 << 20;

/** Does some work that holds so many bytes, when there is room for them. */
export type ByteGate = <T>(bytes: number, work: () => Promise<T>) => Promise<T>;

/** A gate that lets work through as long as all of it together holds few bytes; what is larger than that goes alone. */
export function byteGate(most = MOST_HELD): ByteGate {
  let held = 0;
  let waiting: (() => void)[] = [];
  return async (bytes, work) => {
    while (held > 0 && held + bytes > most) await new Promise<void>((resolve) => waiting.push(resolve));
    held += bytes;
    try {
      return await work();
    } finally {
      held -= bytes;
      const all = waiting;
      waiting = [];
      all.forEach((go) => go());
    }
  };
}
