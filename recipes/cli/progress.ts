/**
 * Progress for people, on standard error: one live line on a terminal, a line an epoch elsewhere, nothing with `--quiet`.
 */

/** Says what happens. */
export interface Progress {
  /** A line that stays. */
  say(line: string): void;
  /** A count that moves; `line` is called only when it is shown. */
  update(count: Count): void;
  /** The end of a piece of work: a line that stays, off a terminal and on it. */
  finish(line: string): void;
}

/** How far a piece of work has come. */
export interface Count {
  /** What is being done: `training`, `evaluating base`. */
  what: string;
  done: number;
  total: number;
  /** What is counted: `steps`, `images`. */
  unit: string;
  /** More to say: loss, learning rate. */
  detail?: string;
  /** Worth a line where there is no live line. */
  milestone?: boolean;
}

/** Where lines go; replaced in tests. */
export interface Terminal {
  live: boolean;
  columns: number;
  write(text: string): void;
  now(): number;
}

const REDRAW_MS = 100;
const LEAST_SECONDS = 0.2;

/** Progress on standard error. */
export function openProgress(options: { quiet: boolean }): Progress {
  const encoder = new TextEncoder();
  return progressOn({
    live: Deno.stderr.isTerminal(),
    get columns() {
      return Deno.consoleSize().columns;
    },
    write: (text) => void Deno.stderr.writeSync(encoder.encode(text)),
    now: () => performance.now(),
  }, options);
}

/** Progress on any terminal. */
export function progressOn(terminal: Terminal, options: { quiet: boolean }): Progress {
  if (options.quiet) return { say() {}, update() {}, finish() {} };
  let started: { what: string; at: number; done: number } | undefined;
  let drawn = -Infinity;
  let shown = false;
  const clear = () => {
    if (shown) terminal.write("\r\x1b[K");
    shown = false;
  };
  const say = (line: string) => {
    clear();
    terminal.write(`${line}\n`);
  };
  return {
    say,
    finish(line) {
      started = undefined;
      say(line);
    },
    update(count) {
      const now = terminal.now();
      // A resumed run must not count the steps of the former process into its rate.
      if (started?.what !== count.what) started = { what: count.what, at: now, done: count.done };
      const line = describe(count, { seconds: (now - started.at) / 1000, since: started.done });
      if (terminal.live) {
        if (now - drawn < REDRAW_MS && count.done < count.total) return;
        drawn = now;
        clear();
        terminal.write(line.slice(0, Math.max(20, terminal.columns - 1)));
        shown = true;
      } else if (count.milestone) {
        terminal.write(`${line}\n`);
      }
    },
  };
}

function describe(count: Count, pace: { seconds: number; since: number }): string {
  const rate = (count.done - pace.since) / pace.seconds;
  const parts = [`${count.what} ${count.done}/${count.total} ${count.unit}`];
  if (count.detail) parts.push(count.detail);
  // What ends at once has no rate worth reading.
  if (pace.seconds >= LEAST_SECONDS && Number.isFinite(rate) && rate > 0) {
    parts.push(`${rate >= 10 ? Math.round(rate) : rate.toFixed(1)} ${count.unit}/s`);
    if (count.done < count.total) parts.push(`ETA ${duration((count.total - count.done) / rate)}`);
  }
  return parts.join("  ");
}

/** `42 s`, `3 min 05 s`, `2 h 07 min`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor(whole % 3600 / 60)).padStart(2, "0")} min`;
}
