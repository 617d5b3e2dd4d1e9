/**
 * Asks for the next item while the present one is being worked on.
 *
 * @param items What is iterated over; one item is made ahead.
 */
export async function* prefetch<T>(items: AsyncGenerator<T>): AsyncGenerator<T> {
  const ask = () => {
    const promise = items.next();
    // An error is met when the item is awaited; until then nobody looks at the promise.
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
