/**
 * What a machine has of NVIDIA's driver and libraries.
 */

/** The libraries that TensorFlow 2.9 opens on a GPU: CUDA 11 and cuDNN 8. */
export const CUDA_LIBRARIES = [
  "libcudart.so.11.0",
  "libcublas.so.11",
  "libcublasLt.so.11",
  "libcufft.so.10",
  "libcurand.so.10",
  "libcusolver.so.11",
  "libcusparse.so.11",
  "libcudnn.so.8",
];

/** What was found. */
export interface CudaState {
  /** The card and its driver, in words. */
  card?: string;
  /** The newest CUDA that the driver runs, such as 13. */
  driverCuda?: number;
  /** The libraries that the loader finds; left out where it is unknown which are needed. */
  libraries?: ReadonlySet<string>;
}

/** Looks for driver and libraries by asking `nvidia-smi` and `ldconfig`, and in `LD_LIBRARY_PATH`. */
export async function findCuda(libraryPath: string | undefined): Promise<CudaState> {
  const smi = await said("nvidia-smi", ["--query-gpu=name,driver_version", "--format=csv,noheader"]);
  const [name, driver] = smi?.trim().split("\n")[0].split(", ") ?? [];
  // No query gives the version, only the table.
  const [, driverCuda] = /CUDA Version\s*:\s*(\d+)/.exec(await said("nvidia-smi", []) ?? "") ?? [];
  const listed = await said("ldconfig", ["-p"]) ?? await said("/sbin/ldconfig", ["-p"]) ?? "";
  const libraries = new Set([...listed.matchAll(/^\s*(\S+) \(/gm)].map((match) => match[1]));
  for (const folder of (libraryPath ?? "").split(":").filter((path) => path !== "")) {
    const files = await said("ls", ["-1", folder]);
    files?.split("\n").forEach((file) => libraries.add(file));
  }
  return {
    ...(driver !== undefined && { card: `${name}, driver ${driver}` }),
    ...(driverCuda !== undefined && { driverCuda: Number(driverCuda) }),
    libraries,
  };
}

/** One sentence on what is missing, and what to do; undefined when all is there. */
export function cudaProblem(state: CudaState): string | undefined {
  if (state.card === undefined) {
    return "No NVIDIA driver answers (nvidia-smi): install the driver, or take --engine webgpu or onnx on this machine.";
  }
  const { libraries } = state;
  const missing = libraries === undefined ? [] : CUDA_LIBRARIES.filter((name) => !libraries.has(name));
  if (missing.length === 0) return undefined;
  const parts = [
    ...(missing.some((name) => !name.startsWith("libcudnn")) ? ["CUDA 11"] : []),
    ...(missing.includes("libcudnn.so.8") ? ["cuDNN 8"] : []),
  ];
  const lacks = `(missing: ${missing.join(", ")})`;
  if ((state.driverCuda ?? 11) > 11 && parts.includes("CUDA 11")) {
    return `This machine's driver is of CUDA ${state.driverCuda} (${state.card}), and TensorFlow 2.9 needs the libraries of ` +
      `${parts.join(" and ")} beside it ${lacks}: use --engine webgpu, for which nothing is to be installed, or ` +
      "--engine onnx --device cuda after deno task gpu:install --onnx.";
  }
  return `${parts.join(" and ")} ${parts.length > 1 ? "are" : "is"} not where the loader looks ${lacks}: install ${
    parts.length > 1 ? "them" : "it"
  }, or add the folder to LD_LIBRARY_PATH.`;
}

async function said(command: string, args: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(command, { args, stdin: "null", stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
