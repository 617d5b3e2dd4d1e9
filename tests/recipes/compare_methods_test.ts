/** Methods of the kit beside methods from files, compared as people type it. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { sha256Hex } from "../../src/files.ts";
import { ANCHORED, NEAREST_MEAN, writeFiles } from "../method_files.ts";
import { assertSentence } from "../small_run.ts";
import { ROOT } from "../tasks.ts";
import { kitState, typed } from "../typed.ts";

const CONFIG = ["--config", `${ROOT}deno.json`];

Deno.test("deno task compare takes methods from files beside the kit's", async (t) => {
  const before = await kitState();
  const folder = await writeFiles({ "anchored.ts": ANCHORED, "nearest_mean.ts": NEAREST_MEAN });
  const flags = ["--seeds", "1,2", "--epochs", "2", "--out", `${folder}/runs`];
  const compare = (methods: string, ...more: string[]) =>
    typed(["task", ...CONFIG, "compare", "--methods", methods, ...flags, ...more], folder);
  const reportOf = async (run: string) => JSON.parse(await Deno.readTextFile(`${folder}/runs/eurosat/${run}`));
  try {
    await t.step("runs what is missing, and names the method as its file does", async () => {
      const { code, stdout, stderr } = await compare("coop,./anchored.ts");
      assertEquals(code, 0, stderr);
      assert(stderr.includes("4 runs: 0 there, 4 to run.\n"), stderr);
      const [, table] = /\nMethod +base +new +H\n(.*?)\n\* best/s.exec(stdout)!;
      assertEquals(table.split("\n").map((line) => line.split(/ {2,}/)[0]), ["CoOp", "Anchored CoOp"]);
      assert(/\nAnchored CoOp +base +[+−]?\d+\.\d /.test(stdout), stdout);
      assert(!/\banchored is\b/.test(stdout), stdout);
    });

    await t.step("reports say which file the method came from", async () => {
      for (const seed of [1, 2]) {
        const { run } = await reportOf(`anchored/seed-notebook+epochs=2/sample/shots16/seed${seed}/report-new.json`);
        assertEquals([run.label, run.methodSha256, run.seed, run.hyperparameters.pull], [
          "Anchored CoOp",
          await sha256Hex(new TextEncoder().encode(ANCHORED)),
          seed,
          0.1,
        ]);
      }
    });

    await t.step("takes what is there, whatever folder it is started in, and adds a method on features", async () => {
      const words = ["--methods", `coop,${folder}/anchored.ts,${folder}/nearest_mean.ts`, ...flags, "--json"];
      const { code, stdout, stderr } = await typed(["task", "compare", ...words], ROOT);
      assertEquals(code, 0, stderr);
      assert(stderr.includes("6 runs: 4 there, 2 to run.\n"), stderr);
      const { methods, without } = JSON.parse(stdout);
      assertEquals(methods.map(({ label }: { label: string }) => label), ["CoOp", "Anchored CoOp", "Nearest mean"]);
      assertEquals(without, [{
        method: "nearest-mean",
        subset: "new",
        why: "they have no images to take the mean of",
      }]);
      const folders = await Array.fromAsync(Deno.readDir(`${folder}/runs/eurosat/compare/sample`));
      const names = folders.map(({ name }) => name).sort();
      assertEquals(names, [
        "coop-anchored-nearest-mean-shots16-seeds1-2",
        "coop-anchored-shots16-seeds1-2",
      ]);
      const page = await Deno.readTextFile(`${folder}/runs/eurosat/compare/sample/${names[0]}/report.html`);
      assert(page.includes("Nearest mean") && page.includes("Anchored CoOp"));
    });

    await t.step("results of a file that was edited since are told, and not counted", async () => {
      await Deno.writeTextFile(`${folder}/anchored.ts`, ANCHORED.replace("default: 0.1", "default: 0.3"));
      const { code, stdout, stderr } = await compare("coop,./anchored.ts", "--collect");
      assertEquals(code, 0, stderr);
      assert(stderr.includes("Anchored CoOp, 16 shots, seed 1: "), stderr);
      assert(stderr.includes(" holds results with method file "), stderr);
      const flat = stdout.replaceAll(/\s+/g, " ");
      assert(flat.includes("warning: Anchored CoOp, 16 shots, seed 2 is missing: the numbers are without it."), stdout);
    });

    await t.step("a file with a fault ends in one sentence", async () => {
      await Deno.writeTextFile(`${folder}/odd.ts`, "throw new Error('not today');");
      assertSentence(await compare("coop,./odd.ts"), `The method file ${folder}/odd.ts does not load: not today`);
      assertSentence(await compare("coop,./none.ts"), `There is no file ${folder}/none.ts`);
      assertSentence(await compare("coop,./anchored.ts", "--pul", "1"), 'Did you mean "--pull"?');
    });

    await t.step("--help lists the settings of a file beside the kit's", async () => {
      const { code, stdout } = await typed(
        ["task", ...CONFIG, "compare", "--methods", "coop,./anchored.ts", "--help"],
        folder,
      );
      assertEquals(code, 0);
      assert(/^ {2}--pull X /m.test(stdout) && /^ {2}--context-tokens N /m.test(stdout), stdout);
      assert(stdout.includes("deno task compare --methods all"), stdout);
    });

    await t.step("a path that is not there is said, and no permission is asked for it", async () => {
      assertSentence(
        await compare("coop", "--data", `${folder}/none.zip`),
        `Cannot read the images in ${folder}/none.zip: it does not exist, check the path.`,
      );
      await Deno.writeTextFile(`${folder}/my.yaml`, `data: ${folder}/none\n`);
      assertSentence(await compare("coop", "--config", `${folder}/my.yaml`), `${folder}/none: it does not exist`);
      // Denied to all, so that starting again would change nothing.
      assertSentence(await compare("coop", "--data", "/proc/self/exe"), 'read access to "/proc/self/exe"');
    });

    await t.step("no file of the kit is changed", async () => assertEquals(await kitState(), before));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
