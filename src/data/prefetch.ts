/** Computes the next item while the current one is in use. */
export async function* prefetch<T>(items: AsyncGenerator<T>): AsyncGenerator<T> {
  const ask = () => {
    const promise = items.next();
    // Errors surface when the item is awaited; this keeps an earlier rejection from ending the process.
    promise.catch(() => {});
    return promise;
  };
  let next = ask();
  try {
    for (let item = await next; !item.done; item = await next) {
      next = ask();
      yield item.value;
    }
  } finally {
    await next.catch(() => {});
    await items.return(undefined);
  }
}

/** More at once would only hold more memory: the decoder has four threads. */
const AT_ONCE = 8;

/**
 * Works on all items, a few at a time. After an error no more are begun, and it is thrown when those that are under way
 * have ended: what native threads still decode must not outlive the process.
 *
 * @param items what to work on
 * @param work gets each item and its number
 */
export async function fewAtOnce<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const waiting = items.entries();
  let failed = false;
  const ends = await Promise.allSettled(Array.from({ length: AT_ONCE }, async () => {
    try {
      for (const [index, item] of waiting) {
        if (failed) return;
        await work(item, index);
      }
    } catch (error) {
      failed = true;
      throw error;
    }
  }));
  const broken = ends.find((end) => end.status === "rejected");
  if (broken !== undefined) throw broken.reason;
}
