/** A real Slurm (`.ci/start_slurm`) for tests of what is emitted for it. Without it they are skipped; `CI_REQUIRE_SLURM=1` fails then. */
import { assert } from "jsr:@std/assert@1.0.19";
import { copyOfKit } from "./kit_copy.ts";

const there = await new Deno.Command("sinfo", { args: ["--noheader"] }).output().then(
  ({ success }) => success,
  () => false,
);
const ignore = !there && Deno.env.get("CI_REQUIRE_SLURM") !== "1";

/** A test in a copy of the kit, in a folder with spaces. */
export function slurmTest(name: string, body: (folder: string) => Promise<void>): void {
  const why = ignore ? " (skipped: no Slurm runs here, .ci/start_slurm starts one)" : "";
  Deno.test({
    name: `${name}${why}`,
    ignore,
    async fn() {
      const copy = await copyOfKit();
      const folder = `${copy} of ours`;
      await Deno.rename(copy, folder);
      try {
        await body(folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

/** What a command prints; it must succeed. */
export async function run(command: string, args: string[], cwd: string): Promise<{ stdout: string; stderr: string }> {
  const output = await new Deno.Command(command, { args, cwd, env: { NO_COLOR: "1" } }).output();
  const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert(output.success, `${command} ${args.join(" ")}: ${stderr}`);
  return { stdout, stderr };
}

/** Whether there is a file or a folder. */
export function isThere(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}

/** What Slurm knows of a job. */
export async function show(job: number | string): Promise<string> {
  return (await run("scontrol", ["show", "job", String(job)], "/")).stdout;
}

/** `RUNNING`, `FAILED`. */
export async function state(job: number): Promise<string> {
  return /JobState=(\w+)/.exec(await show(job))?.[1] ?? "";
}

/** Waits until no task waits or runs. */
export async function ended(): Promise<void> {
  await until(
    async () => (await run("squeue", ["--noheader"], "/")).stdout.trim() === "",
    "tasks are left in the queue",
  );
}

/** Waits for a condition, three minutes at most. */
export async function until(condition: () => Promise<boolean>, complaint: string): Promise<void> {
  const end = Date.now() + 180_000;
  while (!await condition()) {
    assert(Date.now() < end, complaint);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A comparison or a sweep without what differs from one time to the next. */
export function withoutTimes(json: string): unknown {
  const timed = /seconds|command|createdAt|finishedAt|path/i;
  const strip = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(strip);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).filter(([key]) => !timed.test(key)).map(([key, item]) => [key, strip(item)]),
    );
  };
  return strip(JSON.parse(json));
}
