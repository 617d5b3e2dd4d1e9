/** The server of pages: what it shows, what it refuses, and to whom. */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@1.0.19";
import { ask, served } from "../../served.ts";

Deno.test("a folder is served to this machine, read-only, and nothing outside of it", async () => {
  const parent = await Deno.realPath(await Deno.makeTempDir());
  const folder = `${parent}/page`;
  await Deno.mkdir(`${folder}/part`, { recursive: true });
  await Deno.writeTextFile(`${folder}/index.html`, "<p>a page</p>");
  await Deno.writeTextFile(`${folder}/part/a b.wasm`, "\0asm");
  await Deno.writeTextFile(`${folder}/.page.1.2.partial`, "half");
  await Deno.writeTextFile(`${parent}/secret.txt`, "secret");
  await Deno.symlink(`${parent}/secret.txt`, `${folder}/link.txt`);
  try {
    await using server = await served([folder], { reads: parent });
    const { port } = server;
    assertMatch(server.line, /^.*\/page: http:\/\/127\.0\.0\.1:\d+\/ \(Ctrl-C ends it\)$/);
    const page = await ask(port, "/");
    assertEquals([page.status, page.text], [200, "<p>a page</p>"]);
    assertEquals(page.headers.get("content-type"), "text/html; charset=utf-8");
    assertMatch(page.headers.get("content-security-policy")!, /^default-src 'self' data: blob: [^;]*;/);
    const wasm = await ask(port, "/part/a%20b.wasm", { method: "HEAD" });
    assertEquals([wasm.status, wasm.text, wasm.headers.get("content-length")], [200, "", "4"]);
    assertEquals(wasm.headers.get("content-type"), "application/wasm");
    for (
      const path of [
        "/link.txt",
        "/.page.1.2.partial",
        "/part",
        "/nothing",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/part/..%2f..%2fsecret.txt",
        "/part%2fa%20b.wasm",
        "/..%5csecret.txt",
        "/index.html%00",
        "/%ff",
      ]
    ) {
      const { status, text } = await ask(port, path);
      assertEquals([status, text], [404, "There is nothing here.\n"], path);
    }
    for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1", `127.0.0.1:${port + 1}`]) {
      assertEquals((await ask(port, "/", { host })).status, 421, host);
    }
    assertEquals((await ask(port, "/", { host: `localhost:${port}` })).status, 200);
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      assertEquals((await ask(port, "/", { method })).status, 405, method);
    }
    const other = await served([folder, "--port", String(port)], { reads: parent }).catch(String);
    assert(
      String(other).includes(`error: Port ${port} is in use: give another with --port ${port + 1}`),
      String(other),
    );
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});
