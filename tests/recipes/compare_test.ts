/** Comparisons: what is missing runs, what is there is used, and what was interrupted anywhere is finished by the next one. */
import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { compare } from "../../recipes/compare.ts";
import { UserError } from "../../src/errors.ts";
import type { Comparison } from "../../src/eval/comparison.ts";
import { failEverywhere, keyOf, Killed } from "../faults.ts";
import { inFolder } from "../run/run_here.ts";
import { withRunsHere } from "./runs_here.ts";
import { assertSameResults, assertSentence, resultsOf, RUN_FOLDER, runRecipe, SMALL_RUN } from "../small_run.ts";

const QUICK = "--data images --shots 2 --epochs 2 --views 0".split(" ");

Deno.test("a comparison that dies at any operation on files, its runs too, is finished whole by the next one", async () => {
  await inFolder(async () => {
    using _here = withRunsHere();
    const { log } = console;
    // The small run's flags but for those that a comparison has another way, or does not hand on.
    const own = ["--train", "--eval", "--checkpoint-every"];
    const flags = SMALL_RUN.filter((arg, i) => !own.includes(arg) && !own.includes(SMALL_RUN[i - 1]));
    const args = ["--methods", "coop", "--seeds", "1", "--eval", "base", "--quiet", ...flags];
    const COMPARED = "runs/images/compare/sample/coop-shots4-seeds1-base";
    try {
      console.log = () => {};
      await compare(args);
      const expected = await resultsOf(RUN_FOLDER);
      const compared = await resultsOf(COMPARED);
      assert(expected.has("done") && expected.has("MODEL_CARD.md") && compared.has("compare.json"));
      const plots = await namesIn(`${RUN_FOLDER}/plots`);
      const tried = await failEverywhere({
        fault: "killed",
        run: () => compare(args),
        clear: async () => {
          for (const name of ["runs", ".cache"]) await Deno.remove(name, { recursive: true }).catch(() => {});
        },
        failed: (operation, error) =>
          assert(error instanceof Killed || error instanceof UserError, `${keyOf(operation)}: ${error}`),
        async whole(how) {
          await assertSameResults(RUN_FOLDER, expected, how);
          await assertSameResults(COMPARED, compared, how);
          assertEquals(await namesIn(`${RUN_FOLDER}/plots`), plots, how);
          assertEquals((await filesBelow("runs")).filter((path) => path.endsWith(".partial")), [], how);
        },
      });
      for (
        const key of [
          ...["done", "MODEL_CARD.md", "report.html", "report-base.json"].map((name) => `rename ${RUN_FOLDER}/${name}`),
          `rename ${RUN_FOLDER}/plots/*.svg`,
          `rename ${COMPARED}/compare.json`,
          `rename ${COMPARED}/report.html`,
          `rename ${COMPARED}/plots/*.svg`,
        ]
      ) assert(tried.has(key), [...tried].join("\n"));
    } finally {
      console.log = log;
    }
  });
});

Deno.test("a comparison runs what is missing and reuses the rest, here or from lines that were emitted", async () => {
  await inFolder(async (folder) => {
    const compare = async (...more: string[]) => {
      const args = ["--methods", "zeroshot,coop", ...QUICK, ...more];
      const ended = await runRecipe(folder, { recipe: "compare", args });
      assertEquals(ended.code, 0, ended.stderr);
      return ended;
    };
    const emitted = await compare("--seeds", "1", "--emit", "commands");
    const lines = emitted.stdout.trimEnd().split("\n");
    assertEquals(lines.length, 2);
    for (const line of lines) {
      const { code, stderr } = await new Deno.Command("bash", {
        args: ["-c", line.replace(/^deno run/, '"$DENO" run --no-prompt --no-check')],
        cwd: folder,
        stdin: "null",
        env: { DENO: Deno.execPath() },
      }).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
    }
    assertEquals((await compare("--seeds", "1", "--emit", "slurm")).stdout, "");
    const gathered = JSON.parse((await compare("--seeds", "1", "--collect", "--json")).stdout) as Comparison;
    assertEquals(gathered.methods.map(({ method }) => method), ["zeroshot", "coop"]);
    assertEquals(gathered.warnings.filter(({ kind }) => kind === "missing"), []);

    const more = await compare("--seeds", "1,2,3", "--jobs", "2");
    assertStringIncludes(more.stderr, "4 runs: 2 there, 2 to run.");
    assert(/^Method +base +new +H$/m.test(more.stdout), more.stdout);
    assert(/^CoOp +\d[\d.]* ± /m.test(more.stdout), more.stdout);
    const again = await compare("--seeds", "1,2,3");
    assertEquals(again.stderr, "");
    assertEquals(again.stdout.replace(/^The whole.*$/m, ""), more.stdout.replace(/^The whole.*$/m, ""));
    const [page] = /runs\S+report\.html/.exec(again.stdout)!;
    const table = async (form: string) => (await compare("--seeds", "1,2,3", "--table", form)).stdout;
    for (const form of ["csv", "md", "tex"]) {
      const beside = await Deno.readTextFile(`${folder}/${page.replace("report.html", `compare.${form}`)}`);
      assertEquals(await table(form), beside);
      assertStringIncludes(beside, "CoOp");
    }
    const twice = await runRecipe(folder, { recipe: "compare", args: [...QUICK, "--table", "md", "--json"] });
    assertSentence(twice, "--table and --json both ask for standard output");
    assertStringIncludes(await Deno.readTextFile(`${folder}/${page}`), "CoOp");
  });
});

Deno.test("a run that was interrupted between its reports and its end is finished by the next comparison", async () => {
  await inFolder(async (folder) => {
    const args = ["--methods", "zeroshot,coop", "--seeds", "1", "--engine", "onnx", "--threads", "1", ...QUICK];
    const first = await runRecipe(folder, { recipe: "compare", args });
    assertEquals(first.code, 0, first.stderr);
    const runs = [
      "runs/images/coop/seed-notebook+epochs=2+views=0/sample-on-images/shots2/seed1",
      "runs/images/zeroshot/single/sample-on-images",
    ];
    const whole = await Promise.all(runs.map(async (run) => (await filesBelow(run)).sort()));
    const results = await Promise.all(runs.map(resultsOf));
    const gone = /\/(done|report\.html|MODEL_CARD\.md|plots\/.*)$/;
    for (const path of whole.flat()) if (gone.test(path)) await Deno.remove(path);
    const COMPARED = "runs/images/compare/sample/zeroshot-coop-shots2-seeds1";
    const left = [...runs, ...runs.map((run) => `${run}/plots`), COMPARED, `${COMPARED}/plots`];
    for (const inside of left) await Deno.writeTextFile(`${inside}/.page.html.7.0.partial`, "half");
    const second = await runRecipe(folder, { recipe: "compare", args });
    assertEquals(second.code, 0, second.stderr);
    assertStringIncludes(second.stderr, "2 runs: 0 there, 2 to run.");
    assertEquals(await Promise.all(runs.map(async (run) => (await filesBelow(run)).sort())), whole);
    for (const [i, run] of runs.entries()) await assertSameResults(run, results[i], "after an interruption");
    assertEquals((await filesBelow("runs")).filter((path) => path.endsWith(".partial")), []);
    assertEquals(second.stdout, first.stdout);
    const third = await runRecipe(folder, { recipe: "compare", args });
    assertEquals([third.code, third.stderr, third.stdout], [0, "", first.stdout]);
  });
});

Deno.test("other images under the same names and --out are not compared as the earlier ones", async () => {
  await inFolder(async (folder) => {
    const args = ["--methods", "zeroshot,coop", "--seeds", "1", "--engine", "onnx", "--threads", "1", ...QUICK];
    assertEquals((await runRecipe(folder, { recipe: "compare", args })).code, 0);
    for await (const { name } of Deno.readDir("images")) {
      for await (const { name: image } of Deno.readDir(`images/${name}`)) {
        await Deno.writeFile(`images/${name}/${image}`, new Uint8Array([0]), { append: true });
      }
    }
    const again = await runRecipe(folder, { recipe: "compare", args });
    assertEquals([again.code, again.stdout], [2, ""]);
    assertStringIncludes(
      again.stderr,
      "Zero-shot: error: runs/images/zeroshot/single/sample-on-images holds results with",
    );
    assertStringIncludes(again.stderr, "test images (their bytes)");
    assertStringIncludes(again.stderr, "training images (their bytes)");
    const collected = await runRecipe(folder, { recipe: "compare", args: [...args, "--collect"] });
    assertSentence(collected, "There is no report in runs to collect");
    assertStringIncludes(collected.stderr, "holds results with test images (their bytes)");
    const fresh = await runRecipe(folder, { recipe: "compare", args: [...args, "--fresh", "--json"] });
    assertEquals(fresh.code, 0, fresh.stderr);
    const { methods, warnings } = JSON.parse(fresh.stdout) as Comparison;
    assertEquals([methods.length, warnings.filter(({ kind }) => kind === "missing")], [2, []]);
  });
});

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    found.push(...isDirectory ? await filesBelow(`${folder}/${name}`) : [`${folder}/${name}`]);
  }
  return found;
}

Deno.test("run folders are collected into one table, which says what is missing", async () => {
  await inFolder(async (folder) => {
    const collect = (...args: string[]) => runRecipe(folder, { recipe: "compare", args: ["--collect", ...args] });
    for (
      const [recipe, more] of [["zero_shot", []], ["gda", ["--seeds", "1,2", "--eval", "base"]], ["gda", [
        "--eval",
        "new",
      ]]] as const
    ) {
      const { code, stderr } = await runRecipe(folder, { recipe, args: ["--data", "images", ...more] });
      assertEquals(code, 0, stderr);
    }
    const { code, stdout, stderr } = await collect("runs");
    assertEquals(code, 0, stderr);
    assert(/^Method +base +new +H$/m.test(stdout), stdout);
    assertStringIncludes(stdout, "missing: GDA on images: new, seed 2\n");
    const tex = await Deno.readTextFile(`${folder}/runs/compare/runs/compare.tex`);
    assertStringIncludes(tex, "% Missing: GDA on images: new, seed 2.\n");
    assertEquals((await collect("runs", "--table", "tex")).stdout, tex);
    assertSentence(await collect("gone"), "There is no folder gone: name folders of runs.");
    assertSentence(await collect("runs", "--seeds", "9", "--methods", "gda"), "that these flags ask for");
    assertSentence(
      await runRecipe(folder, { recipe: "compare", args: ["runs"] }),
      '"runs" is not a flag and stands alone',
    );
  });
});
