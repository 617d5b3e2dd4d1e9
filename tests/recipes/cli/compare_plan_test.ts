import { assert, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { readCompareFlags } from "../../../recipes/cli/compare_flags.ts";
import { METHODS } from "../../../recipes/cli/compare_methods.ts";
import { planRuns } from "../../../recipes/cli/compare_plan.ts";
import { UserError } from "../../../src/errors.ts";
import { NO_NEW_CLASSES } from "../../../src/methods/new_classes.ts";
import { readTasks, ROOT } from "../../tasks.ts";

const plan = (line: string) => planRuns(readCompareFlags(line.split(" ")), { recipes: "recipes" });
/** What stands behind a flag in a run's command. */
const after = (words: readonly string[], flag: string) => words[words.indexOf(flag) + 1];

Deno.test("all methods are compared by one word, those that need images when there are some", () => {
  const methods = (line: string) => readCompareFlags(line.split(" ")).methods;
  assertEquals(methods("--seeds 1"), ["zeroshot", "coop", "cocoop"]);
  const all = "zeroshot coop cocoop kgcoop prograd gda tip-adapter tip-adapter-f clip-adapter lp++ linear-probe".split(
    " ",
  );
  assertEquals(methods("--methods all"), all);
  assertEquals(methods("--methods coop,all")[0], "coop");
  assertEquals(methods("--methods all --data data/eurosat").filter((name) => !all.includes(name)), ["gda-full-val"]);
  assertThrows(() => methods("--methods tipadapter"), UserError, '"tip-adapter"');
});

Deno.test("every method that can be compared has its recipe and its task", async () => {
  const commands = readTasks().map(({ command }) => command);
  for (const [name, { script }] of Object.entries(METHODS)) {
    assert((await Deno.stat(`${ROOT}recipes/${script}`)).isFile, name);
    assert(commands.some((command) => command.includes(`recipes/${script}`)), name);
  }
});

Deno.test("a method is asked for what it can have, and the rest is told", () => {
  const { runs, without } = plan("--methods all --seeds 1 --eval base,new");
  assertEquals(without.map(({ method, subset, why }) => [method, subset, why]), [
    ...Object.entries(NO_NEW_CLASSES).map(([method, why]) => [method, "new", why]),
  ]);
  for (const { method, words, subsets } of runs) {
    const expected = method in NO_NEW_CLASSES ? "base" : "base,new";
    assertEquals([after(words, "--eval"), subsets.join(",")], [expected, expected], method);
  }
  const everything = plan("--methods coop,clip-adapter --seeds 1 --train base --eval base,all");
  assertEquals(everything.without.map(({ method, subset }) => `${method} ${subset}`), ["clip-adapter all"]);
  assertThrows(() => plan("--methods tip-adapter,lp++ --eval new"), UserError, "Tip-Adapter has no result on the new");
});

Deno.test("flags go to the recipes that have them, and into the folders that are looked for", () => {
  const { runs } = plan(
    "--methods coop,gda,tip-adapter-f,kgcoop-cocoop --seeds 1 --epochs 7 --views epochs --wise 0.5",
  );
  const [coop, gda, tipF, combined] = runs;
  assertEquals([after(coop.words, "--epochs"), after(coop.words, "--wise")], ["7", "0.5"]);
  assertEquals(coop.pattern[2], "seed-notebook+wise=0.5+epochs=7");
  assert(!["--epochs", "--wise", "--views"].some((flag) => gda.words.includes(flag)), gda.words.join(" "));
  assertEquals(gda.pattern, ["*", "gda", "published", "*", "shots16", "seed1"]);
  assertEquals([after(tipF.words, "--epochs"), tipF.pattern[2]], ["7", "published+epochs=7"]);
  assertEquals([after(combined.words, "--over"), combined.pattern[1]], ["cocoop", "kgcoop-cocoop"]);
  const [full] = plan("--methods gda-full-val --data data/eurosat --templates ensemble --seeds 2 --eval all").runs;
  assertEquals([after(full.words, "--tune-on"), after(full.words, "--train")], ["full", "all"]);
  assertEquals(full.pattern, ["*", "gda-full-val", "published+templates=ensemble", "*", "shots16-all", "seed2"]);
});
