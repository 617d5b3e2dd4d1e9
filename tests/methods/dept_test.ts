/** DePT against PyTorch: `fixtures/make_dept.py`, an independent float32 implementation on the sample's stored features. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertRejects,
  assertThrows,
} from "jsr:@std/assert@1.0.19";
import { type ClipModel, loadModel } from "../../src/clip/model.ts";
import { placesIn } from "../../src/clip/spoken_name.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { readSafetensors, toFloat32 } from "../../src/clip/weights/safetensors.ts";
import { namedStream, type RandomStream } from "../../src/data/random.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { UserError } from "../../src/errors.ts";
import { headLoss } from "../../src/methods/dept.ts";
import { cocoop, coop, kgcoop, prograd } from "../../src/methods/kit.ts";
import { type Method, type PromptLearning, withVariants } from "../../src/methods/method.ts";
import { promptLoss, type PromptMethod } from "../../src/methods/prompt_method.ts";
import { normalizeRows } from "../../src/methods/zero_shot.ts";
import { promptsOf } from "../../src/prompt/class_prompts.ts";
import { EXACT_TOLERANCE, exactCheck } from "../../src/prompt/exact_check.ts";
import { promptPrograms } from "../../src/prompt/programs.ts";
import { openPrompt, type PromptSession } from "../../src/prompt/session.ts";
import { openStoredPrompt, storedPrompt } from "../../src/prompt/stored_prompt.ts";
import { completeSettings } from "../../src/run/config.ts";
import { configYaml } from "../../src/run/config_yaml.ts";
import { promptLogits, scheduleOf } from "../../src/run/prompt_learner.ts";
import { settingsOf } from "../../src/run/settings.ts";
import { train } from "../../src/train/loop.ts";
import { copyParameters } from "../../src/train/parameters.ts";
import { relativeL2, withEngine } from "../engine/ops_cases.ts";
import { ROOT } from "../tasks.ts";

const FIXTURE = "tests/fixtures/dept.safetensors";
const { entries, metadata } = readSafetensors(await Deno.readFile(ROOT + FIXTURE), FIXTURE);
const [BASE, NEW]: string[][] = [JSON.parse(metadata.base), JSON.parse(metadata.new)];
const tensor = (name: string): HostTensor => {
  const entry = entries.get(name)!;
  return { shape: entry.shape, data: toFloat32(entry).slice() };
};
const bytes = (name: string) => [...entries.get(name)!.bytes];
const doubles = (name: string) => [...new Float64Array(entries.get(name)!.bytes.slice().buffer)];
const below = (prefix: string) =>
  Object.fromEntries(
    [...entries.keys()].filter((name) => name.startsWith(prefix)).map((name) => [
      name.slice(prefix.length),
      tensor(name),
    ]),
  );

const [images, tests, labels] = [tensor("images"), tensor("tests"), bytes("labels")];
const TEMPLATE = "a centered satellite photo of {}.";

/** The variant of a method under `--head dept`, as a run makes it. */
async function prompted(
  model: ClipModel,
  { asked, classNames, trains = true }: { asked: unknown; classNames: string[]; trains?: boolean },
): Promise<{ method: PromptMethod; settings: Parameters<typeof scheduleOf>[0] }> {
  const words = asked === coop ? { contextTokens: 4 } : { initWords: "a photo of a" };
  const given = { head: "dept", preset: "dept-cvpr24", epochs: 5, batchSize: 4, lr: 0.0035, ...words };
  const { method, values } = completeSettings(asked as Method, given);
  const prompt = await (method as PromptLearning).prompt({
    ...{ model, classNames, classesSeen: BASE, settings: values, template: TEMPLATE, trains },
    random: (name) => namedStream(1, name),
  });
  return { method: prompt, settings: values as Parameters<typeof scheduleOf>[0] };
}

/** The recorded orders, one for each epoch. */
function recorded(): Pick<RandomStream, "shuffle" | "state" | "restore"> {
  const [, N] = entries.get("orders")!.shape;
  let epoch = 0;
  return {
    shuffle: (items) => void items.splice(0, N, ...bytes("orders").slice(epoch * N, ++epoch * N) as typeof items),
    state: () => [epoch],
    restore: ([to]) => void (epoch = to),
  };
}

/** Logits of the test images, by the session itself and as runs take them. */
async function logitsOf(model: ClipModel, session: PromptSession): Promise<Float32Array[]> {
  return [
    (await session.logits(tests)).data,
    (await (await promptLogits(model, session, { learnedFrom: true }))(tests)).data,
  ];
}

async function openedAt(
  model: ClipModel,
  at: { method: PromptMethod; classNames: string[]; params: PromptSession["params"] },
): Promise<PromptSession> {
  const session = await openPrompt(model, at);
  copyParameters(at.params, session.params);
  return session;
}

/** Runs `fn` with the sample model. */
async function withSample(
  fn: (model: ClipModel) => Promise<void>,
  { engine: name = "onnx" }: { engine?: "onnx" | "wasm" | "cpu" } = {},
): Promise<void> {
  await withEngine(name, async (engine) => {
    const weights = await loadWeights(`${ROOT}data/sample/model.safetensors`);
    const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
    await fn(model);
    await model.dispose();
  });
}

for (const engine of ["onnx", "wasm", "cpu"] as const) {
  for (const [name, asked] of [["coop", coop], ["kgcoop", kgcoop], ["cocoop", cocoop]] as const) {
    Deno.test(`${engine}: DePT over ${name} has PyTorch's logits, terms, gradients, steps and new classes`, async () => {
      await withSample(async (model) => {
        const params = below(`${name}/start/`);
        const { method, settings } = await prompted(model, { asked, classNames: BASE });
        assertEquals(method.name, `${name}-dept`);
        const session = await openedAt(model, { method, classNames: BASE, params });
        for (const found of await logitsOf(model, session)) {
          assertLess(relativeL2(found, tensor(`${name}/logits`).data), 2e-5, "logits");
        }
        const batch = { imageFeatures_BE: images, labels };
        const { loss, gradients } = await session.step(batch);
        const terms: PromptMethod = {
          ...method,
          losses: (ops, inputs) => [promptLoss(ops, inputs), headLoss(ops, inputs)],
          combine: ([first]) => first,
        };
        const apart = await openedAt(model, { method: terms, classNames: BASE, params });
        const { losses: [cosines, head] } = await apart.step(batch);
        await apart.dispose();
        for (const [term, value] of Object.entries({ total: loss, cosines, head })) {
          const wanted = tensor(`${name}/terms/${term}`).data[0];
          assertLess(Math.abs(value / wanted - 1), 2e-5, term);
        }
        const wantedGradients = below(`${name}/gradients/`);
        assertEquals(Object.keys(gradients).sort(), Object.keys(wantedGradients).sort());
        for (const [key, { data }] of Object.entries(wantedGradients)) {
          assertLess(relativeL2(gradients[key], data), 1e-4, `gradient of ${key}`);
        }
        const rates: number[] = [];
        const { losses } = await train(session, {
          images: { labels: Int32Array.from(labels), views: 1, view: () => Promise.resolve(images) },
          batchSize: 4,
          schedule: scheduleOf(settings),
          rates: method.head!.rates,
          momentum: settings.momentum,
          weightDecay: settings.weightDecay,
          order: recorded(),
          onStep: ({ lr, epoch }) => rates[epoch - 1] = lr,
        });
        const wanted = doubles(`${name}/losses`);
        assertEquals(losses.length, 20);
        losses.forEach((loss, step) => assertLess(Math.abs(loss / wanted[step] - 1), 1e-4, `loss of step ${step + 1}`));
        rates.forEach((lr, epoch) => assertAlmostEquals(lr / doubles(`${name}/rates`)[2 * epoch], 1, 1e-12));
        for (const found of await logitsOf(model, session)) {
          assertLess(relativeL2(found, tensor(`${name}/final/base`).data), 1e-3, "final logits");
        }
        const other = await prompted(model, { asked, classNames: NEW, trains: false });
        const fresh = await openedAt(model, { ...other, classNames: NEW, params: session.params });
        for (const found of await logitsOf(model, fresh)) {
          assertLess(relativeL2(found, tensor(`${name}/final/new`).data), 1e-3, "new classes");
        }
        for (const one of [session, fresh]) await one.dispose();
      }, { engine });
    });
  }
}

Deno.test("the head counts where it knows all the classes, each by its name; elsewhere the cosines alone", async () => {
  await withSample(async (model) => {
    const params = below("coop/start/");
    const logits = async (classNames: string[]) => {
      const { method } = await prompted(model, { asked: coop, classNames, trains: false });
      const session = await openedAt(model, { method, classNames, params });
      const [alone, inRun] = await logitsOf(model, session);
      assertLess(relativeL2(alone, inRun), 1e-5, classNames.join());
      // What the cosines are, without the head.
      const { head: _, ...bare } = method;
      const without = await openPrompt(model, { method: bare, classNames });
      copyParameters(params, without.params);
      const cosines = (await without.logits(normalizeRows(tests))).data;
      for (const one of [session, without]) await one.dispose();
      return { alone, cosines };
    };
    const whole = tensor("coop/logits").data;
    // Another spelling and order, and some of the classes.
    const places = [3, 0, 4];
    const some = await logits(places.map((c) => BASE[c].toUpperCase().replaceAll(" ", "_")));
    const { alone } = await logits(places.map((c) => BASE[c]));
    alone.forEach((value, i) =>
      assertAlmostEquals(value, whole[Math.floor(i / 3) * 5 + places[i % 3]], 1e-3, `image ${Math.floor(i / 3)}`)
    );
    // Classes of one name are told apart by their place, as in some lists of ImageNet.
    assertEquals(placesIn(["Sea", "pond", "sea"], ["Sea", "pond", "sea"]), [0, 1, 2]);
    assertEquals(placesIn(["Sea", "pond"], ["pond", "SEA", "sea"]), [1, 0, -1]);
    // As read off tokens.
    assertEquals(placesIn(["a 3 1 0", "st . bernard"], ["St._Bernard", "A310"]), [1, 0]);
    // The head's part is the same however the name is spelled; the text is another.
    const head = (of: typeof some) => of.alone.map((value, i) => value - 0.3 * of.cosines[i]);
    const own = await logits(BASE);
    head(some).forEach((value, i) => assertAlmostEquals(value, head(own)[Math.floor(i / 3) * 5 + places[i % 3]], 1e-3));
    for (const names of [[...BASE, NEW[0]], [BASE[0], NEW[1]], [...BASE, ...NEW]]) {
      const { alone, cosines } = await logits(names);
      assertLess(relativeL2(alone, cosines), 1e-5, names.join());
    }
    assert(relativeL2(own.alone, own.cosines) > 0.1);
  });
});

Deno.test("a stored prompt keeps its head, and one without is not taken for one with", async () => {
  await withSample(async (model) => {
    const params = below("cocoop/start/");
    const prompt = storedPrompt({
      state: { params },
      metadata: {
        ...{ method: "cocoop-dept", model: "sample", "model-sha256": model.sha256, "context-tokens": "4" },
        ...{ "init-words": "a photo of a", "classes-seen": JSON.stringify(BASE) },
      },
    }, "x");
    const session = await openStoredPrompt(prompt, { model, classNames: BASE });
    assertLess(relativeL2((await session.logits(tests)).data, tensor("cocoop/logits").data), 2e-5);
    await session.dispose();
    const { ["linear_probe_proj.bias"]: _, ...cut } = params;
    for (
      const [of, what] of [
        [{ ...prompt, params: cut }, '"linear_probe_proj.bias" does not fit'],
        [{ ...prompt, method: "cocoop" }, '"film_lp_img.scale" does not fit'],
        [{ ...prompt, classesSeen: BASE.slice(1) }, '"linear_probe_proj.weight" does not fit'],
      ] as const
    ) await assertRejects(() => openStoredPrompt(of, { model, classNames: BASE }), UserError, what);
  });
});

Deno.test("a step on many classes runs in pieces, to the gradients of the whole; the exact check holds with a head", async () => {
  await withSample(async (model) => {
    const classNames = Array.from({ length: 500 }, (_, i) => `n${i}`);
    const { method, values } = completeSettings(coop as unknown as Method, { head: "dept", contextTokens: 4 });
    const prompt = await (method as PromptLearning).prompt({
      ...{ model, classNames, settings: values, template: TEMPLATE },
      random: (name) => namedStream(1, name),
    });
    const session = await openPrompt(model, { method: prompt, classNames });
    assert(session.tokenRows > 2048, `${session.tokenRows} rows`);
    const pieces = await session.step({ imageFeatures_BE: images, labels });
    const layout = model.layOut(promptsOf(model, prompt, classNames), prompt.shape);
    const programs = promptPrograms(model, { method: prompt, layout, text: await model.text() });
    const labels_BC = { shape: [labels.length, 500], data: new Float32Array(labels.length * 500) };
    labels.forEach((label, b) => labels_BC.data[b * 500 + label] = 1);
    const [whole] = await programs.step(session.params, { storedFeatures_BE: images, labels_BC });
    await programs.dispose();
    assertLess(Math.abs(pieces.loss / whole.loss - 1), 1e-5);
    for (const [name, gradient] of Object.entries(whole.gradients)) {
      assert(gradient.some((x) => x !== 0), name);
      assertLess(relativeL2(pieces.gradients[name], gradient), 1e-4, name);
    }
    const { relative } = await exactCheck(model, { session, imageFeatures_BE: tests });
    assertLess(relative, EXACT_TOLERANCE);
    await session.dispose();
  });
});

Deno.test("--head goes where it is published and nowhere else; a spread leaves the variants behind", () => {
  const heads = [coop, cocoop, kgcoop].map((method) => {
    const [{ name, label, presets }] = withVariants(method as never).filter(({ name }) => name.endsWith("-dept"));
    return [name, label, Object.keys(presets).join()];
  });
  const presets = "seed-notebook,dept-cvpr24";
  assertEquals(heads, [
    ["coop-dept", "CoOp with DePT", presets],
    ["cocoop-dept", "CoCoOp with DePT", presets],
    ["kgcoop-dept", "KgCoOp with DePT", presets],
  ]);
  const mine = { ...coop, name: "mine", label: "Mine" } as unknown as Method;
  const flags = [coop, cocoop, kgcoop, prograd, mine].map((method) => "head" in settingsOf(method as Method));
  assertEquals(flags, [true, true, true, false, false]);
  assertEquals(withVariants(mine), [mine]);
  for (
    const [method, given, message] of [
      [mine, { head: "dept" }, "--head is fixed for Mine: leave it out."],
      [{ ...kgcoop, label: "Mine" }, { over: "cocoop" }, "--over is fixed for Mine: leave it out."],
      [
        coop,
        { preset: "dept-cvpr24" },
        "take seed-notebook, coop-ijcv22 or coop-base2new, or give --head dept besides.",
      ],
      [prograd, { head: "dept" }, "--head is fixed for ProGrad: leave it out."],
      [kgcoop, { head: "dept", over: "cocoop" }, "--head is fixed for KgCoOp over CoCoOp: leave it out."],
    ] as const
  ) assertThrows(() => completeSettings(method as Method, given), UserError, message);
  // Unchanged ones can be said.
  const { method, changed } = completeSettings(kgcoop as unknown as Method, { head: "none", over: "coop" });
  assertEquals([method, changed], [kgcoop as unknown, []]);
  assertEquals(configYaml(completeSettings(mine, {})).includes("head"), false);
});
