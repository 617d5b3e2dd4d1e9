/** The doctor and the installer, run as tasks. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { pathToFileURL as toFileUrl } from "node:url";
import { probeInChild } from "../../recipes/cli/probe.ts";
import { addonAddress } from "../../recipes/tensorflow/addon.ts";
import { CUDA_LIBRARIES, cudaProblem } from "../../recipes/tensorflow/cuda.ts";
import { destination, installLibrary, librariesOf, libraryAddress } from "../../recipes/tensorflow/library.ts";
import type { EngineRow } from "../../recipes/engines.ts";
import { loadTar } from "../../src/deps.ts";
import { ENGINE_NAMES } from "../../src/engine/choose.ts";
import { deviceProblem } from "../../src/engine/tensorflow.ts";
import { webgpuDevice } from "../../src/engine/webgpu.ts";
import { UserError } from "../../src/errors.ts";
import { ROOT } from "../tasks.ts";

const task = (...words: string[]) => taskWith({}, words);

async function taskWith(
  env: Record<string, string>,
  words: string[],
): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", ...words],
    cwd: ROOT,
    stdin: "null",
    env: { NO_COLOR: "1", ...env },
  }).output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

Deno.test("the doctor lists every engine, measured or with a reason and what to do", async () => {
  const { code, out, err } = await task("engines", "--json");
  assertEquals(code, 0, err);
  const { engines, auto, deno } = JSON.parse(out) as { engines: EngineRow[]; auto: unknown; deno: string };
  assertEquals(deno, Deno.version.deno);
  assert(auto !== undefined);
  assertEquals(
    [...new Set(engines.map(({ engine }) => engine))].sort(),
    ENGINE_NAMES.filter((name) => name !== "auto").toSorted(),
  );
  for (const row of engines) {
    if (row.available) {
      assert(row.gflops! > 0 && row.device !== "" && row.version !== "", row.engine);
    } else {
      assert(/^[A-Z].*\.$/.test(row.why!), `${row.engine}: ${row.why}`);
      assert(row.toGet!.length > 10, row.engine);
    }
  }
  const find = (engine: string, option?: string) =>
    engines.find((row) => row.engine === engine && row.option === option)!;
  for (const row of [find("onnx", "cpu"), find("wasm"), find("cpu")]) assert(row.available, row.why);
  assert(find("onnx", "cpu").gflops! > find("cpu").gflops!);
  assertEquals(find("webgpu").available, await webgpuDevice() !== undefined);
});

Deno.test("an engine whose library takes its process down is told of, and takes nothing else down", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const cases = {
      "process.abort();": /^Its process died of SIGABRT \(.*\)\.$/,
      "Deno.exit(7);": /^Its process ended with code 7 \(without a word\)\.$/,
      "throw new Error('a broken library');": /^Its process ended with code 1 \(.*\)\.$/,
    };
    for (const [body, expected] of Object.entries(cases)) {
      const script = toFileUrl(`${folder}/answer.ts`);
      await Deno.writeTextFile(script, `import process from "node:process";\nprocess.title;\n${body}\n`);
      const result = await probeInChild("tensorflow", { script });
      assert(!result.available && expected.test(result.why), JSON.stringify(result));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("doctor and installer refuse flags that they do not have", async () => {
  for (const name of ["engines", "gpu:install"]) {
    const { code, err } = await task(name, "--fast");
    assertEquals(code, 2);
    assertStringIncludes(err, "--fast");
    assertEquals(err.trim().split("\n").length, 1);
    assertEquals((await task(name, "--help")).code, 0);
  }
});

Deno.test("the installer says in one sentence what CUDA lacks", async () => {
  const all = new Set(CUDA_LIBRARIES);
  assertStringIncludes(cudaProblem({ libraries: all })!, "No NVIDIA driver answers");
  const card = "A card, driver 1";
  assertEquals(cudaProblem({ card, libraries: all }), undefined);
  assertEquals(cudaProblem({ card }), undefined);
  const without = (name: string) => new Set(CUDA_LIBRARIES.filter((library) => library !== name));
  assertStringIncludes(cudaProblem({ card, libraries: without("libcudnn.so.8") })!, "cuDNN 8 is not where");
  assertStringIncludes(cudaProblem({ card, libraries: without("libcublas.so.11") })!, "missing: libcublas.so.11)");
  assertStringIncludes(cudaProblem({ card, libraries: new Set() })!, "CUDA 11 and cuDNN 8 are not where");
  try {
    await new Deno.Command("nvidia-smi", { stdout: "null", stderr: "null" }).output();
  } catch (error) {
    assert(error instanceof Deno.errors.NotFound);
    const { code, err } = await task("gpu:install");
    assertEquals(code, 2);
    assertEquals(err.trim(), `error: ${cudaProblem({ libraries: all })}`);
  }
});

Deno.test("the installer says that a driver of CUDA 12 or 13 is not enough, and what runs with it, before it writes", async () => {
  const folder = await Deno.makeTempDir();
  const fake = async (name: string, lines: string[]) => {
    await Deno.writeTextFile(`${folder}/${name}`, ["#!/bin/sh", ...lines, ""].join("\n"));
    await Deno.chmod(`${folder}/${name}`, 0o755);
  };
  try {
    for (const cuda of ["12.8", "13.0"]) {
      await fake("nvidia-smi", [
        'if [ $# -gt 0 ]; then echo "NVIDIA H100 80GB HBM3, 570.86.15"; exit; fi',
        `echo "| NVIDIA-SMI 570.86.15   Driver Version: 570.86.15   CUDA Version: ${cuda}  |"`,
      ]);
      await fake("ldconfig", ['echo "	libcudart.so.12 (libc6,x86-64) => /usr/lib/libcudart.so.12"']);
      const { code, err } = await taskWith({ PATH: `${folder}:${Deno.env.get("PATH")}`, LD_LIBRARY_PATH: "" }, [
        "gpu:install",
      ]);
      assertEquals(code, 2, err);
      assertEquals(err.trim().split("\n").length, 1, err);
      assertStringIncludes(err, `driver is of CUDA ${cuda.slice(0, 2)} (NVIDIA H100 80GB HBM3, driver 570.86.15)`);
      for (const instead of ["--engine webgpu", "--engine onnx --device cuda"]) assertStringIncludes(err, instead);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const card = "A card, driver 1";
  const missing = new Set(CUDA_LIBRARIES.filter((name) => name !== "libcudnn.so.8"));
  assertStringIncludes(cudaProblem({ card, driverCuda: 13, libraries: missing })!, "cuDNN 8 is not where");
  assertStringIncludes(
    cudaProblem({ card, driverCuda: 11, libraries: new Set() })!,
    "CUDA 11 and cuDNN 8 are not where",
  );
});

Deno.test("tensorflow-gpu never computes on the processor in a card's place", () => {
  assertEquals(deviceProblem("tensorflow-gpu", { cuda: true }), undefined);
  for (const device of [undefined, "cuda"]) {
    const said = deviceProblem("tensorflow-gpu", { cuda: false, device })!;
    assertStringIncludes(said, "does not compute on the processor in its place");
    assertStringIncludes(said, "--engine webgpu");
  }
  assertEquals(deviceProblem("tensorflow-gpu", { cuda: false, device: "cpu" }), undefined);
  assertStringIncludes(deviceProblem("tensorflow-gpu", { cuda: true, device: "cpu" })!, "although --device cpu");
  assertEquals(deviceProblem("tensorflow", { cuda: false }), undefined);
});

Deno.test("mirrors are named as in tfjs-node's own install script", () => {
  const env = (values: Record<string, string>) => (name: string): string | undefined => values[name];
  const official = "https://storage.googleapis.com/tensorflow/libtensorflow/libtensorflow-";
  assertEquals(libraryAddress("gpu", env({})), `${official}gpu-linux-x86_64-2.9.1.tar.gz`);
  assertEquals(
    libraryAddress("cpu", env({ TFJS_NODE_CDN_STORAGE: "https://mirror/" })),
    "https://mirror/tensorflow/libtensorflow/libtensorflow-cpu-linux-x86_64-2.9.1.tar.gz",
  );
  assertEquals(
    libraryAddress("gpu", env({ npm_config_TFJS_NODE_BASE_URI: "https://mirror/lib-" })),
    "https://mirror/lib-gpu-linux-x86_64-2.9.1.tar.gz",
  );
  assertEquals(
    addonAddress("gpu", env({ npm_config_tfjs_binding_binary_host_mirror: "https://mirror/addons/" })),
    "https://mirror/addons/napi-v8/4.22.0/GPU-linux-4.22.0.tar.gz",
  );
});

Deno.test("of an archive, a wheel or a folder only libraries and C headers are taken", () => {
  assertEquals(destination("lib/libtensorflow.so.2.9.1"), "lib/libtensorflow.so.2");
  assertEquals(destination("./lib/libtensorflow_framework.so.2.9.1"), "lib/libtensorflow_framework.so.2");
  assertEquals(destination("tensorflow/libtensorflow_cc.so.2"), "lib/libtensorflow_cc.so.2");
  assertEquals(destination("include/tensorflow/c/c_api.h"), "include/tensorflow/c/c_api.h");
  assertEquals(destination("tensorflow/include/tsl/platform/ctstring.h"), "include/tsl/platform/ctstring.h");
  for (const other of ["LICENSE", "lib/libtensorflow.so", "tensorflow/include/Eigen/Core", "../c/c_api.h", "x.py"]) {
    assertEquals(destination(other), undefined, other);
  }
});

async function archive(files: Record<string, string>): Promise<Uint8Array<ArrayBuffer>> {
  const { packTar } = await loadTar();
  const entries = Object.entries(files).map(([name, body]) => ({ header: { name, size: body.length }, body }));
  const packed = new Blob([await packTar(entries) as Uint8Array<ArrayBuffer>]);
  return new Uint8Array(await new Response(packed.stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer());
}

Deno.test("libtensorflow comes from a mirror, a file or a folder of one's own, whole or not at all", async () => {
  const folder = await Deno.makeTempDir();
  const deps = `${folder}/deps`;
  const install = (source: string) => installLibrary(source, { deps, cache: `${folder}/cache`, log: () => {} });
  const files = {
    "lib/libtensorflow.so.2.9.1": "library",
    "lib/libtensorflow_framework.so.2.9.1": "framework",
    "include/tensorflow/c/c_api.h": "header",
    "LICENSE": "none of it",
  };
  const good = await archive(files);
  const bodies: Record<string, Uint8Array<ArrayBuffer>> = {
    "/good.tar.gz": good,
    "/cut.tar.gz": good.slice(0, good.length - 40),
    "/empty.tar.gz": await archive({ "LICENSE": "nothing else" }),
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const body = bodies[new URL(request.url).pathname];
    return body === undefined ? new Response("no", { status: 404 }) : new Response(body);
  });
  const host = `http://127.0.0.1:${server.addr.port}`;
  try {
    await install(`${host}/good.tar.gz`);
    assertEquals(await librariesOf(deps), ["libtensorflow.so.2", "libtensorflow_framework.so.2"]);
    assertEquals(await Deno.readTextFile(`${deps}/lib/libtensorflow.so.2`), "library");
    assertEquals(await Deno.readTextFile(`${deps}/include/tensorflow/c/c_api.h`), "header");
    assertEquals([...Deno.readDirSync(`${folder}/cache`)], []);

    await Deno.rename(deps, `${folder}/own`);
    await install(`${folder}/own`);
    assertEquals(await librariesOf(deps), ["libtensorflow.so.2", "libtensorflow_framework.so.2"]);

    await Deno.writeFile(`${folder}/own.tar.gz`, good);
    await install(`${folder}/own.tar.gz`);
    assert(Deno.statSync(`${folder}/own.tar.gz`).isFile);

    await assertRejects(() => install(`${host}/none.tar.gz`), UserError, "the server answers 404");
    await assertRejects(() => install(`${host}/cut.tar.gz`), UserError, "is damaged or cut off");
    await assertRejects(() => install(`${host}/empty.tar.gz`), UserError, "holds no libtensorflow.so.2");
    await assertRejects(() => install(`${folder}/nowhere.whl`), UserError, "There is no libtensorflow at");
    await Deno.writeTextFile(`${folder}/notes.txt`, "");
    await assertRejects(() => install(`${folder}/notes.txt`), UserError, "give a .tar.gz, a .whl or a folder");
    await Deno.writeTextFile(`${folder}/bad.whl`, "no zip");
    await assertRejects(() => install(`${folder}/bad.whl`), UserError, "is damaged or cut off");
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});
