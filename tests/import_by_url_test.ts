import { assertEquals } from "jsr:@std/assert@1.0.19";
import { serveKit } from "./kit_server.ts";

Deno.test("mod.ts works from a URL, in a folder without any configuration and without JSR", async () => {
  await using server = serveKit();
  const { host } = server;
  const folder = await Deno.makeTempDir();
  try {
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
      // Nothing answers there.
      env: { NO_COLOR: "1", JSR_URL: "http://127.0.0.1:9/" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertEquals(JSON.parse(new TextDecoder().decode(stdout)), [320, 1125, 539, 320]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
