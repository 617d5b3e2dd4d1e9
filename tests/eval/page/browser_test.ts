/**
 * The pages in a real browser: nothing is loaded, nothing complains, no text lies on other text, on a phone, on a desk, in the
 * dark and on paper.
 */
import { assertEquals } from "jsr:@std/assert@1.0.19";
import { compareReports } from "../../../src/eval/compare.ts";
import type { Comparison } from "../../../src/eval/comparison.ts";
import { comparisonPage } from "../../../src/eval/page/comparison_page.ts";
import { runPage } from "../../../src/eval/page/run_page.ts";
import { KIT_METHODS } from "../../../src/methods/kit.ts";
import { chromiumTest, FIND_FAULTS } from "../../chromium.ts";
import { makeReport, NAMES } from "../report_cases.ts";

const SCREENS = [
  { name: "phone, light", width: 360, colorScheme: "light" },
  { name: "phone, dark", width: 360, colorScheme: "dark" },
  { name: "desk, light", width: 1280, colorScheme: "light" },
  { name: "desk, dark", width: 1280, colorScheme: "dark" },
  // A4 without margins of 1 cm.
  { name: "paper", width: 718, colorScheme: "dark", media: "print" },
] as const;

/** Long names, ten methods' worth of nothing wrong: what pages must bear. */
async function pages(): Promise<Record<string, string>> {
  const base = await makeReport();
  const fresh = await makeReport({ evaluatedOn: "new", accuracy: 0.5 });
  const twelve = structuredClone(base);
  const names = [...NAMES.base, ...NAMES.new, "Donaudampfschifffahrtsgesellschaftskapitänsmütze", "x"];
  const perClass = names.map((name, i) => ({ name, total: 4000, correct: 3000 + i, accuracy: 99.9 - 9 * i, f1: 50 }));
  twelve.run.classNames = names;
  twelve.results.metrics.perClass = perClass;
  twelve.results.metrics.confusion = names.map((_, i) => names.map((_, k) => i === k ? 3999 : 17 * k));
  const short = structuredClone(base);
  Object.assign(short.results.training!, { loss: [1.6], lr: [1e-5] });
  const reports = [];
  for (const evaluatedOn of ["base", "new"] as const) {
    reports.push(await makeReport({ method: "zeroshot", evaluatedOn, accuracy: 0.6 }));
    for (const method of ["coop", "cocoop", "a method with a long name of its own"]) {
      for (const shots of [1, 2, 4, 8, 16]) {
        for (const seed of [1, 2, 3]) {
          const accuracy = evaluatedOn === "base" ? 0.99 : [0.5, 0.2, 0.65][seed - 1];
          reports.push(await makeReport({ method, evaluatedOn, shots, seed, accuracy }));
        }
      }
    }
  }
  const comparison = compareReports(reports, { methods: ["zeroshot"], command: "deno task compare" });
  const picture = await Deno.readFile(new URL("../../fixtures/images/sampling_420.jpg", import.meta.url));
  const images = new Map(base.results.worst.map(({ path }) => [path, picture]));
  return {
    run: (await runPage([base, fresh])).html,
    "run with pictures": (await runPage([base], { images })).html,
    "run of one epoch, with a small rate": (await runPage([short])).html,
    "run of twelve classes": (await runPage([twelve])).html,
    comparison: (await comparisonPage(comparison)).html,
    "comparison of all methods": (await comparisonPage(await ofAllMethods())).html,
  };
}

/** As `--methods all` has them, at two numbers of shots. */
async function ofAllMethods(): Promise<Comparison> {
  const cases = KIT_METHODS.flatMap(({ name: method }) =>
    (["base", "new"] as const).flatMap((evaluatedOn) =>
      [4, 16].flatMap((shots) =>
        [1, 2].map((seed) => ({ method, evaluatedOn, shots, seed, accuracy: [0.9, 0.4][seed - 1] }))
      )
    )
  );
  const drawn = cases.filter(({ method, shots, seed }) => method !== "zeroshot" || shots * seed === 4);
  return compareReports(await Promise.all(drawn.map(makeReport)), {
    methods: ["zeroshot"],
    command: "deno task compare",
  });
}

chromiumTest("pages are readable in Chromium on a phone, on a desk, in the dark and on paper", async (browser) => {
  for (const [title, html] of Object.entries(await pages())) {
    for (const { name, width, colorScheme, ...screen } of SCREENS) {
      const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
      const complaints: string[] = [];
      page.on("console", (message) => complaints.push(`console: ${message.text()}`));
      page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
      page.on("request", (request) => {
        if (!request.url().startsWith("data:")) complaints.push(`loads ${request.url().slice(0, 80)}`);
      });
      await page.emulateMedia({ colorScheme, media: "media" in screen ? screen.media : "screen" });
      await page.setContent(html);
      complaints.push(...await page.evaluate<string[]>(FIND_FAULTS));
      assertEquals(complaints, [], `${title}, ${name}`);
      await page.close();
    }
  }
});
