import { assert, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { jobOf } from "../../../recipes/cli/compare_jobs.ts";
import { readCompareSettings } from "../../../recipes/cli/compare_settings.ts";
import { UserError } from "../../../src/errors.ts";
import { KIT_METHODS } from "../../../src/methods/kit.ts";
import { learnsPrompts, type Method } from "../../../src/methods/method.ts";
import { planComparison } from "../../../src/run/comparison_runs.ts";
import { SILENT } from "../../../src/run/progress.ts";
import { ANCHORED, writeFiles } from "../../method_files.ts";
import { readTasks, ROOT } from "../../tasks.ts";

async function plan(line: string) {
  const settings = await readCompareSettings(line === "" ? [] : line.split(" "));
  const { runs, without } = await planComparison(settings, { progress: SILENT });
  const jobs = runs.map((run) => jobOf(run, settings));
  return { runs, without, jobs, lines: jobs.map(({ words }) => words.join(" ")) };
}
/** The value of a flag in a run's command. */
const after = (words: readonly string[], flag: string) => words[words.indexOf(flag) + 1];
const noNewClasses = (method: Method) => learnsPrompts(method) ? undefined : method.noNewClasses;

Deno.test("every method of the kit has its recipe and its task", async () => {
  const commands = readTasks().map(({ command }) => command);
  const { jobs } = await plan("--methods all --data sample --seeds 1 --eval base");
  assertEquals(jobs.length, KIT_METHODS.length);
  for (const [i, { words }] of jobs.entries()) {
    const script = words.find((word) => word.startsWith("recipes/"))!;
    assert((await Deno.stat(`${ROOT}${script}`)).isFile, script);
    assert(commands.includes(`deno task -q recipe ${script}`), `${KIT_METHODS[i].name}: ${script}`);
  }
});

Deno.test("a run is the command of its recipe, with the recipes' permissions in few words", async () => {
  const { jobs, lines } = await plan("--methods zeroshot,coop --seeds 2,3 --shots 1,16");
  assertEquals(jobs.map(({ title }) => title), [
    "Zero-shot",
    "CoOp, 1 shot, seed 2",
    "CoOp, 1 shot, seed 3",
    "CoOp, 16 shots, seed 2",
    "CoOp, 16 shots, seed 3",
  ]);
  assertEquals(lines[0], "run -P recipes/zero_shot.ts --eval base,new");
  assertEquals(lines[4], "run -P recipes/coop.ts --train base --shots 16 --seeds 3 --eval base,new");
});

Deno.test("a method is asked for what it can have, and the rest is told", async () => {
  const { runs, without } = await plan("--methods all --seeds 1 --eval base,new");
  const cannot = KIT_METHODS.filter((method) => noNewClasses(method) !== undefined);
  assert(cannot.length > 0);
  assertEquals(
    without.map(({ method, subset, why }) => [method, subset, why]),
    cannot.map((method) => [method.name, "new", noNewClasses(method)]),
  );
  for (const run of runs) {
    const { words } = jobOf(run, await readCompareSettings([]));
    const expected = noNewClasses(run.compared.method) === undefined ? "base,new" : "base";
    assertEquals([after(words, "--eval"), run.subsets.join(",")], [expected, expected], run.title);
  }
  const everything = await plan("--methods coop,clip-adapter --seeds 1 --train base --eval base,all");
  assertEquals(everything.without.map(({ method, subset }) => `${method} ${subset}`), ["clip-adapter all"]);
  await assertRejects(() => plan("--methods tip-adapter,lp++ --eval new"), UserError, "Tip-Adapter has no result on");
});

Deno.test("flags go to the recipes that have them, and into the folders that are looked for", async () => {
  const { runs, jobs } = await plan(
    "--methods coop,gda,tip-adapter-f,kgcoop-cocoop --seeds 1 --epochs 7 --views epochs --wise 0.5",
  );
  const [coop, gda, tipF, combined] = jobs.map(({ words }) => words);
  assertEquals([after(coop, "--epochs"), after(coop, "--wise"), after(coop, "--views")], ["7", "0.5", "epochs"]);
  assert(!["--epochs", "--wise", "--views"].some((flag) => gda.includes(flag)), gda.join(" "));
  assertEquals(after(tipF, "--epochs"), "7");
  assertEquals(after(combined, "--over"), "cocoop");
  assertEquals(runs.map(({ path }) => path.replace("/sample/shots16/seed1", "")), [
    "runs/eurosat/coop/seed-notebook+epochs=7+wise=0.5",
    "runs/eurosat/gda/published",
    "runs/eurosat/tip-adapter-f/published+epochs=7",
    "runs/eurosat/kgcoop-cocoop/seed-notebook+epochs=7+wise=0.5",
  ]);
});

Deno.test("runs at the same time share the cores; values that look like flags stay values", async () => {
  const { jobs } = await plan("--methods coop --seeds 1 --jobs 2 --init-words=--bold --class-specific --debug");
  const { words } = jobs[0];
  assertEquals(Number(after(words, "--threads")), Math.max(1, Math.floor(navigator.hardwareConcurrency / 2)));
  for (const word of ["--init-words=--bold", "--class-specific", "--debug"]) assert(words.includes(word), word);
  const own = await plan("--methods coop --seeds 1 --jobs 2 --threads 3");
  assertEquals(after(own.jobs[0].words, "--threads"), "3");
});

Deno.test("a method's own file runs through recipes/run.ts, which may read the folder of the file", async () => {
  const folder = await writeFiles({ "anchored.ts": ANCHORED });
  try {
    const { runs, lines } = await plan(
      `--methods coop,${folder}/anchored.ts --seeds 1 --pull 0.2 --out ${folder}/runs`,
    );
    assert(!lines[0].includes("pull"), lines[0]);
    const reads = `--allow-read=data,runs,.cache,node_modules,/usr/bin/ldd,${folder}`;
    assert(lines[1].startsWith(`run -P ${reads} `), lines[1]);
    assert(
      lines[1].endsWith(
        ` recipes/run.ts ${folder}/anchored.ts --train base --shots 16 --seeds 1 --eval base,new --out ${folder}/runs --pull 0.2`,
      ),
      lines[1],
    );
    assertEquals(runs[1].path, `${folder}/runs/eurosat/anchored/seed-notebook+pull=0.2/sample/shots16/seed1`);
    assertEquals([runs[1].identity.pull, runs[0].identity.pull], ["0.2", undefined]);
    assertEquals(runs[1].identity["method-sha256"]?.length, 64);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
