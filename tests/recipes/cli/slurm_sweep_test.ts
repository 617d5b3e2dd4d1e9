/**
 * `sweep --emit slurm` on a real Slurm: features first, a setting that a cancelled task leaves without a seed, what is missing
 * emitted again, what is chosen after it, and in the end the sweep of this machine.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import type { Sweep } from "../../../src/eval/sweep.ts";
import { ended, isThere, run, slurmTest, withoutTimes } from "../../slurm.ts";

slurmTest(
  "a sweep on Slurm: features, settings, what is chosen; a cancelled task is told and emitted again",
  async (folder) => {
    const on =
      "--method coop --vary lr=0.0025 --vary views=0,1 --data data/tiny --shots 2 --seeds 1,2 --epochs 1 --threads 1"
        .split(" ");
    const sweep = (...args: string[]) => run("deno", ["task", "-q", "sweep", ...on, ...args], folder);
    const script = `${folder}/sweep.slurm`;
    const emit = async () => {
      const { stdout, stderr } = await sweep("--emit", "slurm", "--feature-tasks", "2");
      await Deno.writeTextFile(script, stdout);
      return { stderr, lines: stdout.split("\n").filter((line) => /^\d+\) run/.test(line)) };
    };
    const collected = async () => JSON.parse((await sweep("--collect", "--json")).stdout) as Sweep;

    const first = await emit();
    assertEquals(first.lines.length, 4);
    assertEquals(first.lines.filter((line) => line.includes("--eval val ")).length, 4);
    const next = first.stderr.trim().split("\n").at(-1)!;
    assertMatch(next, /When they have ended: deno task sweep --method coop --vary lr=0.0025 --vary views=0,1 /);
    assertEquals(next.includes("--emit") || next.includes("--feature-tasks"), false, next);

    const submitted = (await run("bash", [script], folder)).stdout;
    const [, features, runs] = /Image features: job (\d+), tasks 1 to 2\. Runs: job (\d+),/.exec(submitted)!;
    // It waits for the features, so that it surely has not run.
    await run("scancel", [`${runs}_3`], folder);
    await ended();
    assertEquals(await isThere(`${folder}/runs/slurm/${features}_2.log`), true);
    const log = await Deno.readTextFile(`${folder}/runs/slurm/${runs}_2.log`);
    assertStringIncludes(log, "the image tower did not run.");
    const without = await collected();
    assertEquals(without.warnings.filter(({ kind }) => kind === "missing").map(({ text }) => text), [
      "lr 0.0025, views 1: seed 2 is missing, so it is not among those to choose from.",
    ]);
    assertEquals(without.settings.map(({ validation }) => validation?.perSeed.length), [2, 1]);
    assertEquals(without.chosen?.test, null);

    const second = await emit();
    assertEquals(second.lines.length, 1);
    assertStringIncludes(second.lines[0], "--seeds 2 --eval val ");
    const again = (await run("bash", [script], folder)).stdout;
    assertMatch(again, /^Submitted batch job \d+\n$/);
    await ended();

    const third = await emit();
    assertEquals(third.lines.map((line) => /--seeds (\d) --eval (\S+)/.exec(line)!.slice(1)), [
      ["1", "base,new"],
      ["2", "base,new"],
    ]);
    const tests = /\d+/.exec((await run("bash", [script], folder)).stdout)![0];
    await ended();
    // Test images are among the features that the first script had computed.
    assertStringIncludes(
      await Deno.readTextFile(`${folder}/runs/slurm/${tests}_0.log`),
      "the image tower did not run.",
    );
    const here = (await sweep("--json", "--out", "runs/here", "--quiet")).stdout;
    const { chosen } = await collected();
    assertEquals(chosen!.test!.runs.length, 4);
    assertEquals(withoutTimes((await sweep("--collect", "--json")).stdout), withoutTimes(here));
    assertStringIncludes((await sweep("--emit", "slurm")).stderr, "All runs are there: nothing to emit.");
  },
);
