/**
 * Checks for every engine that trains; each engine's test file runs them if the engine is installed.
 */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "jsr:@std/assert@1.0.19";
import { noiseTensor, randomClip } from "../../bench/random_clip.ts";
import { type ClipModel, loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { namedStream } from "../../src/data/random.ts";
import { openEngine } from "../../src/engine/choose.ts";
import type { Engine, Held, HostTensor, ProgramFunction } from "../../src/engine/ops.ts";
import { cocoopPrompt } from "../../src/methods/cocoop.ts";
import { normalizeRows } from "../../src/methods/zero_shot.ts";
import { deepRows } from "../../src/parity/deep.ts";
import { openFixtures } from "../../src/parity/fixtures.ts";
import { promptRows } from "../../src/parity/prompts.ts";
import { towerRows } from "../../src/parity/towers.ts";
import { sgdStep, type Velocity } from "../../src/optim/sgd.ts";
import { openPrompt, type PromptSession } from "../../src/prompt/session.ts";
import { sharedPath } from "../shared.ts";

const CLASSES = ["Annual Crop Land", "Forest", "Herbaceous Vegetation Land", "Highway or Road", "Industrial Buildings"];

/** A test of an engine that not every machine has. Without it, the test is skipped, or fails if `variable` is 1. */
export function engineTest(
  name: string,
  options: { there: boolean; engine: string; variable: string },
  fn: () => Promise<void>,
): void {
  if (options.there) {
    Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
  } else if (Deno.env.get(options.variable) === "1") {
    Deno.test(name, () => {
      throw new Error(`The engine ${options.engine} is missing, and ${options.variable}=1 asks for it.`);
    });
  } else {
    Deno.test.ignore(`${name} (skipped: the engine ${options.engine} is not on this machine)`, fn);
  }
}

/** Fails unless towers, pull-backs, prompts in front of and inside the towers, and training agree with the published code. */
export async function assertParity(engine: Engine): Promise<void> {
  const fixtures = openFixtures(sharedPath("reference"));
  const weights = await loadWeights(fixtures.path("mini_openai.safetensors"));
  const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
  const rows = [
    ...await towerRows(model, { weights, fixtures, name: "mini" }),
    ...await promptRows(model, { fixtures, name: "mini" }),
    ...await deepRows(model, { fixtures, name: "mini", kind: "ivlp" }),
    ...await deepRows(model, { fixtures, name: "mini", kind: "maple" }),
  ];
  await model.dispose();
  assertEquals(rows.length, 11 + 12);
  for (const row of rows) {
    console.log(
      `${row.engine}: ${row.stage}: ${row.largest.toExponential(1)} of ${row.tolerance}, ${row.cases} cases`,
    );
    assert(row.passed, `${row.stage}: ${row.largest} in ${row.failures.join(", ")}`);
  }
}

async function openSession(model: ClipModel, classNames: readonly string[] = CLASSES): Promise<PromptSession> {
  const method = cocoopPrompt({
    contextTokens: 4,
    initWords: "a photo of a",
    model,
    random: namedStream(1, "context-init"),
    embedding: model.config.embedding,
    metaNetRandom: namedStream(1, "meta-net-init"),
  });
  return await openPrompt(model, { method, classNames });
}

/** A small training loop; each step has one image fewer than there are classes. */
async function train(
  session: PromptSession,
  options: { steps: number; embedding: number; each?: (step: number) => void },
): Promise<number[]> {
  const velocity: Velocity = {};
  const losses: number[] = [];
  const C = session.classNames.length;
  for (let step = 0; step < options.steps; step++) {
    const { loss, gradients } = await session.step({
      imageFeatures_BE: normalizeRows(noiseTensor([C - 1, options.embedding], 100 + step % 5)),
      labels: Array.from({ length: C - 1 }, (_, label) => (label + step) % C),
    });
    losses.push(loss);
    sgdStep(session.params, gradients, { learningRate: 0.0025, momentum: 0.9, weightDecay: 5e-4, velocity });
    options.each?.(step);
  }
  return losses;
}

/** Fails unless twenty steps of CoCoOp on the mini model give onnx's losses within 1e-3. Gives the kernels of a step. */
export async function assertSameTraining(engine: Engine): Promise<number> {
  const weights = await loadWeights(sharedPath("reference/mini_openai.safetensors"));
  const tokenizer = await loadTokenizer();
  async function losses(on: Engine): Promise<number[]> {
    const model = loadModel(weights, { engine: on, tokenizer });
    const session = await openSession(model);
    const out = await train(session, { steps: 20, embedding: model.config.embedding });
    await session.dispose();
    await model.dispose();
    return out;
  }
  const start = performance.now();
  const [before, found] = [engine.kernelCount(), await losses(engine)];
  const ms = (performance.now() - start) / 20;
  const kernels = (engine.kernelCount() - before) / 20;
  console.log(`${engine.name}: ${ms.toFixed(1)} ms and ${Math.round(kernels)} kernels a step`);
  const onnx = await openEngine("onnx", { threads: 2 });
  const wanted = await losses(onnx);
  await onnx.dispose();
  assert(wanted[19] !== wanted[0]);
  found.forEach((loss, step) => assertAlmostEquals(loss, wanted[step], 1e-3, `step ${step + 1}`));
  return kernels;
}

/** Fails unless the number of tensors is constant from the first of 200 steps on, and over evaluations. */
export async function assertFlat(engine: Engine): Promise<void> {
  const tower = { width: 64, layers: 1, heads: 1 };
  const config = {
    embedding: 32,
    image: { size: 8, patch: 4, ...tower },
    text: { context: 77, vocabulary: 49408, ...tower },
  };
  const model = loadModel(randomClip(config), { engine, tokenizer: await loadTokenizer() });
  const session = await openSession(model, CLASSES.slice(0, 2));
  const counts: number[] = [];
  await train(session, { steps: 200, embedding: 32, each: () => void counts.push(engine.tensorCount()) });
  assertEquals(counts[0] > 0, true);
  assertEquals(new Set(counts).size, 1, `tensor counts: ${[...new Set(counts)]}`);
  const images = normalizeRows(noiseTensor([40, 32], 9));
  await session.logits(images);
  const after = engine.tensorCount();
  await session.logits(images);
  assertEquals(engine.tensorCount(), after);
  await session.dispose();
  await model.dispose();
}

/**
 * Fails unless tensors stay on the engine's device until they are released, to the bits of runs that go through the host,
 * are refused where they do not belong, and leave nothing behind. `other` is a second engine of the same kind.
 */
export async function assertHeld(engine: Engine, other: Engine): Promise<void> {
  const fn: ProgramFunction = (ops, [state, x]) => [
    ops.add(ops.scale(state, 0.9), ops.sum(ops.exp(x), 0)),
    ops.sum(ops.mul(state, state), -1),
  ];
  const { memory } = engine;
  assert(memory && other.memory);
  const [program, holding] = [engine.program("through_host", fn), memory.program("held", fn)];
  const x = (step: number) => noiseTensor([7, 5], step);
  let state: HostTensor = noiseTensor([1, 5], 1);
  let held: Held[] = [];
  const [wanted, squares]: [HostTensor[], Held[]] = [[], []];
  let before = 0;
  for (let step = 0; step < 200; step++) {
    const [next, square] = await program.run([state, x(step)]);
    const after = await holding.run([held[0] ?? state, x(step)]);
    assertEquals(after.map(({ shape }) => [...shape]), [[1, 5], [1, 1]]);
    memory.release(held);
    [state, held] = [next, [after[0]]];
    wanted.push(square);
    squares.push(after[1]);
    if (step === 0) before = engine.tensorCount();
    else assertEquals(engine.tensorCount(), before + step);
    // A read in between changes nothing.
    if (step % 50 === 7) assertEquals((await memory.read(held))[0].data, state.data);
  }
  const read = await memory.read([...held, ...squares]);
  assertEquals(read.map(({ data }) => [...data]), [state, ...wanted].map(({ data }) => [...data]));
  assertEquals((await memory.read(held)).map(({ data, shape }) => [[...shape], [...data]]), [[[1, 5], [
    ...state.data,
  ]]]);
  memory.release(squares);
  assertEquals(engine.tensorCount(), before - 1);

  await assertRejects(() => other.memory!.program("others", fn).run([held[0], x(0)]), Error, "another engine's");
  await assertRejects(() => other.memory!.read(held), Error, "another engine's");
  assertThrows(() => other.memory!.release(held), Error, "another engine's");
  memory.release(held);
  await assertRejects(() => memory.read(held), Error, "is released");
  await assertRejects(() => holding.run([held[0], x(0)]), Error, "is released");
  assertThrows(() => memory.release(held), Error, "is released");
  const short = { shape: [7, 5], data: new Float32Array(34) };
  await assertRejects(() => holding.run([state, short]), Error, "34");
  // What failed holds nothing.
  await assertRejects(() => holding.run([state, noiseTensor([3, 4], 1)]), Error);
  assertEquals(engine.tensorCount(), before - 2);
  await program.dispose();
  await holding.dispose();
}
