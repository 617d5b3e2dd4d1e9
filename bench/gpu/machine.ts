/**
 * What a machine with a card has: its name, PyTorch beside us, and Vulkan's loader and driver, wherever they were put.
 */
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Where `bench/gpu/pack.ts` puts Vulkan's loader, and what NVIDIA's driver is linked with, beside the kit. */
const PACKED = `${ROOT}../vulkan/usr/lib/x86_64-linux-gnu`;
const PACKED_X11 = `${ROOT}../x11/usr/lib/x86_64-linux-gnu`;
/** Where drivers put what Vulkan's loader looks for; the last is not one of the loader's own folders. */
const DRIVER_FOLDERS = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/nvidia/share/vulkan/icd.d"];
const NVIDIA_FILES = ["nvidia_icd.json", "nvidia_icd.x86_64.json"];
/** NVIDIA's driver for Vulkan. Its first library is linked with X's, also where nothing is shown. */
const NVIDIA_LIBRARY = "libGLX_nvidia.so.0";

/** Where to run, and what there is. */
export interface Machine {
  /** The environment in which the loader and the card's driver are found. */
  env: Record<string, string>;
  /** For the first line of the results. */
  vulkan: { loader: string; drivers: string[]; missing?: string[] };
  /** The cards as nvidia-smi knows them. */
  cards: string | undefined;
}

/** Looks. `folder` takes a driver's description where the driver brought none. */
export async function lookAtMachine(folder: string): Promise<Machine> {
  const env: Record<string, string> = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  const libraries = await librariesOfLoader();
  const own = [
    ...isThere(PACKED) ? [PACKED] : [],
    ...isThere(PACKED_X11) && !libraries.has("libX11.so.6") ? [PACKED_X11] : [],
  ];
  if (own.length > 0) env.LD_LIBRARY_PATH = [...own, Deno.env.get("LD_LIBRARY_PATH") ?? ""].filter(Boolean).join(":");
  const named = Deno.env.get("VK_DRIVER_FILES") ?? Deno.env.get("VK_ICD_FILENAMES");
  const found = DRIVER_FOLDERS.filter(isThere).flatMap((at) =>
    [...Deno.readDirSync(at)].map(({ name }) => `${at}/${name}`)
  );
  const nvidia = found.find((path) => NVIDIA_FILES.some((name) => path.endsWith(`/${name}`)));
  const library = libraries.get(NVIDIA_LIBRARY);
  if (named === undefined && (nvidia ?? library) !== undefined) {
    env.VK_DRIVER_FILES = nvidia ?? describe(library!, folder);
  }
  const missing = library === undefined ? [] : await missingOf(library, env);
  return {
    env,
    vulkan: {
      loader: isThere(PACKED) ? `${PACKED}/libvulkan.so.1` : libraries.get("libvulkan.so.1") ?? "none",
      drivers: (named ?? env.VK_DRIVER_FILES)?.split(":") ?? found,
      ...missing.length > 0 && { missing },
    },
    cards: await said("nvidia-smi", ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]),
  };
}

/** The version of the PyTorch of `python3`, and the card that it sees when it is to; undefined where there is none. */
export async function lookAtPytorch(on: "cuda" | "cpu"): Promise<string | undefined> {
  const more = on === "cuda" ? ", torch.cuda.get_device_name(0)" : "";
  return await said("python3", ["-c", `import torch; print(torch.__version__${more})`]);
}

/** The card's memory in use, in MiB. */
export async function memoryOfCard(): Promise<number | undefined> {
  const text = await said("nvidia-smi", ["--query-gpu=memory.used", "--format=csv,noheader,nounits"]);
  return text === undefined ? undefined : Number(text.split("\n")[0]);
}

/** Whether there is such a file or folder. */
export function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The libraries that the system's loader knows: name → path. */
async function librariesOfLoader(): Promise<Map<string, string>> {
  const text = await said("ldconfig", ["-p"]) ?? await said("/sbin/ldconfig", ["-p"]) ?? "";
  return new Map([...text.matchAll(/^\s*(\S+) .*=> (\S+)$/gm)].map(([, name, path]) => [name, path]));
}

/** What a library is linked with and the machine lacks. */
async function missingOf(library: string, env: Record<string, string>): Promise<string[]> {
  const text = await said("ldd", [library], env) ?? "";
  return [...text.matchAll(/^\s*(\S+) => not found$/gm)].map(([, name]) => name);
}

/** Containers are given a driver's libraries, and often not the file that names them. */
function describe(library: string, folder: string): string {
  const path = `${folder}/nvidia_icd.json`;
  const icd = { file_format_version: "1.0.1", ICD: { library_path: library, api_version: "1.3.0" } };
  Deno.writeTextFileSync(path, JSON.stringify(icd));
  return path;
}

/** What a command prints; undefined where there is no such command, or it fails. */
async function said(command: string, args: string[], env?: Record<string, string>): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(command, { args, env, stdin: "null", stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
