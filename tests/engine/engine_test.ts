import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { engineName, openEngine } from "../../src/engine/choose.ts";
import { engineFailure } from "../../src/engine/failures.ts";
import type { Engine, HostTensor, Ops, ProgramFunction } from "../../src/engine/ops.ts";
import { tested } from "../../src/engine/self_test.ts";
import { readFound } from "../../src/engine/tensorflow.ts";
import { UserError } from "../../src/errors.ts";
import { apartEngine } from "./apart.ts";
import { assertFlat, assertHeld } from "./engine_cases.ts";
import { ENGINES, randomTensor, runOnce, withEngine } from "./ops_cases.ts";

for (const name of ENGINES) {
  Deno.test(`${name} keeps the number of its tensors over 200 steps`, () => withEngine(name, assertFlat));

  Deno.test(`${name} passes the self-test and leaves nothing behind`, () =>
    withEngine(name, async (engine) => {
      const before = engine.tensorCount();
      await tested(engine);
      assertEquals(engine.tensorCount(), before);
    }));

  Deno.test(`${name} disposes a program that has failed once, and leaves nothing behind`, () =>
    withEngine(name, async (engine) => {
      const before = engine.tensorCount();
      const program = engine.program("joined", (ops, [x, y]) => [ops.concat([x, y], 0)]);
      const [narrow, wide] = [randomTensor([2, 3], 1), randomTensor([2, 4], 2)];
      await assertRejects(() => program.run([narrow, wide]), Error, "joined");
      const [{ shape }] = await program.run([narrow, narrow]);
      assertEquals([...shape], [4, 3]);
      await program.dispose();
      assertEquals(engine.tensorCount(), before);
    }));
}

Deno.test("tensors stay on a device that is apart from the host until they are released", async () => {
  for (const joinOutputs of [false, true]) {
    const [engine, other] = [await apartEngine({ joinOutputs }), await apartEngine({ joinOutputs })];
    await assertHeld(engine, other);
    for (const each of [engine, other]) await each.dispose();
  }
});

Deno.test("engines on the processor keep nothing apart", async () => {
  for (const name of ENGINES) {
    await withEngine(name, (engine) => Promise.resolve(assertEquals(engine.memory, undefined)));
  }
});

Deno.test("onnx keeps as many sets of shapes prepared as a program asks for, and prepares others again", () =>
  withEngine("onnx", async (engine) => {
    const program = engine.program("double", (ops, [x]) => [ops.scale(x, 2)], { shapes: 2 });
    const inputs = [1, 2, 3].map((rows) => randomTensor([rows, 2], rows));
    const counts: number[] = [];
    for (const x of [...inputs, inputs[0]]) {
      const [{ data }] = await program.run([x]);
      assertEquals([...data], [...x.data].map((value) => 2 * value));
      counts.push(engine.tensorCount());
    }
    assertEquals(counts, [1, 2, 2, 2]);
    await program.dispose();
    assertEquals(engine.tensorCount(), 0);
  }));

/** An engine whose results are changed before they are returned. */
function corrupted(engine: Engine, corrupt: (data: Float32Array) => void, onDispose = () => {}): Engine {
  return {
    ...engine,
    program(name: string, fn: ProgramFunction) {
      const program = engine.program(name, fn);
      return {
        ...program,
        async run(inputs) {
          const outputs = await program.run(inputs);
          outputs.forEach(({ data }) => corrupt(data));
          return outputs;
        },
      };
    },
    dispose: () => Promise.resolve(onDispose()),
  };
}

Deno.test("the self-test refuses wrong and non-finite numbers, and closes the engine", () =>
  withEngine("cpu", async (engine) => {
    const corruptions: ((data: Float32Array) => void)[] = [
      (data) => data[3] += 3e-4,
      (data) => data[data.length - 1] = NaN,
      (data) => data.fill(0),
    ];
    for (const corrupt of corruptions) {
      let closed = 0;
      await assertRejects(
        () => tested(corrupted(engine, corrupt, () => closed++)),
        UserError,
        "The engine cpu on cpu (tfjs 4.22.0) computes wrong numbers",
      );
      assertEquals(closed, 1);
    }
  }));

Deno.test("what engines throw when memory runs out or the device is lost becomes one sentence", () => {
  const place = { engine: "webgpu", program: "cocoop_step" };
  const outOfMemory = [
    "OOM when allocating tensor with shape[200000,200000]",
    "Invalid TF_Status: 8\nMessage: RESOURCE_EXHAUSTED",
    "std::bad_alloc",
    "Cannot enlarge memory arrays",
    "Buffer size 160000000000 is greater than the maximum buffer size (2147483647).",
    "Failed to allocate memory for requested buffer of size 1024",
  ];
  for (const text of outOfMemory) {
    const error = engineFailure(new Error(text), place);
    assert(error instanceof UserError, text);
    assertEquals(
      error.message,
      "The engine webgpu ran out of memory in cocoop_step: use a smaller --batch-size, or another --engine.",
    );
  }
  for (const text of ["device lost: driver reset", "Device was destroyed", "CUDA_ERROR_ILLEGAL_ADDRESS: failed"]) {
    const error = engineFailure(new Error(text), place);
    assert(error instanceof UserError, text);
    assertStringIncludes(error.message, "The engine webgpu lost its device in cocoop_step");
    assert(!error.message.includes("\n"));
  }
  const other = engineFailure(new Error("Shapes do not fit"), place);
  assert(!(other instanceof UserError));
  assertStringIncludes(other.message, "webgpu failed in cocoop_step: Shapes do not fit");
  const own = new UserError("as it was");
  assertEquals(engineFailure(own, place), own);
});

for (const name of ["wasm", "cpu"] as const) {
  Deno.test(`${name} computes what depends on frozen numbers once, and again for other frozen numbers`, () =>
    withEngine(name, async (engine) => {
      const fn = <T>(ops: Ops<T>, [x, mask]: readonly T[]): readonly T[] => {
        const { normalized, rstd } = ops.standardize(ops.exp(ops.scale(mask, 2)), 1e-5);
        const wide = ops.broadcastTo(ops.reshape(normalized, [1, 3, 4]), [2, 3, 4]);
        return [ops.add(ops.mul(x, wide), rstd), normalized];
      };
      const [x, first, second] = [randomTensor([2, 3, 4], 1), randomTensor([3, 4], 2), randomTensor([3, 4], 3)];
      const plain = engine.program("plain", fn);
      const folded = engine.program("folded", fn);
      const kernels = async (run: () => Promise<HostTensor[]>) => {
        const before = engine.kernelCount();
        return { outputs: await run(), kernels: engine.kernelCount() - before };
      };
      const frozen = [first, second].map((value) => engine.freeze("mask", value));
      for (const [i, host] of [first, second].entries()) {
        const wanted = await plain.run([x, host]);
        const once = await kernels(() => folded.run([x, frozen[i]]));
        const again = await kernels(() => folded.run([x, frozen[i]]));
        assertEquals(once.outputs, wanted);
        assertEquals(again.outputs, wanted);
        assertEquals(again.kernels, 2);
        assert(once.kernels > 6);
      }
      const count = engine.tensorCount();
      engine.release(frozen[0]);
      assert(engine.tensorCount() < count);
      assertEquals(await folded.run([x, frozen[1]]), await plain.run([x, second]));
      await folded.dispose();
      await plain.dispose();
      engine.release(frozen[1]);
      // The two plain numbers stay until the engine is closed.
      assertEquals(engine.tensorCount(), 2);
      await engine.dispose();
      assertEquals(engine.tensorCount(), 0);
    }));
}

Deno.test("an engine that is misspelt or has no such device is refused with advice", async () => {
  assertThrows(() => engineName("onx"), UserError, 'There is no engine "onx"');
  await assertRejects(() => openEngine("wasm", { device: "cuda" }), UserError, "--device cuda goes with --engine onnx");
  await assertRejects(() => openEngine("onnx", { device: "gpu" }), UserError, 'There is no device "gpu"');
  await assertRejects(() => openEngine("tensorflow", { device: "cuda" }), UserError, "use --engine tensorflow-gpu");
  await assertRejects(() => openEngine("onnx", { threads: 0 }), UserError, "--threads is 0");
  await assertRejects(() => openEngine("onnx", { threads: 100_000 }), UserError, "--threads is 100000: give a whole");
});

Deno.test("auto says what it took and why", async () => {
  const lines: string[] = [];
  const engine = await openEngine("auto", { threads: 1, log: (line) => lines.push(line) });
  const found = readFound("tensorflow-gpu");
  assertEquals(lines.length, 1);
  if (found?.cuda !== true) {
    assertEquals(engine.name, "onnx");
    const why = found === undefined
      ? "no CUDA engine is installed"
      : "the installed tensorflow-gpu found no CUDA device";
    assertEquals(lines[0], `Engine: onnx on cpu, because ${why} (deno task engines lists all).`);
  } else {
    assert(lines[0].includes(engine.name));
  }
  await engine.dispose();
});

Deno.test("the portable engines load no native code and read nothing but packages, with SIMD", async () => {
  const audit = await Deno.makeTempFile();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", "--allow-read=node_modules", "-"],
    cwd: new URL("../../", import.meta.url),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", DENO_AUDIT_PERMISSIONS: audit },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`
    import { openEngine } from "./src/engine/choose.ts";
    for (const name of ["wasm", "cpu"]) console.log((await openEngine(name)).name);
  `));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  assertEquals(new TextDecoder().decode(stdout), "wasm\ncpu\n");
  const binaries = new Set((await Deno.readTextFile(audit)).match(/tfjs-backend-wasm[\w-]*\.wasm/g));
  assertEquals([...binaries], ["tfjs-backend-wasm-simd.wasm"]);
  await Deno.remove(audit);
});

Deno.test("wasm transposes any number of axes as plain JavaScript does", async () => {
  const permutations = [[2, 0, 3, 1, 4], [1, 3, 0, 2, 4], [4, 3, 2, 1, 0], [0, 1, 2, 3, 4], [5, 0, 4, 1, 3, 2]];
  const transposed = async (name: "wasm" | "cpu") => {
    const outputs: HostTensor[] = [];
    await withEngine(name, async (engine) => {
      for (const permutation of permutations) {
        const x = randomTensor([2, 3, 4, 5, 2, 3].slice(0, permutation.length), 1);
        outputs.push(...await runOnce(engine, (ops, [x]) => [ops.transpose(x, permutation)], [x]));
      }
    });
    return outputs;
  };
  assertEquals(await transposed("wasm"), await transposed("cpu"));
});
