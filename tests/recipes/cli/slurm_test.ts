/**
 * `compare --emit slurm` on a real Slurm (`.ci/start_slurm`): a task that is cancelled and started again, one that is killed,
 * and in the end the comparison that runs on this machine give. Without Slurm it is skipped; `CI_REQUIRE_SLURM=1` fails then.
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import type { Comparison } from "../../../src/eval/comparison.ts";
import { slurmScript } from "../../../recipes/cli/slurm.ts";
import { UserError } from "../../../src/errors.ts";
import { copyOfKit } from "../../kit_copy.ts";

const there = await new Deno.Command("sinfo", { args: ["--noheader"] }).output().then(
  ({ success }) => success,
  () => false,
);
const ignore = !there && Deno.env.get("CI_REQUIRE_SLURM") !== "1";
const name = `Slurm gives what this machine gives, after a cancelled and a killed task${
  ignore ? " (skipped: no Slurm runs here, .ci/start_slurm starts one)" : ""
}`;

Deno.test({ name, ignore }, async () => {
  const copy = await copyOfKit();
  const folder = `${copy} of ours`;
  await Deno.rename(copy, folder);
  try {
    const methods = ["--methods", "zeroshot,coop", "--seeds", "1,2", "--epochs", "150", "--threads", "1"];
    const compare = (...args: string[]) => run("deno", ["task", "-q", "compare", ...methods, ...args], folder);
    const script = `${folder}/compare.slurm`;
    await Deno.writeTextFile(script, (await compare("--emit", "slurm")).stdout);
    const submit = async (...args: string[]) =>
      Number((await run("sbatch", ["--parsable", ...args, script], folder)).stdout);
    const job = await submit();

    // Both while they train: one by its own means, one without a chance to end.
    const seed = (n: number) => `${folder}/runs/eurosat/coop/seed-notebook+epochs=150/sample/shots16/seed${n}`;
    await until(() => isThere(`${seed(1)}/checkpoint.safetensors`), "task 1 has no checkpoint");
    await run("scancel", [`${job}_1`], folder);
    await until(() => isThere(`${seed(2)}/checkpoint.safetensors`), "task 2 has no checkpoint");
    await run("scancel", ["--signal=KILL", "--full", `${job}_2`], folder);
    await ended();
    assertEquals([await isThere(`${seed(1)}/done`), await isThere(`${seed(2)}/done`)], [false, false]);

    const again = await submit("--array=1,2");
    await ended();
    for (const task of [1, 2]) {
      const log = await Deno.readTextFile(`${folder}/runs/slurm/${again}_${task}.log`);
      assertStringIncludes(log, "--threads 1");
      assertStringIncludes(log, "Going on at step ");
    }
    const collected = (await compare("--collect", "--json")).stdout;
    const here = (await compare("--json", "--out", "runs/here", "--quiet")).stdout;
    assertEquals(withoutTimes(collected), withoutTimes(here));

    // A run that fails fails its task.
    const broken = (await Deno.readTextFile(script)).replaceAll("--epochs 150", "--epochs none");
    await Deno.writeTextFile(script, broken);
    const failing = await submit("--array=1");
    await until(async () => (await state(failing)) === "FAILED", "the task did not fail");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** What a script is made of, but for its folder. */
const AT = {
  folder: "/here",
  out: "runs",
  collect: "deno task compare --collect",
  cores: 2,
  needs: { seconds: 0, bytes: 0 },
};

Deno.test("a task of the array job runs its own line, and only that", async () => {
  const folder = await Deno.makeTempDir();
  try {
    // Stands in for Deno: the tasks of this test need not train.
    await Deno.writeTextFile(`${folder}/deno`, '#!/bin/bash\nprintf "%s|" "$@"\n', { mode: 0o755 });
    const jobs = [
      { title: "one", words: ["run", "x.ts", "--seed", "1"] },
      { title: "two", words: ["run", "x.ts", "--init-words", "it's a photo"] },
    ];
    const script = slurmScript(jobs, { ...AT, folder, cores: 4 });
    assertStringIncludes(script, "#SBATCH --array=0-1\n");
    for (
      const [task, expected] of ["run|x.ts|--seed|1|--threads|4|", "run|x.ts|--init-words|it's a photo|--threads|4|"]
        .entries()
    ) {
      const { stdout, code } = await new Deno.Command("bash", {
        args: ["-c", script],
        env: { SLURM_ARRAY_TASK_ID: String(task), SLURM_CPUS_PER_TASK: "4", PATH: `${folder}:${Deno.env.get("PATH")}` },
      }).output();
      assertEquals(code, 0);
      assertEquals(new TextDecoder().decode(stdout).split("\n").at(-1), expected);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("time and memory follow from the estimate, and folders stand as they are or are refused", () => {
  const lines = (options: Partial<typeof AT>) =>
    slurmScript([{ title: "one", words: ["run", "x.ts"] }], { ...AT, ...options }).split("\n");
  const asked = (options: Partial<typeof AT>) =>
    lines(options).filter((line) => /--(mem|time|output|cpus-per-task)/.test(line)).map((line) => line.split("--")[1]);
  assertEquals(asked({}), ["cpus-per-task=2", "mem=2G", "time=00:15:00", 'output="/here/runs/slurm/%A_%a.log"']);
  // Four times 2 h, and twice 3 GiB; a day and more.
  assertEquals(asked({ needs: { seconds: 7200, bytes: 3 * 2 ** 30 } }).slice(1, 3), ["mem=6G", "time=08:00:00"]);
  assertEquals(asked({ needs: { seconds: 8 * 3600, bytes: 0 } })[2], "time=1-08:00:00");
  assertEquals(asked({ folder: "/my own", out: "/other runs" })[3], 'output="/other runs/slurm/%A_%a.log"');
  for (const folder of ["/a\ntouch PWN", '/a"b', "/a%b", "/a\\b"]) {
    assertThrows(() => lines({ folder }), UserError, "Slurm takes no file name with");
  }
});

async function run(command: string, args: string[], cwd: string): Promise<{ stdout: string; stderr: string }> {
  const output = await new Deno.Command(command, { args, cwd, env: { NO_COLOR: "1" } }).output();
  const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert(output.success, `${command} ${args.join(" ")}: ${stderr}`);
  return { stdout, stderr };
}

function isThere(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}

async function state(job: number): Promise<string> {
  return /JobState=(\w+)/.exec((await run("scontrol", ["show", "job", String(job)], "/")).stdout)?.[1] ?? "";
}

/** Waits until no task waits or runs. */
async function ended(): Promise<void> {
  await until(
    async () => (await run("squeue", ["--noheader"], "/")).stdout.trim() === "",
    "tasks are left in the queue",
  );
}

async function until(condition: () => Promise<boolean>, complaint: string): Promise<void> {
  const end = Date.now() + 180_000;
  while (!await condition()) {
    assert(Date.now() < end, complaint);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A comparison without what differs from one time to the next. */
function withoutTimes(json: string): unknown {
  const comparison = JSON.parse(json) as Comparison;
  const timed = /seconds|command|createdAt|finishedAt|path/i;
  const strip = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(strip);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).filter(([key]) => !timed.test(key)).map(([key, item]) => [key, strip(item)]),
    );
  };
  return strip(comparison);
}
