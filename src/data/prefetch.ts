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
