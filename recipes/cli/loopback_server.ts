/**
 * A small web server for pages of the kit: this machine alone reaches it, it changes nothing, and what it serves can load
 * nothing from elsewhere.
 */
import { extname, join } from "node:path";
import { UserError } from "../../src/errors.ts";
import { infoOf, throwFileError } from "../../src/files.ts";
import { wholeNumber } from "../../src/methods/setting.ts";

/** Other machines cannot reach this address. */
const HOSTNAME = "127.0.0.1";

/** The flag. */
export const portSetting = wholeNumber({
  section: "Output",
  help: "port of this machine; 0 takes one that is free",
  default: 8017,
  most: 65535,
});

/** What stands at a path. */
export interface Content {
  body: BodyInit;
  /** As the name of a file has it, `.html` or `.svg`. */
  extension: string;
  /** Bytes of a body that is a stream. */
  length?: number;
}

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".csv": "text/plain; charset=utf-8",
  ".jsonl": "text/plain; charset=utf-8",
  ".md": "text/plain; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
  ".yaml": "text/plain; charset=utf-8",
  ".json": "application/json",
  ".jpg": "image/jpeg",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/** Pages may hold what they need inside, and load nothing from elsewhere; pages from elsewhere may load nothing of theirs. */
const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'self' data: blob: 'unsafe-inline' 'wasm-unsafe-eval'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  // Both are needed for memory that threads of WebAssembly share.
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/**
 * Serves until the process is stopped. `find` is asked with the parts of a path, none for the root; undefined is "not found".
 *
 * @throws {UserError} when the port is in use or may not be used
 */
export async function serveOnLoopback(
  { port, what, find }: {
    port: number;
    /** What is served, for the line that names its address. */
    what: string;
    find(path: readonly string[]): Promise<Content | undefined>;
  },
): Promise<void> {
  const server = listen(port, async (request, hosts) => {
    // A page from elsewhere can make its own name lead here; the name is then in this header.
    if (!hosts.includes(request.headers.get("host") ?? "")) {
      return plain(421, "This server answers to 127.0.0.1 alone.");
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return plain(405, "This server only shows.", { allow: "GET, HEAD" });
    }
    const path = pathOf(request.url);
    const found = path && await find(path);
    if (!found) return plain(404, "There is nothing here.");
    const headers = new Headers({ ...HEADERS, "content-type": TYPES[found.extension] ?? "application/octet-stream" });
    if (found.length !== undefined) headers.set("content-length", String(found.length));
    if (request.method === "GET") return new Response(found.body, { headers });
    if (found.body instanceof ReadableStream) await found.body.cancel();
    return new Response(null, { headers });
  });
  console.log(`${what}: http://${HOSTNAME}:${server.addr.port}/ (Ctrl-C ends it)`);
  await server.finished;
}

function listen(
  port: number,
  answer: (request: Request, hosts: readonly string[]) => Promise<Response>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    const server: Deno.HttpServer<Deno.NetAddr> = Deno.serve({
      hostname: HOSTNAME,
      port,
      onListen() {},
      onError(error) {
        console.error(`error: ${error instanceof Error ? error.message : error}`);
        return plain(500, "This cannot be read; the terminal says why.");
      },
    }, (request) => answer(request, [HOSTNAME, "localhost"].map((name) => `${name}:${server.addr.port}`)));
    return server;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) {
      throw new UserError(`Port ${port} is in use: give another with --port ${port + 1}, or --port 0 for any.`);
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new UserError(`Port ${port} is not for everyone: give one from 1024, or --port 0 for any.`);
    }
    throw error;
  }
}

function plain(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(`${text}\n`, { status, headers: { ...HEADERS, "content-type": TYPES[".txt"], ...headers } });
}

/** The parts of a path; undefined where one leads elsewhere, or is hidden as unfinished files are. */
function pathOf(url: string): string[] | undefined {
  try {
    // Each part by itself: a slash within one, written as %2F, is no part's end.
    const parts = new URL(url).pathname.split("/").filter((part) => part !== "").map(decodeURIComponent);
    return parts.some((part) => part.startsWith(".") || /[\\/\0]/.test(part)) ? undefined : parts;
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** The files of a folder, and `index.html` for the folder itself. Links that lead out of it are not there. */
export function filesOf(folder: string): (path: readonly string[]) => Promise<Content | undefined> {
  return async (path) => {
    const asked = join(folder, ...path);
    const file = (await infoOf(asked))?.isDirectory ? join(asked, "index.html") : asked;
    const info = await infoOf(file);
    if (!info?.isFile || !await isInside(file, folder)) return undefined;
    const opened = await Deno.open(file, { read: true }).catch(throwFileError(file, "read"));
    return { body: opened.readable, extension: extname(file).toLowerCase(), length: info.size };
  };
}

async function isInside(file: string, folder: string): Promise<boolean> {
  const [inner, outer] = await Promise.all([file, folder].map((path) => Deno.realPath(path)));
  return inner.startsWith(outer.endsWith("/") ? outer : `${outer}/`);
}
