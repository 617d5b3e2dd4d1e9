/** Ctrl-C and the end that a cluster gives a process: what is to be done first, and what is said. */

/** Stops what would go on without this process. */
const stops = new Set<() => void>();

/** Exit codes as shells have them. */
const CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Has `stop` called when this process is told to end; gives what takes it back. */
export function onInterrupt(stop: () => void): () => void {
  stops.add(stop);
  return () => void stops.delete(stop);
}

/** From now on, an interruption leaves a clean line that says what is kept. */
export function tellInterrupts(kept: string): void {
  for (const signal of Deno.build.os === "windows" ? ["SIGINT"] as const : ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      for (const stop of stops) stop();
      const clean = Deno.stderr.isTerminal() ? "\r\x1b[K" : "";
      Deno.stderr.writeSync(new TextEncoder().encode(`${clean}${`Stopped. ${kept}`.trim()}\n`));
      Deno.exit(CODES[signal]);
    });
  }
}
