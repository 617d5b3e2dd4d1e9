/** Prompts whose logits depend on the data set's template: runs, other data sets and stored prompts have the right one. */
import { assertEquals, assertNotEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { parseDescription } from "../../src/data/description.ts";
import { UserError } from "../../src/errors.ts";
import { coop, tcp } from "../../src/methods/kit.ts";
import { openStoredPrompt, storedPrompt } from "../../src/prompt/stored_prompt.ts";
import { decodeCheckpoint } from "../../src/train/checkpoint.ts";
import { withEngine } from "../engine/ops_cases.ts";
import { otherWeights, writeImages } from "../small_run.ts";
import { inFolder, runHere } from "./run_here.ts";

const SHORT = { train: "base", shots: 2, views: 0, epochs: 2 } as const;
const NAMES = ["Field", "Forest", "Lake", "River"];
const bird = (template: string) => parseDescription({ name: "birds", template }, "birds.yaml");

Deno.test("classes of another data set have that one's words, and the tower's depth is said", async () => {
  await inFolder(async () => {
    await writeImages("data/stanford_cars");
    const rows = NAMES.flatMap((name, label) => ["grey", "2_grey"].map((file) => [`${name}/${file}.jpg`, label, name]));
    const split = JSON.stringify({ train: rows, val: rows, test: rows });
    await Deno.writeTextFile("data/stanford_cars/split_zhou_StanfordCars.json", split);
    const { reports, said } = await runHere(tcp, { ...SHORT, data: "images", eval: ["base", "stanford_cars:all"] });
    assertEquals(reports.map(({ run }) => run.prompts.map(([text]) => text)), [
      ["X X X X Field.", "X X X X Forest."],
      NAMES.map((name) => `X X X X ${name}, a type of car`),
    ]);
    assertEquals(said.filter((line) => line.startsWith("The text tower has 4 blocks")).length, 1);
  });
});

Deno.test("another template is another run, and a prompt by itself knows its template", async () => {
  await inFolder(async () => {
    await otherWeights("other.safetensors");
    const given = { ...SHORT, data: "images", model: "other.safetensors", eval: ["new"] as const };
    const template = "a picture of {}, a type of bird.";
    const run = (words: string) => runHere(tcp, { ...given, eval: ["new"] }, { description: bird(words) });
    const { folders: [folder], reports: [report] } = await run(template);
    assertEquals(
      report.run.prompts.map(([text]) => text),
      ["Lake", "River"].map((name) => `X X X X ${name}, a type of bird.`),
    );
    assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/identity.json`)).template, template);
    await assertRejects(() => run("a drawing of {}."), UserError, "template");

    const file = `${folder}/checkpoint-0002.safetensors`;
    const prompt = storedPrompt(decodeCheckpoint(await Deno.readFile(file), file), file);
    await withEngine("onnx", async (engine) => {
      const model = loadModel(await loadWeights("other.safetensors"), { engine, tokenizer: await loadTokenizer() });
      const features = { shape: [1, 128], data: new Float32Array(128).fill(1 / Math.sqrt(128)) };
      const logits = async (settings: Record<string, string>) => {
        const session = await openStoredPrompt({ ...prompt, settings }, { model, classNames: ["Lake", "Sea"] });
        const { data } = await session.logits(features);
        await session.dispose();
        return data;
      };
      assertNotEquals(
        await logits({ ...prompt.settings, template: "a photo of a {}." }),
        await logits(prompt.settings!),
      );
      await model.dispose();
    });
  });
});

Deno.test("the identity of a run whose logits do not depend on the template does not name it", async () => {
  await inFolder(async () => {
    const { folders: [folder] } = await runHere(coop, { ...SHORT, data: "images", eval: ["base"], contextTokens: 2 });
    assertEquals("template" in JSON.parse(await Deno.readTextFile(`${folder}/identity.json`)), false);
  });
});
