/** A server on this machine that misbehaves on request, for tests of downloads. */

/** How the server answers; may change from request to request. */
export type Behaviour = (request: Request, count: number) => Response | Promise<Response>;

/** A running server. */
export interface Loopback {
  /** Address without a slash at its end. */
  url: string;
  /** The `Range` headers of all requests, in order. */
  ranges: (string | null)[];
  close(): Promise<void>;
}

/** Starts a server; `count` is 0 for the first request. */
export function serve(behave: Behaviour): Loopback {
  const ranges: (string | null)[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, onError: () => new Response(null) },
    (request) => {
      ranges.push(request.headers.get("range"));
      return behave(request, ranges.length - 1);
    },
  );
  return { url: `http://127.0.0.1:${server.addr.port}`, ranges, close: () => server.shutdown() };
}

/** Answers as a good server does, with ranges. */
export function wellBehaved(bytes: Uint8Array<ArrayBuffer>, options: { etag?: string; type?: string } = {}): Behaviour {
  return (request) => {
    const headers = new Headers({ "content-type": options.type ?? "application/octet-stream" });
    if (options.etag) headers.set("etag", options.etag);
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1] ?? NaN);
    const unchanged = [null, options.etag].includes(request.headers.get("if-range"));
    if (!Number.isInteger(from) || !unchanged) return new Response(bytes, { headers });
    headers.set("content-range", `bytes ${from >= bytes.length ? "*" : `${from}-${bytes.length - 1}`}/${bytes.length}`);
    if (from >= bytes.length) return new Response(null, { status: 416, headers });
    return new Response(bytes.subarray(from), { status: 206, headers });
  };
}

/** Sends `count` bytes of those that were asked for, and then breaks off or falls silent. */
export function cutAfter(
  count: number,
  bytes: Uint8Array<ArrayBuffer>,
  options: { etag?: string; stall?: boolean; ranges?: boolean } = {},
): Behaviour {
  return (request) => {
    const asked = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
    const from = options.ranges === false ? 0 : asked;
    const headers = new Headers({ "content-length": String(bytes.length - from) });
    if (options.etag) headers.set("etag", options.etag);
    if (from > 0) headers.set("content-range", `bytes ${from}-${bytes.length - 1}/${bytes.length}`);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes.subarray(from, from + count));
        if (!options.stall) timer = setTimeout(() => controller.error(new Error("cut off")), 20);
      },
      cancel: () => clearTimeout(timer),
    });
    return new Response(body, { status: from > 0 ? 206 : 200, headers });
  };
}
