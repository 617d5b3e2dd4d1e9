/** The kit as a static server would serve it, and beside it a JSR registry that holds the stand-ins of its packages. */
import { sha256Hex } from "../src/files.ts";
import { ROOT } from "./tasks.ts";

const TYPES: Record<string, string> = { ts: "text/typescript", json: "application/json" };

/** Running servers on this machine. */
export interface KitServer extends AsyncDisposable {
  /** Host and port of the kit. */
  host: string;
  /** For the variable `JSR_URL`. */
  jsr: string;
}

/** Serves both. */
export function serveKit(): KitServer {
  const kit = start((path) => fileResponse(ROOT + path));
  const jsr = start(jsrResponse);
  return {
    host: `127.0.0.1:${kit.addr.port}`,
    jsr: `http://127.0.0.1:${jsr.addr.port}/`,
    async [Symbol.asyncDispose]() {
      await Promise.all([kit.shutdown(), jsr.shutdown()]);
    },
  };
}

function start(answer: (path: string) => Promise<Response>): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const path = decodeURIComponent(new URL(request.url).pathname).slice(1);
    try {
      return await answer(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Response(path, { status: 404 });
      throw error;
    }
  });
}

async function fileResponse(path: string): Promise<Response> {
  const file = await Deno.open(path);
  const type = TYPES[path.split(".").at(-1)!] ?? "application/octet-stream";
  return new Response(file.readable, { headers: { "content-type": type } });
}

/** `@std/cli/meta.json`, `@std/cli/1.0.30_meta.json` or `@std/cli/1.0.30/parse_args.ts`. */
async function jsrResponse(path: string): Promise<Response> {
  const [, name, rest] = /^@std\/(\w+)\/(.+)$/.exec(path) ?? [];
  if (name === undefined) throw new Deno.errors.NotFound(path);
  const folder = `${ROOT}tests/stand_ins/${name}`;
  const { version, exports } = JSON.parse(await Deno.readTextFile(`${folder}/deno.json`));
  if (rest === "meta.json") {
    return Response.json({ scope: "std", name, latest: version, versions: { [version]: {} } });
  }
  if (rest === `${version}_meta.json`) {
    const manifest: Record<string, { size: number; checksum: string }> = {};
    for await (const { name: file } of Deno.readDir(folder)) {
      const bytes = await Deno.readFile(`${folder}/${file}`);
      manifest[`/${file}`] = { size: bytes.length, checksum: `sha256-${await sha256Hex(bytes)}` };
    }
    return Response.json({ manifest, exports: typeof exports === "string" ? { ".": exports } : exports });
  }
  if (!rest.startsWith(`${version}/`)) throw new Deno.errors.NotFound(path);
  return await fileResponse(`${folder}/${rest.slice(version.length + 1)}`);
}
