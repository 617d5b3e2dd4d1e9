/** Progress of a run: recipes show it on a terminal, library users may leave it out. */

/** Receives lines and counts. */
export interface Progress {
  /** A line that stays. */
  say(line: string): void;
  /** A count that moves: how far a piece of work has come. */
  update(count: {
    /** What is being done: `training`, `evaluating base`. */
    what: string;
    /** How many are done. */
    done: number;
    /** Of how many. */
    total: number;
    /** What is counted: `steps`, `images`. */
    unit: string;
    /** More to say: loss, learning rate. */
    detail?: string;
    /** Worth a line where there is no live line. */
    milestone?: boolean;
  }): void;
  /** The end of a piece of work: a line that stays. */
  finish(line: string): void;
}

/** Shows nothing. */
export const SILENT: Progress = { say() {}, update() {}, finish() {} };

/** `42 s`, `3 min 05 s`, `2 h 07 min`. */
const DAY = 86_400;

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  if (whole >= 2 * DAY) {
    return `${Math.floor(whole / DAY).toLocaleString("en-US")} days ${Math.floor(whole % DAY / 3600)} h`;
  }
  return `${Math.floor(whole / 3600)} h ${String(Math.floor(whole % 3600 / 60)).padStart(2, "0")} min`;
}
