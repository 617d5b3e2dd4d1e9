/**
 * Progress for people, on standard error: one live line on a terminal, a line an epoch elsewhere, nothing with `--quiet`.
 */
import { wrap } from "../../src/text_table.ts";
import { visible } from "../../src/errors.ts";
import { duration, type Progress } from "../../src/run/progress.ts";

/** Where lines go; replaced in tests. */
export interface Terminal {
  live: boolean;
  columns: number;
  write(text: string): void;
  now(): number;
}

const REDRAW_MS = 100;
const LEAST_SECONDS = 0.2;
const LEAST_COLUMNS = 20;

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
    // The next count shows at once.
    drawn = -Infinity;
    const lines = terminal.live ? wrap(visible(line), Math.max(LEAST_COLUMNS, terminal.columns)) : [visible(line)];
    terminal.write(lines.map((one) => `${one}\n`).join(""));
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
      const parts = describe(count, { seconds: (now - started.at) / 1000, since: started.done });
      if (terminal.live) {
        if (now - drawn < REDRAW_MS && count.done < count.total) return;
        drawn = now;
        clear();
        terminal.write(fitting(parts, Math.max(LEAST_COLUMNS, terminal.columns - 1)));
        shown = true;
      } else if (count.milestone) {
        terminal.write(`${fitting(parts, Infinity)}\n`);
      }
    },
  };
}

/** A part of a line, and how soon it is left out where the line is too long; what has no number stays. */
interface Part {
  text: string;
  drop?: number;
}

function describe(count: Parameters<Progress["update"]>[0], pace: { seconds: number; since: number }): Part[] {
  const rate = (count.done - pace.since) / pace.seconds;
  const parts: Part[] = [{ text: `${visible(count.what)} ${count.done}/${count.total} ${count.unit}` }];
  // The epoch can be read off the steps; after it the last detail is the least.
  const details = count.detail?.split("  ") ?? [];
  parts.push(...details.map((text, i) => ({ text, drop: i === 0 ? 2 : 2 + details.length - i })));
  // What ends at once has no rate worth reading.
  if (pace.seconds >= LEAST_SECONDS && Number.isFinite(rate) && rate > 0) {
    parts.push({ text: speed(rate, count.unit), drop: 1 });
    if (count.done < count.total) parts.push({ text: `ETA ${duration((count.total - count.done) / rate)}` });
  }
  return parts;
}

/** The parts that a line has room for. */
function fitting(parts: readonly Part[], columns: number): string {
  const line = parts.map(({ text }) => text).join("  ");
  const least = Math.min(...parts.map(({ drop = Infinity }) => drop));
  if (line.length <= columns || least === Infinity) return line.slice(0, columns);
  return fitting(parts.filter(({ drop }) => drop !== least), columns);
}

/** `142 steps/s`, `1.4 steps/s`, `2.5 s a step`. */
function speed(rate: number, unit: string): string {
  if (rate >= 1) return `${rate >= 10 ? Math.round(rate) : rate.toFixed(1)} ${unit}/s`;
  return `${rate > 0.1 ? `${(1 / rate).toFixed(1)} s` : duration(1 / rate)} a ${unit.replace(/s$/, "")}`;
}
