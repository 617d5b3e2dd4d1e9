/** The commands that a download without a permission names: they work when typed, whatever is in the path. */
import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { ROOT } from "../tasks.ts";

/** The refusal of a download that may read and write `data` alone, and reach these hosts. */
async function refusal(source: string, hosts: string[] = []): Promise<string> {
  const net = hosts.length === 0 ? [] : [`--allow-net=${hosts.join(",")}`];
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-read=data", "--allow-write=data", ...net, "recipes/download.ts", "eurosat"]
      .concat(
        ["--source", source],
      ),
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 2);
  return new TextDecoder().decode(stderr).trimEnd().split("\n").at(-1)!;
}

Deno.test("the source's path stands quoted in the command that would be allowed to read it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const source = `${folder}/sp ace;touch PWN`;
    const line = await refusal(source);
    const [, command] = line.split(" Run: ");
    // What the shell makes of it: one word each, and nothing is run.
    const { stdout } = await new Deno.Command("bash", {
      args: ["-c", `deno() { printf '%s\\n' "$@"; }; ${command}`],
      cwd: folder,
    }).output();
    const words = new TextDecoder().decode(stdout).trimEnd().split("\n");
    assert(words.includes(`--allow-read=data,${source}`), line);
    assertEquals(words.slice(-2), ["--source", source]);
    assertEquals(await Array.fromAsync(Deno.readDir(folder)), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a redirect's host is among those of the command", async () => {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response(null, { status: 302, headers: { location: "http://localhost:8999/EuroSAT.zip" } }),
  );
  const host = `127.0.0.1:${server.addr.port}`;
  assertStringIncludes(
    await refusal(`http://${host}/EuroSAT.zip`, [host]),
    `,${host},localhost:8999 recipes/download.ts`,
  );
});

Deno.test("an address that cannot be one is refused", async () => {
  for (const address of ["http://", "http://127.0.0.1:99999"]) {
    assertEquals(await refusal(address), `error: ${address} is no address that can be: check host and port.`);
  }
});
