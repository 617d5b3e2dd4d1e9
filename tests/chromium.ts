/** Chromium, for tests of pages (Debian: `apt-get install chromium`). */
import { type Browser, chromium } from "npm:playwright-core@1.64.1";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Runs in the page: what lies on each other, what sticks out of its card, what cannot be read against its background. */
export const FIND_FAULTS = `(() => {
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
    // Turned text has its scale in both.
    for (const text of matchMedia("print").matches ? svg.querySelectorAll("text") : []) {
      const { a, b } = text.getScreenCTM();
      const points = 0.75 * parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
      if (text.textContent.trim() !== "" && points < 7) faults.push("text of a chart prints at " + points.toFixed(1) + " points");
    }
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
    if (node.parentElement.closest("svg, script")) continue;
    // What is longer, as hashes are, has to break somewhere on a phone.
    for (const { 0: word, index } of node.data.matchAll(/(?<![\\p{L}\\p{N}])[\\p{L}\\p{N}.=]{2,20}(?![\\p{L}\\p{N}])/gu)) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const lines = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)));
      if (lines.size > 1) faults.push("a line breaks within " + JSON.stringify(word));
    }
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

/** A test in Chromium: skipped without it, and failed without it where `CI_REQUIRE_CHROMIUM=1`. */
export function chromiumTest(name: string, body: (browser: Browser) => Promise<void>): void {
  const executablePath = PATHS.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
  const ignore = executablePath === undefined && Deno.env.get("CI_REQUIRE_CHROMIUM") !== "1";
  Deno.test({
    name: ignore ? `${name} (skipped: needs Chromium, apt-get install chromium)` : name,
    ignore,
    // Playwright keeps its pipe to the browser for a moment after closing.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      if (executablePath === undefined) throw new Error("CI_REQUIRE_CHROMIUM=1, and there is no Chromium");
      const browser = await chromium.launch({
        executablePath,
        args: [
          "--no-sandbox",
          "--disable-gpu",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
        ],
      });
      try {
        await body(browser);
      } finally {
        await browser.close();
      }
    },
  });
}
