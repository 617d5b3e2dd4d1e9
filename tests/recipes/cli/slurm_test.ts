/**
 * `compare --emit slurm` on a real Slurm (`.ci/start_slurm`): a task that is cancelled and started again, one that is killed,
 * and in the end the comparison that runs on this machine give; and image features as an array before the runs.
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { type SlurmOptions, slurmScript } from "../../../recipes/cli/slurm.ts";
import { UserError } from "../../../src/errors.ts";
import { sha256Hex } from "../../../src/files.ts";
import { ended, isThere, run, show, slurmTest, state, until, withoutTimes } from "../../slurm.ts";

slurmTest("Slurm gives what this machine gives, after a cancelled and a killed task", async (folder) => {
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
});

slurmTest(
  "image features come before the runs; a run computes what a cancelled task and a damaged file leave",
  async (folder) => {
    const on = "--data data/tiny --shots 2 --methods coop --seeds 1 --epochs 2 --threads 1".split(" ");
    const compare = (...args: string[]) => run("deno", ["task", "-q", "compare", ...on, ...args], folder);
    const script = `${folder}/compare.slurm`;
    await Deno.writeTextFile(script, (await compare("--emit", "slurm", "--feature-tasks", "2")).stdout);
    const submit = async () =>
      /: job (\d+), tasks 1 to 2\. Runs: job (\d+),/.exec((await run("bash", [script], folder)).stdout)!;
    const linesOf = async (job: string) =>
      (await Deno.readTextFile(`${folder}/runs/slurm/${job}_0.log`)).split("\n").filter((line) =>
        /^(Image feat|\d+ dam)/.test(line)
      );

    const [, , first] = await submit();
    await ended();
    const lines = await linesOf(first);
    assertEquals([lines.length, lines.filter((line) => line.endsWith("the image tower did not run.")).length], [4, 4]);
    const features = await storedFeatures(folder);

    for (const path of ["runs/tiny", ".cache"]) await Deno.remove(`${folder}/${path}`, { recursive: true });
    const [, parts, runs] = await submit();
    await run("scancel", [`${parts}_2`], folder);
    await until(async () => (await show(`${parts}_1`)).includes("JobState=COMPLETED"), "the other task does not end");
    await until(async () => (await show(runs)).includes("Reason=DependencyNeverSatisfied"), "the runs do not wait");
    const [damaged, ...others] = [...(await storedFeatures(folder)).keys()];
    assert(others.length > 0 && others.length + 1 < features.size, "the first part is not there, or more than that");
    await Deno.writeTextFile(damaged, "damaged");
    await run("scontrol", ["update", `JobId=${runs}`, "Dependency="], folder);
    await ended();
    const after = (await linesOf(runs)).join("\n");
    assertStringIncludes(after, "1 damaged files of the feature cache were computed again.");
    assertStringIncludes(after, "the image tower did not run.");
    assertEquals(await storedFeatures(folder), features);
    const comparison = withoutTimes((await compare("--collect", "--json")).stdout);

    await Deno.remove(`${folder}/.cache`, { recursive: true });
    const here = (await compare("--json", "--out", "runs/here", "--quiet")).stdout;
    assertEquals(withoutTimes(here), comparison);
    assertEquals(await storedFeatures(folder), features);
  },
);

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

Deno.test("bash submits the features and, if all goes well, the runs; without features the runs alone", async () => {
  const folder = await Deno.makeTempDir();
  try {
    // Stands in for Slurm and for Deno.
    const echo = (more = "") =>
      `#!/bin/bash\nprintf "%s|" "$@" >> "${folder}/called"\necho >> "${folder}/called"\n${more}`;
    await Deno.writeTextFile(`${folder}/sbatch`, echo("echo '7;north'"), { mode: 0o755 });
    await Deno.writeTextFile(`${folder}/deno`, echo(), { mode: 0o755 });
    const features = {
      tasks: 3,
      needs: { seconds: 7200, bytes: 3 * 2 ** 30 },
      words: ["run", "f.ts", "--data", "my data"],
    };
    const path = `${folder}/it's a script`;
    const bash = async (options: Partial<SlurmOptions>, args: string[] = [], task = "") => {
      await Deno.writeTextFile(
        path,
        slurmScript([{ title: "one", words: ["run", "x.ts"] }], { ...AT, folder, ...options }),
      );
      const env = { SLURM_ARRAY_TASK_ID: task, SLURM_CPUS_PER_TASK: "4", PATH: `${folder}:${Deno.env.get("PATH")}` };
      await new Deno.Command("bash", { args: [path, ...args], env }).output();
      const called = await Deno.readTextFile(`${folder}/called`);
      await Deno.remove(`${folder}/called`);
      return called.trim().split("\n");
    };
    assertEquals(await bash({ features }), [
      `--parsable|--job-name=clip-features|--array=1-3|--mem=6G|--time=08:00:00|${path}|features|`,
      `--parsable|--dependency=afterok:7|${path}|`,
    ]);
    assertEquals(await bash({}), [`${path}|`]);
    assertEquals(await bash({ features }, ["features"], "3"), ["run|f.ts|--data|my data|--part|3/3|--threads|4|"]);
    assertEquals(await bash({ features }, [], "0"), ["run|x.ts|--threads|4|"]);
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

/** The files of the store, with the hashes of their bytes. */
async function storedFeatures(folder: string): Promise<Map<string, string>> {
  const [model] = await Array.fromAsync(Deno.readDir(`${folder}/.cache/features`));
  const at = `${folder}/.cache/features/${model.name}`;
  const names = (await Array.fromAsync(Deno.readDir(at))).map(({ name }) => `${at}/${name}`).sort();
  return new Map(await Promise.all(names.map(async (path) => [path, await sha256Hex(path)] as const)));
}
