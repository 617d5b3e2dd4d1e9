/** DePT against PyTorch: `fixtures/make_dept.py`, an independent float32 implementation on the sample's stored features. */
import { assertAlmostEquals, assertEquals, assertLess, assertThrows } from "jsr:@std/assert@1.0.19";
import { type ClipModel, loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { readSafetensors, toFloat32 } from "../../src/clip/weights/safetensors.ts";
import { namedStream, type RandomStream } from "../../src/data/random.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { UserError } from "../../src/errors.ts";
import { headLoss } from "../../src/methods/dept.ts";
import { cocoop, coop, kgcoop, prograd } from "../../src/methods/kit.ts";
import { type Method, type PromptLearning, publishedValues, withVariants } from "../../src/methods/method.ts";
import { promptLoss, type PromptMethod } from "../../src/methods/prompt_method.ts";
import { openPrompt, type PromptSession } from "../../src/prompt/session.ts";
import { completeSettings } from "../../src/run/config.ts";
import { promptLogits, scheduleOf } from "../../src/run/prompt_learner.ts";
import { settingsOf } from "../../src/run/settings.ts";
import { copyParameters, train } from "../../src/train/loop.ts";
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
  return [(await session.logits(tests)).data, (await (await promptLogits(model, session))(tests)).data];
}

async function openedAt(
  model: ClipModel,
  at: { method: PromptMethod; classNames: string[]; params: PromptSession["params"] },
): Promise<PromptSession> {
  const session = await openPrompt(model, at);
  copyParameters(at.params, session.params);
  return session;
}

for (const engineName of ["onnx", "wasm", "cpu"] as const) {
  for (const [name, asked] of [["coop", coop], ["kgcoop", kgcoop], ["cocoop", cocoop]] as const) {
    Deno.test(`${engineName}: DePT over ${name} has PyTorch's logits, terms, gradients, steps and new classes`, async () => {
      await withEngine(engineName, async (engine) => {
        const weights = await loadWeights(`${ROOT}data/sample/model.safetensors`);
        const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
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
        await model.dispose();
      });
    });
  }
}
