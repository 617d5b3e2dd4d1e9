/**
 * tfjs on Deno's own WebGPU, on whatever device there is: a card, or Mesa's software Vulkan.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { loadTfjs } from "../../src/deps.ts";
import { openEngine } from "../../src/engine/choose.ts";
import type { Engine, Held } from "../../src/engine/ops.ts";
import { webgpuDevice } from "../../src/engine/webgpu.ts";
import { UserError } from "../../src/errors.ts";
import { assertFeatures } from "../clip/fixture_features.ts";
import { assertOptimizers } from "../optim/on_device_cases.ts";
import { assertDeviceSteps, assertStops, FEW } from "../train/device_cases.ts";
import { assertFlat, assertHeld, assertParity, assertSameTraining, engineTest } from "./engine_cases.ts";
import { fused, FUSED_INPUTS } from "./fused_cases.ts";
import { relativeL2, runOnce, withEngine } from "./ops_cases.ts";

const device = await webgpuDevice();
const options = { there: device !== undefined, engine: "webgpu", variable: "CI_REQUIRE_WEBGPU" };

function webgpuTest(name: string, fn: (engine: Engine) => Promise<void>): void {
  engineTest(name, options, async () => {
    const engine = await openEngine("webgpu");
    try {
      await fn(engine);
    } finally {
      await engine.dispose();
    }
  });
}

webgpuTest("webgpu names its device", (engine) => {
  assertStringIncludes(engine.device, device!.name);
  assertStringIncludes(engine.device, "WebGPU of Deno");
  return Promise.resolve();
});

webgpuTest("webgpu agrees with the published code", assertParity);

webgpuTest("webgpu gives PyTorch's features of other CLIPs: GELU, other heads, epsilon and perceptron", assertFeatures);

webgpuTest(
  "webgpu's own kernels give what the cpu engine composes, also where an operand is constant",
  async (engine) => {
    const wanted = await withEngine("cpu", (cpu) => runOnce(cpu, fused, FUSED_INPUTS));
    // With all numbers but one frozen, most results are constants, which the second run takes from the first.
    const frozen = FUSED_INPUTS.map((input, i) => engine.freeze(`input ${i}`, input));
    const program = engine.program("fused", fused);
    const runs = [FUSED_INPUTS, ...new Array(2).fill([FUSED_INPUTS[0], ...frozen.slice(1)])];
    for (const inputs of runs) {
      const found = await program.run(inputs);
      assertEquals(found.map(({ shape }) => shape), wanted.map(({ shape }) => [...shape]));
      found.forEach(({ data }, i) => {
        const off = relativeL2(data, wanted[i].data);
        assert(off < 2e-6, `result ${i} is off by ${off}`);
      });
    }
  },
);

webgpuTest("webgpu trains as onnx does, in at most 110 kernels a step of two blocks", async (engine) => {
  assert(await assertSameTraining(engine) <= 110);
});

webgpuTest("webgpu keeps the number of its tensors over 200 steps", assertFlat);

webgpuTest("webgpu's optimisers are the host's but for rounding", assertOptimizers);

webgpuTest("webgpu stops at a loss that is not finite", assertStops);

webgpuTest("webgpu holds tensors on its device until they are released", async (engine) => {
  const other = await openEngine("webgpu");
  await assertHeld(engine, other);
  await other.dispose();
});

webgpuTest(
  "webgpu's optimisers do what the host's do, and go on from a checkpoint to the bits of the uninterrupted run",
  async (engine) => await assertDeviceSteps(engine, { tolerance: 1e-4, cuts: [6], variants: FEW }),
);

webgpuTest("webgpu reports a lost device in one sentence, and can be opened again", async (engine) => {
  const tf = await loadTfjs();
  const program = engine.program("after_the_loss", (ops, [x]) => [ops.softmax(ops.matMul(x, x))]);
  const x = { shape: [300, 300], data: new Float32Array(90_000).fill(0.1) };
  await program.run([x]);
  const holding = engine.memory!.program("held", (ops, [x]) => [ops.softmax(ops.matMul(x, x))]);
  let held: Held[] = [];
  for (let run = 0; run < 4; run++) held = await holding.run([held[0] ?? x]);
  const backend = tf.backend() as unknown as { device: { destroy(): void; lost: Promise<unknown> } };
  backend.device.destroy();
  await backend.device.lost;
  await assertRejects(() => program.run([x]), UserError, "The engine webgpu lost its device in after_the_loss");
  await assertRejects(() => holding.run(held), UserError, "The engine webgpu lost its device in held");
  await assertRejects(() => engine.memory!.read(held), UserError, "The engine webgpu lost its device in held");
  await engine.dispose();
  const next = await openEngine("webgpu");
  assertEquals(next.name, "webgpu");
  await next.dispose();
});

webgpuTest("webgpu reports in one sentence that memory ran out", async (engine) => {
  const program = engine.program("too_large", (ops, [a, b]) => [ops.sum(ops.matMul(a, b), -1)]);
  const column = { shape: [200_000, 1], data: new Float32Array(200_000) };
  const row = { shape: [1, 200_000], data: new Float32Array(200_000) };
  await assertRejects(() => program.run([column, row]), UserError, "ran out of memory in too_large");
  await assertRejects(
    async () => {
      const { memory } = engine;
      await memory!.read(
        await memory!.program("held", (ops, [a, b]) => [ops.sum(ops.matMul(a, b), -1)]).run([column, row]),
      );
    },
    UserError,
    "ran out of memory in held",
  );
});
