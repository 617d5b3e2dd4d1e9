/** Recipes run from a URL, in an empty folder, on a machine that has no file of the kit. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { type KitServer, serveKit } from "../kit_server.ts";

/** A folder to stand in, and a cache that holds packages of npm and nothing else. */
interface Machine extends AsyncDisposable {
  folder: string;
  cache: string;
}

async function emptyMachine(): Promise<Machine> {
  const top = await Deno.realPath(await Deno.makeTempDir({ prefix: "clip-prompts-" }));
  const [folder, cache] = [`${top}/here`, `${top}/cache`];
  await Deno.mkdir(folder);
  await Deno.mkdir(cache);
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  await Deno.symlink(JSON.parse(new TextDecoder().decode(stdout)).npmCache, `${cache}/npm`);
  return { folder, cache, [Symbol.asyncDispose]: () => Deno.remove(top, { recursive: true }) };
}

async function type(command: string, { folder, cache }: Machine, { jsr }: KitServer) {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", command.replace(/^deno /, `'${Deno.execPath()}' `)],
    cwd: folder,
    stdin: "null",
    env: { NO_COLOR: "1", DENO_DIR: cache, JSR_URL: jsr },
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** The command in the one line that a recipe ends with when it has too few permissions. */
function advised({ code, stderr }: { code: number; stderr: string }): string {
  assertEquals(code, 2, stderr);
  // Deno itself tells of what it downloads, on other lines.
  const lines = stderr.trimEnd().split("\n").filter((line) => /^error:|^\s+at |Uncaught/.test(line));
  assertEquals(lines.length, 1, stderr);
  return /^error: Deno was started without a permission that this recipe needs \(.*\)\. Run: (deno run .*)$/
    .exec(lines[0])![1];
}

Deno.test("recipes train and evaluate from a URL, with the permissions that they name themselves", async (t) => {
  await using server = serveKit();
  await using machine = await emptyMachine();
  const url = `http://${server.host}/recipes`;
  const names = async (path: string) =>
    (await Array.fromAsync(Deno.readDir(`${machine.folder}/${path}`))).map(({ name }) => name).sort();

  await t.step("cocoop", async () => {
    const line = `${url}/cocoop.ts --train base --eval base --shots 1 --epochs 2 --quiet`;
    const command = advised(await type(`deno run ${line}`, machine, server));
    assert(command.endsWith(` ${line}`), command);
    // The host of the recipe, and no other; no file beyond the folder that it is started in.
    assert(command.includes(` --allow-net=${server.host} `), command);
    for (const [, paths] of command.matchAll(/--allow-(?:read|write)=(\S+)/g)) {
      assert(paths.split(",").every((path) => !path.startsWith("/") || path === "/usr/bin/ldd"), command);
    }
    assertEquals(await names(""), []);
    const { code, stdout, stderr } = await type(command, machine, server);
    assertEquals(code, 0, stderr);
    assert(/^cocoop, seed 1, base: accuracy \d\d\.\d\d %/.test(stdout), stdout);
    assertEquals(await names(".cache/sample"), ["features.safetensors", "model.safetensors"]);
    const run = "runs/eurosat/cocoop/seed-notebook+epochs=2/sample/shots1/seed1";
    const written = await names(run);
    for (const name of ["checkpoint-0002.safetensors", "report-base.json", "report.html", "done"]) {
      assert(written.includes(name), written.join(", "));
    }
    // A command that can be typed again: there is no task here.
    const report = JSON.parse(await Deno.readTextFile(`${machine.folder}/${run}/report-base.json`));
    assertEquals(report.run.command, `deno run ${line}`);
  });

  await t.step("zero-shot, with results elsewhere", async () => {
    const line = `${url}/zero_shot.ts --eval new --out ../results --quiet`;
    const command = advised(await type(`deno run ${line}`, machine, server));
    const { code, stderr } = await type(command, machine, server);
    assertEquals(code, 0, stderr);
    assert((await names("../results/eurosat/zeroshot/single/sample")).includes("report-new.json"));
  });

  await t.step("--help needs no permission", async () => {
    const { code, stdout, stderr } = await type(`deno run ${url}/coop.ts --help`, machine, server);
    assertEquals(code, 0, stderr);
    assert(stdout.includes("--context-tokens N"), stdout);
  });
});
