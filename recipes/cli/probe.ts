/**
 * Asks an engine in a process of its own: a broken driver or library then ends that process, not this one.
 */
import { fileURLToPath } from "node:url";
import type { EngineProbe } from "../../src/engine/probe.ts";

/** What came of a probe: how the engine does, or why it does not run. */
export type ProbeResult = { available: true; probe: EngineProbe } | { available: false; why: string };

/** The line with which a probing process tells its result. */
export const PROBE_MARK = "engine-probe: ";

const SCRIPT = new URL("../engines.ts", import.meta.url);
const ROOT = new URL("../../", import.meta.url);
const PATIENCE_MS = 90_000;

/** What a probing process may do: read the packages and load native code from them. */
export const PROBE_PERMISSIONS: readonly string[] = [
  "--no-prompt",
  "--allow-read=data,.cache,node_modules,/usr/bin/ldd",
  "--allow-env=MALLOC_ARENA_MAX,TF_CPP_MIN_LOG_LEVEL,NVIDIA_TF32_OVERRIDE,CUDA_VISIBLE_DEVICES",
  "--allow-ffi=node_modules",
];

/** Probes an engine, as named with `--engine` and `--device`. `script` answers; the doctor itself when left out. */
export async function probeInChild(
  engine: string,
  options: { device?: string; script?: URL } = {},
): Promise<ProbeResult> {
  const { device, script = SCRIPT } = options;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      ...PROBE_PERMISSIONS,
      fileURLToPath(script),
      "--probe",
      engine,
      ...(device === undefined ? [] : ["--device", device]),
    ],
    cwd: fileURLToPath(ROOT),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, PATIENCE_MS);
  const { code, signal, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const line = text(stdout).split("\n").find((line) => line.startsWith(PROBE_MARK));
  if (line !== undefined) return JSON.parse(line.slice(PROBE_MARK.length));
  if (late) return { available: false, why: `It gave no answer in ${PATIENCE_MS / 1000} seconds.` };
  const said = text(stderr).split("\n").map((line) => line.trim()).findLast((line) => line !== "");
  const end = signal === null ? `ended with code ${code}` : `died of ${signal}`;
  return { available: false, why: `Its process ${end} (${(said ?? "without a word").replace(/\.$/, "")}).` };
}
