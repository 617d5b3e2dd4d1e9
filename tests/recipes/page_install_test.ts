/** ONNX Runtime for browsers: asked for before a page is begun, fetched by its hash, and refused in one sentence without network. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { RUNTIME } from "../../recipes/cli/page_runtime.ts";
import { sha256Hex } from "../../src/files.ts";
import { copyOfKit } from "../kit_copy.ts";
import { ensureRuntime } from "../page_runtime.ts";
import { ROOT } from "../tasks.ts";

async function task(kit: string, words: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", ...words],
    cwd: kit,
    stdin: "null",
    env: { NO_COLOR: "1", ...env },
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
  return { code, out, err };
}

Deno.test("a page is refused before anything is computed, then its parts are fetched, and fetched once", async () => {
  const kit = await copyOfKit();
  try {
    const words = ["export", "--classes", "river,forest", "--page", "--out", "runs/page"];
    const { code, err } = await task(kit, words);
    const sentence = err.split("\n").at(-1)!;
    assertEquals(code, 2, err);
    assertEquals(
      sentence,
      "error: A page carries ONNX Runtime for browsers, which is fetched once: run deno task page:install (34 MB to " +
        "download, 14 MB on disk), then this again.",
    );
    const isThere = (path: string) => Deno.stat(`${kit}/${path}`).then(() => true, () => false);
    assertEquals(await isThere("runs"), false);

    // A registry that nobody answers for, and nothing stored.
    const offline = await task(kit, ["page:install", "--quiet"], {
      NPM_CONFIG_REGISTRY: "http://127.0.0.1:9/",
    });
    assertEquals(offline.code, 2, offline.err);
    const said = offline.err.split("\n").filter((line) => line.startsWith("error: "));
    assertEquals(said.length, 1, offline.err);
    assert(said[0].startsWith("error: ONNX Runtime for browsers cannot be downloaded ("), said[0]);
    assert(said[0].endsWith("): try again."), said[0]);
    assertEquals(await isThere("node_modules/.page/1.30.0"), false);

    const first = await task(kit, ["page:install"]);
    assertEquals(first.code, 0, first.err);
    assert(first.err.includes("Fetching ONNX Runtime for browsers from npm, 34 MB"), first.err);
    const again = await task(kit, ["page:install"]);
    assertEquals(again.err.includes("Fetching"), false, again.err);
    assertEquals([...Deno.readDirSync(`${kit}/node_modules/.page`)].map(({ name }) => name), ["1.30.0"]);
    assertEquals(await isThere(".cache/page"), false);
    await ensureRuntime();
    for (const name of RUNTIME) {
      const path = `node_modules/.page/1.30.0/${name}`;
      assertEquals(await sha256Hex(`${kit}/${path}`), await sha256Hex(`${ROOT}${path}`));
    }
    assertEquals((await task(kit, words)).code, 0);
    assert(await isThere("runs/page/index.html"));
  } finally {
    await Deno.remove(kit, { recursive: true });
  }
});

Deno.test("the lock file of the package has a hash for each part, and names no registry", async () => {
  const text = await Deno.readTextFile(`${ROOT}data/onnxruntime-web.lock.json`);
  const { specifiers, npm } = JSON.parse(text) as {
    specifiers: Record<string, string>;
    npm: Record<string, { integrity?: string }>;
  };
  assertEquals(specifiers, { "npm:onnxruntime-web@1.30.0": "1.30.0" });
  for (const [name, { integrity }] of Object.entries(npm)) assert(integrity?.startsWith("sha512-"), name);
  assert(!/https?:/.test(text));
});
