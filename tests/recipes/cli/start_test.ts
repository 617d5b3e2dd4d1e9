import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { lacksTypedPath } from "../../../recipes/cli/start.ts";
import { ANCHORED, writeFiles } from "../../method_files.ts";
import { ROOT } from "../../tasks.ts";

const unix = Deno.build.os !== "windows";

Deno.test("typed paths that may be read already are not asked for", async () => {
  assertEquals(await lacksTypedPath(["--methods", "coop,/nowhere/mine.ts", "--data", "/nowhere"]), false);
  assertEquals(await lacksTypedPath([]), false);
});

/** Whether a process lives; one that has ended and was not waited for does not. */
async function lives(pid: number): Promise<boolean> {
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "stat=", "-p", String(pid)] }).output();
  const state = new TextDecoder().decode(stdout).trim();
  return state !== "" && !state.startsWith("Z");
}

Deno.test({ name: "a starter that is killed takes the recipe along", ignore: !unix }, async () => {
  const folder = await writeFiles({ "anchored.ts": ANCHORED });
  const args = ["--train", "base", "--epochs", "5000", "--out", `${folder}/runs`];
  const starter = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-env=INIT_CWD", `--allow-run=${Deno.execPath()}`, "recipes/run.ts", "anchored.ts", ...args],
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1", INIT_CWD: folder },
  }).spawn();
  try {
    let said = "";
    const stderr = starter.stderr.pipeThrough(new TextDecoderStream());
    for await (const text of stderr.values({ preventCancel: true })) {
      said += text;
      if (said.includes("epoch 2/5000")) break;
    }
    assert(said.includes("epoch 2/5000"), said);
    // The lock of the run names the process that trains.
    const place = `${folder}/runs/eurosat/anchored/seed-notebook+epochs=5000/sample/shots16/seed1`;
    const pid = Number(/\d+/.exec(await Deno.readTextFile(`${place}/.lock`))![0]);
    assert(pid !== starter.pid && await lives(pid), `${pid}`);
    starter.kill("SIGTERM");
    await stderr.cancel();
    const { code } = await starter.status;
    assert(code !== 0);
    assertEquals(await lives(pid), false);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
