/** A method of a user's own, in a file outside the kit: typed as people type it, without a terminal. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { sha256Hex } from "../../src/files.ts";
import { ANCHORED, NEAREST_MEAN, writeFiles } from "../method_files.ts";
import { assertSentence } from "../small_run.ts";
import { ROOT } from "../tasks.ts";
import { kitState, typed } from "../typed.ts";

const CONFIG = ["--config", `${ROOT}deno.json`];
const runs = (folder: string) => `${folder}/runs/eurosat`;
const PLACE = "sample/shots16/seed1";

Deno.test("deno task run takes a method from a file, from its folder and from the kit's", async (t) => {
  const before = await kitState();
  const folder = await writeFiles({ "anchored.ts": ANCHORED, "nearest_mean.ts": NEAREST_MEAN });
  const quick = ["--epochs", "2", "--out", `${folder}/runs`];
  const read = async (path: string) => JSON.parse(await Deno.readTextFile(`${runs(folder)}/${path}`));
  const numbers = async (path: string) => {
    const { run: { label, method, methodSha256, changed }, results: { metrics } } = await read(path);
    return { label, method, methodSha256, changed, accuracy: metrics.accuracy };
  };
  try {
    await t.step("in the folder of the file, with its name alone", async () => {
      const words = ["task", ...CONFIG, "run", "./anchored.ts", "--train", "base", "--eval", "base,new", ...quick];
      const { code, stdout, stderr } = await typed(words, folder);
      assertEquals(code, 0, stderr);
      assert(/^anchored, seed 1, base: accuracy \d\d\.\d\d %.*\nanchored, seed 1, new: accuracy /.test(stdout), stdout);
      const run = `anchored/seed-notebook+epochs=2/${PLACE}`;
      const { label, method, methodSha256, changed } = await numbers(`${run}/report-base.json`);
      assertEquals({ label, method, methodSha256, changed }, {
        label: "Anchored CoOp",
        method: "anchored",
        methodSha256: await sha256Hex(new TextEncoder().encode(ANCHORED)),
        changed: ["epochs"],
      });
      for (const name of ["report-new.json", "report.html", "MODEL_CARD.md", "config.yaml", "done"]) {
        assert((await Deno.stat(`${runs(folder)}/${run}/${name}`)).isFile, name);
      }
    });

    await t.step("in the kit's folder, with its whole path; the prompt that is there is evaluated", async () => {
      const { code, stdout, stderr } = await typed(
        ["task", "run", `${folder}/anchored.ts`, "--eval", "new", "--json", ...quick],
        ROOT,
      );
      assertEquals(code, 0, stderr);
      assert(!stderr.includes("training"), stderr);
      const { accuracy } = await numbers(`anchored/seed-notebook+epochs=2/${PLACE}/report-new.json`);
      assertEquals(JSON.parse(stdout).results.metrics.accuracy, accuracy);
    });

    await t.step(
      "the pull pulls, and without it the method is CoOp to the last digit",
      async () => {
        const flags = ["--train", "base", "--quiet", ...quick];
        const none = await typed(["task", "run", `${folder}/anchored.ts`, "--pull", "0", ...flags], ROOT);
        assertEquals(none.code, 0, none.stderr);
        const coop = await typed(["run", "--quiet", "-A", "recipes/coop.ts", ...flags], ROOT);
        assertEquals(coop.code, 0, coop.stderr);
        const report = `${PLACE}/report-base.json`;
        const [pulled, free, plain] = await Promise.all([
          numbers(`anchored/seed-notebook+epochs=2/${report}`),
          numbers(`anchored/seed-notebook+epochs=2+pull=0/${report}`),
          numbers(`coop/seed-notebook+epochs=2/${report}`),
        ]);
        assertEquals(free.accuracy, plain.accuracy);
        assert(pulled.accuracy !== plain.accuracy, String(pulled.accuracy));
        assertEquals(free.changed, ["epochs", "pull"]);
        assertEquals(plain.methodSha256, undefined);
      },
    );

    await t.step("a method on features", async () => {
      const words = ["task", ...CONFIG, "run", "./nearest_mean.ts", "--out", `${folder}/runs`];
      const { code, stdout, stderr } = await typed(words, folder);
      assertEquals(code, 0, stderr);
      assert(/^nearest-mean, seed 1, base: accuracy \d\d\.\d\d %/.test(stdout), stdout);
      const why =
        "Nearest mean has no result on new classes, which it has no images of: they have no images to take the " +
        "mean of.";
      assert(stderr.includes(why), stderr);
      const { run } = await read(`nearest-mean/published/${PLACE}/report-base.json`);
      assertEquals([run.label, run.hyperparameters], ["Nearest mean", { sharpness: 100 }]);
    });

    await t.step("no file of the kit is changed", async () => assertEquals(await kitState(), before));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a setting of a method's file is a flag, a YAML key and a line of --help, and is in identity and path", async (t) => {
  const folder = await writeFiles({ "anchored.ts": ANCHORED, "my.yaml": "pull: 0.2\nepochs: 1\n" });
  const out = ["--out", `${folder}/runs`];
  const run = (...words: string[]) => typed(["task", "-q", ...CONFIG, "run", "./anchored.ts", ...words], folder);
  try {
    await t.step("--help", async () => {
      const { code, stdout, stderr } = await run("--help");
      assertEquals(code, 0, stderr);
      assert(stdout.startsWith("CoOp with a pull towards its initial context.\n"), stdout);
      assert(/\n {2}--pull X +weight of the pull to the start \[0\.1\]\n/.test(stdout), stdout);
      assert(/\n {2}--context-tokens N /.test(stdout), stdout);
    });

    await t.step("flag, and its check", async () => {
      const { code, stdout, stderr } = await run("--dry-run", "--pull", "0.2", ...out);
      assertEquals(code, 0, stderr);
      assert(stdout.includes(`${runs(folder)}/anchored/seed-notebook+pull=0.2/${PLACE}`), stdout);
      assertSentence(await run("--pull", "hard"), '--pull is "hard", and must be a number from 0');
      assertSentence(await run("--pul", "1"), 'There is no flag --pul. Did you mean "--pull"?');
    });

    await t.step("YAML, identity and path", async () => {
      const words = ["--config", `${folder}/my.yaml`, "--train", "base", "--quiet", ...out];
      const { code, stderr } = await run(...words);
      assertEquals(code, 0, stderr);
      const place = `${runs(folder)}/anchored/seed-notebook+epochs=1+pull=0.2/${PLACE}`;
      const identity = JSON.parse(await Deno.readTextFile(`${place}/identity.json`));
      assertEquals([identity.pull, identity.epochs], ["0.2", "1"]);
      assertEquals(identity["method-sha256"], await sha256Hex(new TextEncoder().encode(ANCHORED)));
      assert((await Deno.readTextFile(`${place}/config.yaml`)).includes("\npull: 0.2\n"));
    });

    await t.step("what compare hands on", async () => {
      const words = ["--methods", "coop,./anchored.ts", "--seeds", "1,2", "--pull", "0.2", "--dry-run", ...out];
      const { code, stdout, stderr } = await typed(["task", "-q", ...CONFIG, "compare", ...words], folder);
      assertEquals(code, 0, stderr);
      const commands = stdout.split("\n").filter((line) => line.includes("deno run "));
      assertEquals(commands.map((line) => line.includes(" --pull 0.2")), [false, false, true, true]);
    });

    await t.step("a file that was edited is another method: its results do not pass for the old one's", async () => {
      await Deno.writeTextFile(`${folder}/anchored.ts`, ANCHORED.replace("default: 0.1", "default: 0.3"));
      const again = await run("--config", `${folder}/my.yaml`, "--train", "base", "--quiet", ...out);
      assertSentence(again, "holds results with method file ");
      assert(again.stderr.includes("--fresh"), again.stderr);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const COOP = 'import { coop } from "@prompt-kit/clip-prompts";\n';
const THROWS = "prompt() { throw new Error('x is odd'); }";
const FAULTS: [what: string, text: string | undefined, says: string, code?: number][] = [
  ["that is missing", undefined, "There is no file FILE: check the path of the method."],
  ["that throws", "throw new Error('not today');", "The method file FILE does not load: not today"],
  ["that is no TypeScript", "export const = 1;", "The method file FILE does not load: SyntaxError: "],
  ["that exports nothing usable", "export const x = 1;", "FILE exports no method"],
  [
    "that exports two methods",
    `${COOP}export const a = { ...coop, name: "a" }, b = { ...coop, name: "b" };`,
    "FILE exports 2 methods",
  ],
  [
    "that lacks a setting of training",
    `${COOP}const { lr: _, ...settings } = coop.settings; export default { ...coop, name: "a", label: "A", settings };`,
    "The method A lacks the setting lr that training needs: spread coop.settings into its settings.",
  ],
  [
    "that lacks all of them",
    `${COOP}export default { ...coop, name: "a", label: "A", settings: {} };`,
    "The method A lacks the settings epochs, batch-size, lr,",
  ],
  [
    "with a fault of its own",
    `${COOP}export default { ...coop, name: "a", ${THROWS} };`,
    "x is odd (a defect of FILE or of this kit)",
    1,
  ],
];

Deno.test("a method's file with a fault ends in one sentence, and no stack", async (t) => {
  for (const [what, text, says, expected = 2] of FAULTS) {
    await t.step(`a file ${what}`, async () => {
      const folder = await writeFiles(text === undefined ? {} : { "mine.ts": text });
      try {
        const words = ["task", "-q", ...CONFIG, "run", "./mine.ts", "--train", "base", "--out", `${folder}/runs`];
        const { code, stderr } = await typed(words, folder);
        assertEquals(code, expected, stderr);
        const errors = stderr.split("\n").filter((line) => /^error:|^\s+at |Uncaught/.test(line));
        assertEquals(errors.length, 1, stderr);
        assert(errors[0].includes(says.replace("FILE", `${folder}/mine.ts`)), errors[0]);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }

  await t.step("no file at all", async () => {
    assertSentence(await typed(["task", "-q", "run"], ROOT), "There is no file of a method: type deno task run ");
    assertSentence(await typed(["task", "-q", "run", "coop"], ROOT), '"coop" is not the file of a method');
    assertSentence(await typed(["task", "-q", "run", "--train", "base"], ROOT), '"--train" is not the file');
  });

  await t.step("--help without a file tells how to give one", async () => {
    const { code, stdout } = await typed(["task", "-q", "run", "--help"], ROOT);
    assertEquals(code, 0);
    assert(stdout.includes("deno task run ./anchored.ts --train base --eval base,new"), stdout);
  });
});
