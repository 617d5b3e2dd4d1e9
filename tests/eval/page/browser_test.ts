/**
 * The pages in a real browser: nothing is loaded, nothing complains, no text lies on other text, on a phone, on a desk, in the
 * dark and on paper. Needs Chromium (Debian: `apt-get install chromium`); skips without it, and fails without it
 * where `CI_REQUIRE_CHROMIUM=1`.
 */
import { assertEquals } from "jsr:@std/assert@1.0.19";
import { chromium } from "npm:playwright-core@1.64.1";
import { compareReports } from "../../../src/eval/compare.ts";
import { comparisonPage } from "../../../src/eval/page/comparison_page.ts";
import { runPage } from "../../../src/eval/page/run_page.ts";
import { makeReport, NAMES } from "../report_cases.ts";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

const SCREENS = [
  { name: "phone, light", width: 360, colorScheme: "light" },
  { name: "phone, dark", width: 360, colorScheme: "dark" },
  { name: "desk, light", width: 1280, colorScheme: "light" },
  { name: "desk, dark", width: 1280, colorScheme: "dark" },
  { name: "paper", width: 760, colorScheme: "dark", media: "print" },
] as const;

/** Runs in the page: what lies on each other, what sticks out of its card, what cannot be read against its background. */
const FIND_FAULTS = `(() => {
  const faults = [];
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) faults.push("the page is " + wide + " wide on a screen of " + innerWidth);
  for (const svg of document.querySelectorAll("svg")) {
    const card = svg.closest("figure").getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map((element) => ({ text: element.textContent, box: element.getBoundingClientRect() }))
      .filter(({ text, box }) => text.trim() !== "" && box.width > 0);
    texts.forEach(({ text, box }, i) => {
      if (box.left < card.left || box.right > card.right) faults.push(JSON.stringify(text) + " sticks out of its card");
      for (const other of texts.slice(i + 1)) {
        const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
        const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
        if (across > 1 && down > 2.5) faults.push(JSON.stringify(text) + " lies on " + JSON.stringify(other.text));
      }
    });
    if (texts.some(({ box }) => box.height < 6)) faults.push("text of a chart is too small to read");
  }
  const channels = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const light = (colour) => { const [r, g, b] = channels(colour); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const page = matchMedia("print").matches ? "rgb(255,255,255)" : getComputedStyle(document.body).backgroundColor;
  for (const selector of ["body", ".sub", ".note", ".tile .value", "summary", "dt", ".card svg text"]) {
    for (const element of document.querySelectorAll(selector)) {
      if (element.closest("svg") && (element.getAttribute("fill") ?? "").includes("card")) continue;
      const style = getComputedStyle(element);
      const [a, b] = [light(element.closest("svg") && style.fill !== "none" ? style.fill : style.color), light(page)];
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (contrast < 3) faults.push(selector + " " + JSON.stringify(element.textContent.slice(0, 30)) + " has contrast " + contrast.toFixed(1));
    }
  }
  return [...new Set(faults)];
})()`;

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
    "run of twelve classes": (await runPage([twelve])).html,
    comparison: (await comparisonPage(comparison)).html,
  };
}

const executablePath = PATHS.find((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

if (executablePath === undefined && Deno.env.get("CI_REQUIRE_CHROMIUM") !== "1") {
  console.log(
    "skipped: tests/eval/page/browser_test.ts needs Chromium, which is not installed (apt-get install chromium).",
  );
}

Deno.test({
  name: "pages are readable in Chromium on a phone, on a desk, in the dark and on paper",
  ignore: executablePath === undefined && Deno.env.get("CI_REQUIRE_CHROMIUM") !== "1",
  // Playwright keeps its pipe to the browser for a moment after closing.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    if (executablePath === undefined) throw new Error("CI_REQUIRE_CHROMIUM=1, and there is no Chromium");
    const args = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
    const browser = await chromium.launch({
      executablePath,
      args: [...args, "--disable-component-update", "--disable-sync"],
    });
    try {
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
    } finally {
      await browser.close();
    }
  },
});
