/** The exported page in Chromium, from the kit's own server: real images get the kit's probabilities, and nothing else is loaded. */
import { assert, assertAlmostEquals, assertEquals } from "jsr:@std/assert@1.0.19";
import { openImages } from "../../src/data/source.ts";
import { chromiumTest, FIND_FAULTS } from "../chromium.ts";
import { ensureRuntime } from "../page_runtime.ts";
import { served } from "../served.ts";
import { ROOT } from "../tasks.ts";
import { classified, ended, exportFolder, PROMPT } from "./export_cases.ts";

/** Satellite images as they are, and photos that have to be resized. */
const SATELLITE = ["Forest/Forest_1003.jpg", "River/River_1016.jpg"];
const PHOTOS = ["photo_size.jpg", "sampling_420.jpg", "rgb.png", "lossy.webp", "exif_orientation.jpg"];

chromiumTest("a page classifies images as the kit does", async (browser) => {
  await ensureRuntime();
  const folder = await exportFolder();
  try {
    const names: string[] = [];
    const sample = await openImages(`${ROOT}data/sample/images.zip`);
    const put = async (name: string, bytes: Uint8Array) => {
      names.push(name.split("/").at(-1)!);
      await Deno.writeFile(`${folder}/${names.at(-1)}`, bytes);
    };
    for (const path of SATELLITE) await put(path, await sample.read(path));
    await sample.close();
    for (const name of PHOTOS) await put(name, await Deno.readFile(`${ROOT}tests/fixtures/images/${name}`));
    await ended(folder, "export", { args: [PROMPT, "--page", "--out", "page"] });
    const wanted = await classified(folder, ["--prompt", PROMPT, "--exif", ...names]);
    await Deno.writeTextFile(`${folder}/no image.jpg`, "none");

    await using server = await served([`${folder}/page`], { reads: folder });
    const page = await browser.newPage({ viewport: { width: 360, height: 800 } });
    const complaints: string[] = [];
    const origin = `http://127.0.0.1:${server.port}/`;
    page.on("console", (message) => complaints.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
    page.on("request", (request) => {
      if (!new RegExp(`^(blob:)?${origin}`).test(request.url())) complaints.push(`loads ${request.url()}`);
    });
    await page.goto(origin);
    const [dropped, ...chosen] = names;
    const base64 = (await Deno.readFile(`${folder}/${dropped}`)).toBase64();
    await page.evaluate(`(() => {
      const dataTransfer = new DataTransfer();
      const bytes = Uint8Array.from(atob("${base64}"), (letter) => letter.charCodeAt(0));
      dataTransfer.items.add(new File([bytes], "${dropped}"));
      dispatchEvent(new DragEvent("drop", { dataTransfer }));
    })()`);
    await page.setInputFiles("input", [...chosen, "no image.jpg"].map((name) => `${folder}/${name}`));
    const items = page.locator("li[data-probabilities], li[data-error]");
    await items.nth(names.length).waitFor();
    const found = (await items.all()).reverse();
    for (const [i, name] of names.entries()) {
      const text = await found[i].textContent();
      const probabilities: number[] = JSON.parse((await found[i].getAttribute("data-probabilities"))!);
      assert(text!.startsWith(name), text!);
      probabilities.forEach((value, c) => assertAlmostEquals(value, wanted[i][c], 1e-5, name));
      const best = Math.max(...probabilities);
      assert(text!.includes(`${(100 * best).toFixed(1)} %`), text!);
    }
    assert(new Set(wanted.map(([first]) => first.toFixed(4))).size === names.length);
    assert((await found[names.length].textContent())!.startsWith("no image.jpg is not classified: "));
    complaints.push(...await page.evaluate<string[]>(FIND_FAULTS));
    assertEquals(complaints, []);
    assertEquals(await page.evaluate("crossOriginIsolated"), true);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
