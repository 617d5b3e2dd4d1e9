import { assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { dirname } from "node:path";
import { openRunFolder } from "../../src/run/folder.ts";
import { lockFolder } from "../../src/run/lock.ts";
import { runWatcher } from "../../src/run/watch.ts";
import { inTempFolder } from "../temp_folder.ts";

/** Writes files, given by their paths below a folder. */
async function write(folder: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(`${folder}/${path}`), { recursive: true });
    await Deno.writeTextFile(`${folder}/${path}`, text);
  }
}

const steps = (...losses: number[]) =>
  losses.map((loss, i) =>
    `${JSON.stringify({ step: i + 1, epoch: Math.floor(i / 2) + 1, lr: i < 2 ? 1e-5 : 0.002, loss })}\n`
  ).join("");

Deno.test("runs are running, done, killed or ended early, by what their locks and files say", async () => {
  await inTempFolder(async (runs) => {
    const look = runWatcher(runs);
    const states = async () => (await look()).runs.map(({ path, state }) => `${path} ${state}`).sort();
    assertEquals(await look(), { runs: [], pages: [], notes: [] });

    await write(runs, { "a/coop/seed1/identity.json": "{}", "a/coop/seed2/identity.json": "{}" });
    const running = await openRunFolder(`${runs}/a/coop/seed1`);
    const stopped = await openRunFolder(`${runs}/a/coop/seed2`);
    assertEquals(await states(), ["a/coop/seed1 running", "a/coop/seed2 running"]);
    await running.finish({ evaluatedOn: [] });
    assertEquals(await states(), ["a/coop/seed1 running", "a/coop/seed2 running"]);
    running.close();
    stopped.close();
    assertEquals(await states(), ["a/coop/seed1 done", "a/coop/seed2 ended"]);

    // A killed process leaves its id, and nothing holds the lock.
    const [past, later] = [new Date(Date.now() - 60_000), new Date(Date.now() - 30_000)];
    await write(runs, { "a/coop/seed2/.lock": "4242\n", "a/coop/seed1/.lock": "4242\n" });
    await Deno.utime(`${runs}/a/coop/seed1/done`, later, later);
    await Deno.utime(`${runs}/a/coop/seed1/.lock`, past, past);
    await Deno.utime(`${runs}/a/coop/seed2/.lock`, past, past);
    assertEquals(await states(), ["a/coop/seed1 done", "a/coop/seed2 killed"], "killed after it was done");
    await Deno.utime(`${runs}/a/coop/seed1/.lock`, new Date(), new Date());
    assertEquals(await states(), ["a/coop/seed1 killed", "a/coop/seed2 killed"], "killed in a later evaluation");

    // What looks leaves the lock to whoever comes.
    const again = await openRunFolder(`${runs}/a/coop/seed2`);
    assertEquals(again.stale, 4242);
    assertEquals(await states(), ["a/coop/seed1 killed", "a/coop/seed2 running"]);
    again.close();
  });
});

Deno.test("a run's loss, rate, pace and the time that is left follow from its files", async () => {
  await inTempFolder(async (runs) => {
    const look = runWatcher(runs);
    const training = async () => (await look()).runs[0].training;
    await write(runs, { "r/identity.json": '{"method":"coop","epochs":"10","odd":1}' });
    assertEquals(await training(), undefined);
    await write(runs, { "r/metrics.jsonl": steps(2, 1), "r/time.json": '{"trainSeconds":4}' });
    const at = new Date(1_700_000_000_000);
    const set = async (metrics: Date, time: Date) => {
      await Deno.utime(`${runs}/r/metrics.jsonl`, metrics, metrics);
      await Deno.utime(`${runs}/r/time.json`, time, time);
    };
    await set(at, at);
    // Within the first epoch its length is not known.
    assertEquals(await training(), {
      step: 2,
      epoch: 1,
      epochs: 10,
      losses: [1.5],
      lr: 1e-5,
      stepsPerSecond: 0.5,
      secondsLeft: undefined,
    });
    // A line that is being written does not count; the metrics are two seconds younger than the note of the time.
    await write(runs, { "r/metrics.jsonl": steps(2, 1, 0.75) + '{"step":4,"epo' });
    await set(new Date(at.getTime() + 2000), at);
    assertEquals(await training(), {
      step: 3,
      epoch: 2,
      epochs: 10,
      losses: [1.5, 0.75],
      lr: 0.002,
      stepsPerSecond: 0.5,
      secondsLeft: 34,
    });
    assertEquals((await look()).runs[0].about, { method: "coop", epochs: "10" });
    // A process that goes on years later has not trained for years.
    await set(new Date(), at);
    assertEquals((await training())?.stepsPerSecond, 3 / 9);
  });
});

Deno.test("pages of runs and of comparisons are listed; links are not followed, and what cannot be read is told", async () => {
  await inTempFolder(async (folder) => {
    const runs = `${folder}/runs`;
    await write(folder, {
      "runs/set/coop/seed1/report-base.json": "{}",
      "runs/set/coop/seed1/report.html": "",
      "runs/set/coop/seed1/dtd-all/report.html": "",
      "runs/set/coop/seed1/plots/loss.svg": "",
      "runs/set/compare/a-b/report.html": "",
      "runs/closed/x": "",
      "elsewhere/identity.json": "{}",
      "elsewhere/report.html": "",
      "secret.json": '{"method":"secret"}',
    });
    await Deno.symlink(`${folder}/elsewhere`, `${runs}/link`);
    await Deno.mkdir(`${runs}/linked`);
    await Deno.symlink(`${folder}/secret.json`, `${runs}/linked/identity.json`);
    await Deno.symlink(`${folder}/elsewhere/report.html`, `${runs}/linked/report.html`);
    await write(folder, { "runs/linked/done": "{}" });
    const { readDir } = Deno;
    Deno.readDir = (path) => {
      if (!String(path).endsWith("/closed")) return readDir(path);
      throw Object.assign(new Deno.errors.PermissionDenied("Permission denied"), { code: "EACCES" });
    };
    try {
      const seen = await runWatcher(runs)();
      assertEquals(seen.pages, ["set/compare/a-b/report.html"]);
      assertEquals(
        seen.runs.map(({ path, pages, about }) => ({ path, pages, about })).toSorted((a) =>
          a.path === "linked" ? -1 : 1
        ),
        [
          { path: "linked", pages: [], about: {} },
          {
            path: "set/coop/seed1",
            pages: ["set/coop/seed1/report.html", "set/coop/seed1/dtd-all/report.html"],
            about: {},
          },
        ],
      );
      assertEquals(seen.notes.length, 1);
      assertStringIncludes(seen.notes[0], `${runs}/closed: it may not be read by you`);
    } finally {
      Deno.readDir = readDir;
    }
  });
});

Deno.test("a run that starts while its lock is looked at is not refused", async () => {
  await inTempFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/.lock`, "4242\n");
    using looker = await Deno.open(`${folder}/.lock`, { read: true });
    assertEquals(await looker.tryLock(false), true);
    const locked = lockFolder(folder);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await looker.unlock();
    const lock = await locked;
    assertEquals(lock.stale, 4242);
    lock.release();
  });
});
