/** The recipes of the methods inside the towers, as people type them on a fresh clone: no image is given. */
import { assert, assertEquals, assertLess } from "jsr:@std/assert@1.0.19";
import { openImages } from "../../src/data/source.ts";
import type { Comparison } from "../../src/eval/comparison.ts";
import type { Report } from "../../src/eval/report.ts";
import { openInputs } from "../../src/run/inputs.ts";
import { SILENT } from "../../src/run/progress.ts";
import { copyOfKit } from "../kit_copy.ts";
import { runRecipe } from "../small_run.ts";
import { ROOT } from "../tasks.ts";
import { typed } from "../typed.ts";
import { inTempFolder } from "../temp_folder.ts";

const SOURCE = "images in data/sample (a part of the test images)";
const QUICK = "--shots 2 --epochs 2 --views 1 --engine onnx --threads 2".split(" ");

Deno.test("deno task maple:base trains on a fresh clone and says that its test images are a part of them", async () => {
  const kit = await copyOfKit();
  try {
    const { code, stdout, stderr } = await typed(["task", "maple:base"], kit);
    assertEquals(code, 0, stderr);
    const told = /Data: EuroSAT, 1,594 images in .*images\.zip.*, which are a part of the published test\s+images\./;
    assert(told.test(stderr), stderr);
    const folder = "runs/eurosat/maple/maple-cvpr23/sample-on-images/shots16/seed1";
    const report: Report = JSON.parse(await Deno.readTextFile(`${kit}/${folder}/report-base.json`));
    assertEquals([report.on.data.source, report.on.data.images], [SOURCE, 1594]);
    // Five epochs of 80 images: 20 steps of 4.
    assertEquals([report.results.training!.steps, report.results.metrics.total], [100, 500]);
    assertLess(70, report.results.metrics.accuracy);
    assert(/base: accuracy \d\d\.\d\d %/.test(stdout + stderr), stdout);
    const page = await Deno.readTextFile(`${kit}/${folder}/report.html`);
    assert(page.replaceAll("<wbr>", "").includes(SOURCE), page);
  } finally {
    await Deno.remove(kit, { recursive: true });
  }
});

/** Two methods, whose image features are of one row, and of several. */
const CLASSIFIED = [
  { recipe: "maple", flags: "--depth 3 --lr 0.1", changed: "maple-cvpr23+epochs=2+lr=0.1+views=1+depth=3" },
  {
    recipe: "mmrl",
    flags: "--token-width 16 --alpha 0.3",
    changed: "mmrl-cvpr25+epochs=2+views=1+token-width=16+alpha=0.3",
  },
].map(({ flags, ...others }) => ({ ...others, flags: flags.split(" ") }));

for (const { recipe, flags, changed } of CLASSIFIED) {
  Deno.test(`classify with a prompt of ${recipe} runs the prompted tower: the run's own predictions`, async () => {
    await inTempFolder(async (folder) => {
      const args = [...QUICK, ...flags, "--train", "base", "--eval", "base", "--json"];
      const { code, stdout, stderr } = await runRecipe(folder, { recipe, args });
      assertEquals(code, 0, stderr);
      const report: Report = JSON.parse(stdout);
      const { predictions, labels } = report.results.predictions;
      const { run: { classNames }, results: { worst } } = report;

      // Ten test images of each class, and the mistakes that the run is surest of, as files.
      const inputs = await openInputs({ engine: "onnx", data: "sample" }, { progress: SILENT });
      const { test } = inputs.data.draw({ shots: 2, seed: 1, classes: "base" });
      await inputs.close();
      assertEquals(test.map(({ label }) => label), labels);
      const chosen = test.map((_, i) => i).filter((i) =>
        i % 10 === 0 || worst.some(({ path }) => path === test[i].path)
      );
      const images = await openImages(`${ROOT}data/sample/images.zip`);
      await Deno.mkdir(`${folder}/mine`);
      const names = chosen.map((i) => `mine/${String(i).padStart(3, "0")}.jpg`);
      for (const [n, i] of chosen.entries()) {
        await Deno.writeFile(`${folder}/${names[n]}`, await images.read(test[i].path));
      }
      await images.close();

      const prompt = `runs/eurosat/${recipe}/${changed}/sample-on-images/shots2/seed1`;
      const said = await runRecipe(folder, {
        recipe: "classify",
        args: ["--prompt", prompt, "--engine", "onnx", "--json", "mine"],
      });
      assertEquals(said.code, 0, said.stderr);
      const answers: { image: string; class: string; probabilities: number[] }[] = JSON.parse(said.stdout).answers;
      assertEquals(answers.map(({ image }) => image), names);
      assertEquals(answers.map((answer) => answer.class), chosen.map((i) => classNames[predictions[i]]));
      assertLess(2, new Set(answers.map((answer) => answer.class)).size);
      for (const { path, confidence } of worst) {
        const { probabilities } = answers[chosen.findIndex((i) => test[i].path === path)];
        assertLess(Math.abs(Math.max(...probabilities) - confidence), 1e-4, path);
      }
      assert(worst.length > 0);
    });
  });
}

Deno.test("a comparison of CoOp and MaPLe without --data takes the sample's images for both", async () => {
  await inTempFolder(async (folder) => {
    const args = [...QUICK, "--methods", "coop,maple", "--seeds", "1", "--eval", "base", "--depth", "2", "--json"];
    const { code, stdout, stderr } = await runRecipe(folder, { recipe: "compare", args });
    assertEquals(code, 0, stderr);
    const comparison: Comparison = JSON.parse(stdout);
    assertEquals(comparison.methods.map(({ label }) => label), ["CoOp", "MaPLe"]);
    assertEquals(comparison.on.images, { base: 500 });
    const part = comparison.warnings.find(({ kind }) => kind === "part")!;
    assert(part.text.startsWith("The test images are the sample's, a part of the published ones"), part.text);
    const again = await runRecipe(folder, { recipe: "compare", args: [...args.slice(0, -1), "--collect"] });
    assert(again.stdout.includes(`warning: ${part.text.split(":")[0]}`), again.stdout);
    assert(again.stdout.includes("Fewer than 16 shots are the first images"), again.stdout);
    const runs = (await Array.fromAsync(Deno.readDir(`${folder}/runs/eurosat`))).map(({ name }) => name).sort();
    assertEquals(runs, ["compare", "coop", "maple"]);
    const hashes = new Set<string | undefined>();
    for (const [method, preset] of [["coop", "seed-notebook"], ["maple", "maple-cvpr23"]]) {
      const [{ name }] = await Array.fromAsync(Deno.readDir(`${folder}/runs/eurosat/${method}`));
      assert(name.startsWith(preset), name);
      const path = `${folder}/runs/eurosat/${method}/${name}/sample-on-images/shots2/seed1/report-base.json`;
      const report: Report = JSON.parse(await Deno.readTextFile(path));
      assertEquals([report.on.data.source, report.results.metrics.total], [SOURCE, 500]);
      hashes.add(report.on.data.testImagesSha256);
    }
    assertEquals(hashes.size, 1);
  });
});
