/** `watch` in a browser: what it lists, how it keeps up, and to whom it shows what. */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@1.0.19";
import { openRunFolder } from "../../src/run/folder.ts";
import { chromiumTest, FIND_FAULTS } from "../chromium.ts";
import { ask, served } from "../served.ts";

const RUN =
  "runs/eurosat/coop/seed-notebook+context-tokens=4+class-token-position=middle/sample-on-images/shots16/seed1";
const COMPARED = "runs/eurosat/compare/sample/zeroshot-coop-shots16-seeds1-2-3";
const HOSTILE = "<img src=x onerror=document.title=1>";

/** A folder with a run that this process holds, one that is done, and a comparison. */
async function withRuns(
  body: (at: { folder: string; run: Awaited<ReturnType<typeof openRunFolder>> }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  const run = await openRunFolder(`${folder}/${RUN}`);
  try {
    const identity = { method: "coop", dataset: HOSTILE, model: "sample", shots: "16", seed: "1", epochs: "50" };
    await run.write("identity.json", JSON.stringify(identity));
    const done = await openRunFolder(`${folder}/${RUN.replace(/1$/, "2")}`);
    await done.write("identity.json", JSON.stringify({ ...identity, dataset: "EuroSAT", seed: "2" }));
    await done.write("report.html", "<title>the report</title>");
    await done.finish({ evaluatedOn: ["base"] });
    done.close();
    await Deno.mkdir(`${folder}/${COMPARED}`, { recursive: true });
    await Deno.writeTextFile(`${folder}/${COMPARED}/report.html`, "<title>the comparison</title>");
    await Deno.writeTextFile(`${folder}/secret.html`, "secret");
    await Deno.symlink(`${folder}/secret.html`, `${folder}/${RUN}/report.html`);
    await body({ folder, run });
  } finally {
    run.close();
    await Deno.remove(folder, { recursive: true });
  }
}

function epoch(number: number, loss: number) {
  return [1, 2].map((i) => ({ step: 2 * (number - 1) + i, epoch: number, lr: 0.002, loss }));
}

Deno.test("watch shows its list and the listed pages, to this machine under its own name, and nothing else", async () => {
  await withRuns(async ({ folder }) => {
    await using server = await served([`${folder}/runs`], { reads: `${folder}/runs`, task: "watch" });
    const { port } = server;
    assertMatch(server.line, /^Runs in .*\/runs: http:\/\/127\.0\.0\.1:\d+\/ \(Ctrl-C ends it\)$/);
    const { runs, pages } = JSON.parse((await ask(port, "/runs.json")).text);
    assertEquals(runs.map(({ state }: { state: string }) => state).sort(), ["done", "running"]);
    assertEquals(pages, [`${COMPARED.slice(5)}/report.html`]);
    assertEquals((await ask(port, `/${COMPARED}/report.html`)).text, "<title>the comparison</title>");
    const page = await ask(port, "/");
    assertEquals(page.headers.get("content-type"), "text/html; charset=utf-8");
    assert(!page.text.includes(HOSTILE));
    for (
      const path of [
        `/${RUN}/report.html`,
        `/${RUN.replace(/1$/, "2")}/identity.json`,
        "/runs/../secret.html",
        "/runs/%2e%2e/secret.html",
        "/runs/..%2fsecret.html",
        "/secret.html",
        "/runs",
      ]
    ) {
      assertEquals((await ask(port, path)).status, 404, path);
    }
    for (const path of ["/", "/runs.json", "/watch.js", `/${COMPARED}/report.html`]) {
      const { status, text } = await ask(port, path, { host: `evil.example:${port}` });
      assertEquals([status, text], [421, "This server answers to 127.0.0.1 alone.\n"], path);
      assertEquals((await ask(port, path, { method: "POST" })).status, 405, path);
    }
  });
});

chromiumTest(
  "the page of runs keeps up with them by itself, on a phone, in the dark and on a desk",
  async (browser) => {
    await withRuns(async ({ folder, run }) => {
      await using server = await served([`${folder}/runs`], { reads: `${folder}/runs`, task: "watch" });
      for (const [width, colorScheme] of [[360, "dark"], [360, "light"], [1280, "light"]] as const) {
        await run.writeMetrics([]);
        const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
        const complaints: string[] = [];
        page.on("console", (message) => complaints.push(message.text()));
        page.on("pageerror", ({ message }) => complaints.push(message));
        await page.goto(`http://127.0.0.1:${server.port}/`);
        const words = await page.innerText("#list");
        assert(words.includes("1 running · 1 done"), words);
        assert(words.includes(`CoOp on ${HOSTILE}, seed 1`), words);
        assert(words.includes("No step is written yet."), words);
        await run.appendMetrics([...epoch(1, 2), ...epoch(2, 0.75)]);
        await run.write("time.json", JSON.stringify({ trainSeconds: 8 }));
        await page.getByText("epoch 2 of 50, step 4").waitFor();
        const pace = await page.innerText(".card");
        assert(pace.includes("loss 0.750 · learning rate 0.002 · 0.5 steps/s · about 3 min of training left"), pace);
        assertEquals(await page.getAttribute("progress", "value"), "2");
        assertEquals(await page.getAttribute("svg", "aria-label"), "loss of each epoch, from 2.000 to 0.750");
        // Its cards hold no charts with texts.
        complaints.push(...await page.evaluate<string[]>(FIND_FAULTS.replace('closest("figure")', 'closest(".card")')));
        assertEquals(complaints, []);
        const table = await page.evaluate<boolean>(
          `(() => { const box = document.querySelector(".scroll"); return box.scrollWidth > box.clientWidth; })()`,
        );
        assertEquals(table, false, "the table is cut");
        await page.click(`a:has-text("CoOp on EuroSAT, seed 2")`);
        assertEquals(await page.title(), "the report");
        await page.close();
      }
    });
  },
);

chromiumTest("a page of runs whose server has ended says so", async (browser) => {
  await withRuns(async ({ folder }) => {
    const server = await served([`${folder}/runs`], { reads: `${folder}/runs`, task: "watch" });
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.port}/`);
    await server[Symbol.asyncDispose]();
    await page.waitForSelector("#lost", { state: "visible" });
    await page.close();
  });
});
