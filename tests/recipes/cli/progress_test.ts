import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { progressOn, type Terminal } from "../../../recipes/cli/progress.ts";
import { duration } from "../../../src/run/progress.ts";

/** A terminal that remembers, with a clock of its own. */
function fakeTerminal(options: { live: boolean; columns?: number }) {
  let written = "";
  let seconds = 0;
  const terminal: Terminal = {
    live: options.live,
    columns: options.columns ?? 120,
    write: (text) => void (written += text),
    now: () => seconds * 1000,
  };
  return { terminal, wait: (more: number) => void (seconds += more), written: () => written };
}

const step = (done: number, milestone = false) => ({
  what: "training coop, seed 1",
  done,
  total: 2000,
  unit: "steps",
  detail: "epoch 5/100  loss 0.6379  lr 2.50e-3",
  milestone,
});

Deno.test("a live line tells loss, learning rate, rate and the time left, and takes the place of the one before", () => {
  const { terminal, wait, written } = fakeTerminal({ live: true });
  const progress = progressOn(terminal, { quiet: false });
  progress.update(step(1));
  wait(1);
  progress.update(step(101));
  const last = written().split("\r\x1b[K").at(-1)!;
  assertEquals(
    last,
    "training coop, seed 1 101/2000 steps  epoch 5/100  loss 0.6379  lr 2.50e-3  100 steps/s  ETA 19 s",
  );
  progress.finish("Done.");
  assert(written().endsWith("\r\x1b[KDone.\n"));
});

Deno.test("where the terminal is narrow, whole parts go, the least first; loss and time left stay longest", () => {
  for (
    const [columns, expected] of [
      [90, "training coop, seed 1 101/2000 steps  epoch 5/100  loss 0.6379  lr 2.50e-3  ETA 19 s"],
      [80, "training coop, seed 1 101/2000 steps  loss 0.6379  lr 2.50e-3  ETA 19 s"],
      [60, "training coop, seed 1 101/2000 steps  loss 0.6379  ETA 19 s"],
      [48, "training coop, seed 1 101/2000 steps  ETA 19 s"],
      [30, "training coop, seed 1 101/200"],
    ] as const
  ) {
    const { terminal, wait, written } = fakeTerminal({ live: true, columns });
    const progress = progressOn(terminal, { quiet: false });
    progress.update(step(1));
    wait(1);
    progress.update(step(101));
    assertEquals(written().split("\r\x1b[K").at(-1), expected);
  }
});

Deno.test("lines that stay break at spaces on a terminal, and are whole in a file", () => {
  const line = "Data: EuroSAT, 27,000 images; features of the sample model are stored, so no image is read.";
  const narrow = fakeTerminal({ live: true, columns: 40 });
  progressOn(narrow.terminal, { quiet: false }).say(line);
  assert(narrow.written().split("\n").every((part) => part.length <= 40));
  assertEquals(narrow.written().trimEnd().replaceAll("\n", " "), line);
  const file = fakeTerminal({ live: false, columns: 40 });
  progressOn(file.terminal, { quiet: false }).say(line);
  assertEquals(file.written(), `${line}\n`);
});

Deno.test("off a terminal only milestones have a line, without codes that move the cursor", () => {
  const { terminal, wait, written } = fakeTerminal({ live: false });
  const progress = progressOn(terminal, { quiet: false });
  for (let done = 1; done <= 40; done++) {
    progress.update(step(done, done % 20 === 0));
    wait(0.01);
  }
  assertEquals(written().match(/\n/g)?.length, 2);
  // deno-lint-ignore no-control-regex
  assert(!/[\r\x1b]/.test(written()));
});

Deno.test("a resumed run counts its own steps only; what is slow tells seconds a step; what ends at once tells nothing", () => {
  const { terminal, wait, written } = fakeTerminal({ live: false });
  const progress = progressOn(terminal, { quiet: false });
  progress.update(step(1000));
  wait(100);
  progress.update(step(1020, true));
  assertStringIncludes(written(), "5.0 s a step  ETA 1 h 21 min");
  progress.update({ what: "evaluating", done: 100, total: 100, unit: "images", milestone: true });
  wait(0.01);
  progress.update({ what: "evaluating", done: 200, total: 200, unit: "images", milestone: true });
  assert(written().endsWith("evaluating 200/200 images\n"));
});

Deno.test("quiet is quiet, and durations are read at a glance", () => {
  const { terminal, written } = fakeTerminal({ live: true });
  const progress = progressOn(terminal, { quiet: true });
  progress.say("a");
  progress.update(step(1, true));
  progress.finish("b");
  assertEquals(written(), "");
  assertEquals([0.4, 42, 185, 7620].map(duration), ["0 s", "42 s", "3 min 05 s", "2 h 07 min"]);
});
