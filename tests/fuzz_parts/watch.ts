/**
 * What a reader does while it is being watched: which files it touches, how much memory it takes, how long it needs, and
 * whether it ends.
 */
import process from "node:process";
import { resolve } from "node:path";

/** A watch over this process; one at a time. */
export interface Watch {
  /** Runs something and says what it did that it must not do; nothing when all is well. */
  run(work: () => Promise<void>, limits: Limits): Promise<string[]>;
  stop(): void;
}

/** What a reader may do. */
export interface Limits {
  /** Where it may read. */
  folder: string;
  /** Whether it may write there too. */
  writes: boolean;
  /** What it may take in one piece. */
  mostBytes: number;
  label: string;
}

/** Milliseconds of the processor: no input of a few hundred kilobytes takes this long, however busy the machine is. */
const MOST_MS = 3_000;
const HANG_MS = 60_000;
/** The process itself grows now and then, whatever is read. */
const MOST_GROWTH_KILOBYTES = 300 * 1024;

const READERS = ["open", "openSync", "readFile", "readTextFile", "readDir", "realPath", "stat", "lstat"] as const;
const OTHERS = ["writeFile", "writeTextFile", "mkdir", "remove", "rename", "symlink", "link", "copyFile"] as const;
const TWO_PATHS: readonly string[] = ["rename", "symlink", "link", "copyFile"];
const ARRAYS = ["Uint8Array", "Uint16Array", "Uint32Array", "Int32Array", "Float32Array", "Float64Array"] as const;

type Call = (...args: unknown[]) => unknown;
type Constructor = new (...args: unknown[]) => { byteLength: number };

/** Begins to watch: from here on, files and memory go through it. */
export function startWatch(): Watch {
  const deno = Deno as unknown as Record<string, Call>;
  const world = globalThis as unknown as Record<string, Constructor>;
  const kept: (() => void)[] = [];
  let folder: string | undefined;
  let mayWrite = false;
  let largest = 0;
  let wrong: string[] = [];

  for (const name of [...READERS, ...OTHERS]) {
    const real = deno[name];
    kept.push(() => deno[name] = real);
    deno[name] = (...args) => {
      if (folder !== undefined) {
        const writing = (OTHERS as readonly string[]).includes(name);
        if (writing && !mayWrite) wrong.push(`called Deno.${name}`);
        for (const given of TWO_PATHS.includes(name) ? args.slice(0, 2) : args.slice(0, 1)) {
          const path = resolve(String(given instanceof URL ? given.pathname : given));
          if (path !== folder && !path.startsWith(`${folder}/`)) wrong.push(`touched ${path}`);
        }
      }
      return real(...args);
    };
  }
  const command = Deno.Command;
  kept.push(() => deno.Command = command as unknown as Call);
  deno.Command = class {
    constructor() {
      throw new Error("A reader started a program");
    }
  } as unknown as Call;
  for (const name of ARRAYS) {
    const real = world[name];
    // Some code compares `constructor` with the global.
    kept.push(() => world[name] = real.prototype.constructor = real);
    world[name] = real.prototype.constructor = new Proxy(real, {
      construct(target, args, newTarget) {
        const made = Reflect.construct(target, args, newTarget === world[name] ? target : newTarget);
        if (!(args[0] instanceof ArrayBuffer)) largest = Math.max(largest, made.byteLength);
        return made;
      },
    });
  }
  const guard = startGuard();

  return {
    async run(work, limits) {
      largest = 0;
      wrong = [];
      guard.begin(limits.label);
      const grown = process.resourceUsage().maxRSS;
      const held = Deno.memoryUsage().rss;
      const start = process.cpuUsage();
      folder = resolve(limits.folder);
      mayWrite = limits.writes;
      try {
        await work();
      } finally {
        folder = undefined;
        guard.end();
      }
      const { user, system } = process.cpuUsage(start);
      const ms = (user + system) / 1000;
      // The largest of all time tells nothing more once it is large.
      const kilobytes = Math.max(process.resourceUsage().maxRSS - grown, (Deno.memoryUsage().rss - held) / 1024);
      if (ms > MOST_MS) wrong.push(`took ${Math.round(ms)} ms of the processor`);
      if (largest > limits.mostBytes) wrong.push(`took ${largest} bytes in one piece`);
      if (kilobytes > MOST_GROWTH_KILOBYTES) wrong.push(`let the process grow by ${Math.round(kilobytes)} KB`);
      return [...new Set(wrong)];
    },
    stop() {
      kept.reverse().forEach((restore) => restore());
      guard.stop();
    },
  };
}

/** A thread that ends the process when nothing has moved for long: a loop without end cannot be left otherwise. */
function startGuard(): { begin(label: string): void; end(): void; stop(): void } {
  const source = `
    let label, since;
    onmessage = ({ data }) => { label = data; since = Date.now(); };
    setInterval(() => {
      if (label !== undefined && Date.now() - since > ${HANG_MS}) {
        console.error("hangs: " + label);
        Deno.kill(Deno.pid, "SIGKILL");
      }
    }, 1000);`;
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, { type: "module" });
  return {
    begin: (label) => worker.postMessage(label),
    end: () => worker.postMessage(undefined),
    stop: () => worker.terminate(),
  };
}
