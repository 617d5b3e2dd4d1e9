import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "jsr:@std/assert@1.0.19";
import { loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { namedStream } from "../../src/data/random.ts";
import { openEngine } from "../../src/engine/choose.ts";
import { UserError } from "../../src/errors.ts";
import { cocoop, coop, kgcoop } from "../../src/methods/kit.ts";
import type { Method, PromptLearning } from "../../src/methods/method.ts";
import type { PromptSettings } from "../../src/methods/prompt_settings.ts";
import { openPrompt } from "../../src/prompt/session.ts";
import { storedValues } from "../../src/prompt/stored_prompt.ts";
import { completeSettings, type Given } from "../../src/run/config.ts";
import { learnedNumbers, promptLogits, promptText, scheduleOf } from "../../src/run/prompt_learner.ts";
import { ROOT } from "../tasks.ts";
import { inFolder, runHere } from "./run_here.ts";

Deno.test("a prompt as text: an X for each learned token, the class name where it stands", () => {
  const shown = (classTokenPosition: "end" | "middle" | "front", contextTokens = 3) =>
    promptText("Sea_or_Lake", { contextTokens, classTokenPosition, classSpecific: false });
  assertEquals([shown("end"), shown("middle"), shown("front"), shown("end", 0)], [
    "X X X Sea or Lake.",
    "X Sea or Lake X X.",
    "Sea or Lake X X X.",
    "Sea or Lake.",
  ]);
});

Deno.test("the learning rate's law and the learned numbers are those of the settings", () => {
  const values = completeSettings(coop, { epochs: 7, lr: 0.5, warmupEpochs: 2, warmupLr: 0.1 })
    .values as PromptSettings;
  assertEquals(scheduleOf(values), { rate: 0.5, epochs: 7, warmupEpochs: 2, warmupRate: 0.1 });
  const params = { ctx: { shape: [4, 2], data: new Float32Array(8) }, bias: { shape: [3], data: new Float32Array(3) } };
  assertEquals(learnedNumbers({ params }), 11);
});

Deno.test("the settings of a stored prompt are read from its checkpoint; what that does not say is left to the preset", () => {
  const params = { ctx: { shape: [3, 5, 2], data: new Float32Array(30) } };
  const state = { step: 0, losses: [], params, velocity: {}, order: [] };
  const of = (method: unknown, metadata: Record<string, string>) =>
    storedValues(method as PromptLearning, { metadata, state });
  // 0.1.0 wrote no length of imported contexts: it stands in the tensor.
  assertEquals(of(coop, {}), { contextTokens: 5, initWords: "" });
  assertEquals(
    of(kgcoop, { views: "epochs", "init-words": "", "prompt-average": "3,1", lambda: "0.5", "context-tokens": "5" }),
    { views: "epochs", initWords: "", promptAverage: "3,1", lambda: 0.5, contextTokens: 5 },
  );
  assertThrows(() => of(coop, { epochs: "many" }), UserError, "epochs of the stored prompt");
});

Deno.test("logits of raw image features are those of the session, whether the context depends on the image or not", async () => {
  const engine = await openEngine("onnx", { threads: 1 });
  const weights = await loadWeights(`${ROOT}data/sample/model.safetensors`);
  const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
  try {
    for (const [method, given] of [[coop, { contextTokens: 3 }], [cocoop, {}]] as [unknown, Given][]) {
      const settings = completeSettings(method as Method, given).values;
      const classNames = ["forest", "sea", "river"];
      const task = {
        ...{ model, classNames, settings, template: "a photo of a {}." },
        random: (name: string) => namedStream(1, name),
      };
      const session = await openPrompt(model, { method: await (method as PromptLearning).prompt(task), classNames });
      const unit = Float32Array.from({ length: 2 * 128 }, (_, i) => Math.sin(i * i));
      for (const at of [0, 128]) {
        const length = Math.hypot(...unit.subarray(at, at + 128));
        for (let i = at; i < at + 128; i++) unit[i] /= length;
      }
      const logits = await promptLogits(model, session, { learnedFrom: true });
      // As the image tower gives them: of any length.
      const found = await logits({ shape: [2, 128], data: unit.map((value, i) => value * (i < 128 ? 7 : 0.1)) });
      const expected = await session.logits({ shape: [2, 128], data: unit });
      assertEquals(found.shape, [2, 3]);
      expected.data.forEach((value, i) => assertAlmostEquals(found.data[i], value, 1e-3));
      await session.dispose();
    }
  } finally {
    await model.dispose();
    await engine.dispose();
  }
});

Deno.test("--exact-check tells how far the two text passes are apart, before anything is trained", async () => {
  await inFolder(async () => {
    const given: Given = { train: "base", shots: 1, views: 0, epochs: 1, contextTokens: 2, exactCheck: true };
    const { said } = await runHere(coop, given);
    const at = said.findIndex((line) =>
      line.startsWith("Exact check: logits of the shared-prefix pass and of the plain 77")
    );
    assert(at > 0 && at < said.findIndex((line) => line.startsWith("Trained coop")), said.join("\n"));
    const [, relative] = /, (\S+) of their scale \(4 images, 5 classes\)/.exec(said[at])!;
    assert(Number(relative) < 1e-4, said[at]);
  });
});

Deno.test("a user's method that lacks what training needs is told which setting", async () => {
  await inFolder(async () => {
    const { epochs: _, lr: __, ...settings } = coop.settings;
    const mine = { ...coop, name: "mine", label: "Mine", settings, presets: {}, check: undefined } as unknown as Method;
    await assertRejects(
      () => runHere(mine, { train: "base", eval: ["base"] }),
      UserError,
      "The method Mine lacks the settings epochs, lr that training needs: spread coop.settings into its settings.",
    );
  });
});

Deno.test("a prompt is taken from what was trained in this or an earlier process, to the same numbers, page and card", async () => {
  await inFolder(async () => {
    const given: Given = { train: "base", shots: 2, views: 0, epochs: 2, contextTokens: 2, eval: ["base", "new"] };
    const first = await runHere(coop, given);
    const again = await runHere(coop, { ...given, train: undefined });
    assertEquals(again.folders, first.folders);
    assertEquals(again.reports.map(({ results }) => results), first.reports.map(({ results }) => results));
    const { training, nearestWords } = first.reports[0].results;
    assertEquals([training?.steps, training?.loss.length, training?.classes, nearestWords?.length], [4, 2, 5, 2]);
    assert(first.reports[0].timing.seconds.training! > 0);
    // Without a trained prompt, what to type is said; so it is where several fit.
    const evaluate = (more: Given) =>
      runHere(coop, { eval: ["new"], shots: 2, ...more }, { command: "deno task coop" });
    await assertRejects(() => evaluate({ seeds: [2] }), UserError, 'train one with "deno task coop --train base".');
    await runHere(coop, { ...given, epochs: 1 });
    const several = await assertRejects(
      () => evaluate({}),
      UserError,
      "Trained with other settings: runs/eurosat/coop/",
    );
    assert(several.message.endsWith("repeat their flags."), several.message);
    const { reports: [report] } = await evaluate({ epochs: 1, views: 0, contextTokens: 2 });
    assertEquals(report.run.hyperparameters.epochs, 1);
  });
});
