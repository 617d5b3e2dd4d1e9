import { assertEquals } from "jsr:@std/assert@1.0.19";
import { ROOT } from "./tasks.ts";

const TYPES: Record<string, string> = { ts: "text/typescript", json: "application/json" };

/** Serves the repository's files as any static server would. */
function serve(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const path = decodeURIComponent(new URL(request.url).pathname).slice(1);
    try {
      const file = await Deno.open(ROOT + path);
      return new Response(file.readable, {
        headers: { "content-type": TYPES[path.split(".").at(-1)!] ?? "application/octet-stream" },
      });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Response(path, { status: 404 });
      throw error;
    }
  });
}

Deno.test("mod.ts works from a URL, in a folder without any configuration", async () => {
  const server = serve();
  const folder = await Deno.makeTempDir();
  try {
    const host = `127.0.0.1:${server.addr.port}`;
    await Deno.writeTextFile(
      `${folder}/main.ts`,
      `import { loadTokenizer } from "http://${host}/mod.ts";
       console.log(JSON.stringify((await loadTokenizer()).encode("a photo of a")));`,
    );
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--check",
        "--no-prompt",
        `--reload=http://${host}`,
        `--allow-import=${host}`,
        `--allow-net=${host}`,
        "main.ts",
      ],
      cwd: folder,
      stdin: "null",
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertEquals(JSON.parse(new TextDecoder().decode(stdout)), [320, 1125, 539, 320]);
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});
