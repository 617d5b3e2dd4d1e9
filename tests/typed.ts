/** Commands as people type them, in processes without a terminal. */
import { ROOT } from "./tasks.ts";

/** How a command ended, and what it said. */
export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Types `deno WORDS…` in a folder. */
export async function typed(words: readonly string[], folder: string): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...words],
    cwd: folder,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Folders of the kit that hold no file of its own. */
const NOT_OF_THE_KIT = [".git", "node_modules", "runs", ".cache", "coverage"];

/** Every file of the kit with its size and the time of its last change. */
export async function kitState(): Promise<string[]> {
  const found: string[] = [];
  const walk = async (below: string) => {
    for await (const { name, isDirectory } of Deno.readDir(`${ROOT}${below}`)) {
      if (NOT_OF_THE_KIT.includes(name)) continue;
      if (isDirectory) await walk(`${below}${name}/`);
      else {
        const { size, mtime } = await Deno.stat(`${ROOT}${below}${name}`);
        found.push(`${below}${name} ${size} ${mtime?.toISOString()}`);
      }
    }
  };
  await walk("");
  return found.sort();
}
