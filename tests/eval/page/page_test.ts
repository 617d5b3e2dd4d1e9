import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { XMLValidator } from "npm:fast-xml-parser@5.3.3";
import { parseHTML } from "npm:linkedom@0.18.15";
import { compareReports } from "../../../src/eval/compare.ts";
import { signed } from "../../../src/eval/comparison.ts";
import { lossChart, rateChart } from "../../../src/eval/page/charts.ts";
import { comparisonPage } from "../../../src/eval/page/comparison_page.ts";
import { html, raw } from "../../../src/eval/page/html.ts";
import { KIT_METHODS } from "../../../src/methods/kit.ts";
import { seriesColour, seriesDash, seriesFill, seriesSymbol } from "../../../src/eval/page/theme.ts";
import { runPage } from "../../../src/eval/page/run_page.ts";
import { writePage, writeRunPage } from "../../../src/eval/page/write_page.ts";
import { writeReport } from "../../../src/eval/report_file.ts";
import { makeReport, NAMES } from "../report_cases.ts";

/** The elements of a page that the checks look at. */
interface Element {
  textContent: string;
  getAttribute(name: string): string | null;
}

function elements(page: string, selector: string): Element[] {
  const { document } = parseHTML(page) as unknown as {
    document: { querySelectorAll(selector: string): Iterable<Element> };
  };
  return [...document.querySelectorAll(selector)];
}

function assertSelfContained(page: string): void {
  assertStringIncludes(page, "<!doctype html>");
  assertEquals(elements(page, "script, iframe, object, embed, base").length, 0);
  for (const element of elements(page, "[src], [href]")) {
    const address = element.getAttribute("src") ?? element.getAttribute("href") ?? "";
    assertMatch(address, /^(data:|#)/);
  }
  assert(!/url\(|@import|srcset/.test(page), "the style sheet loads something");
}

Deno.test("the page of a run holds its numbers, charts, words, configuration and command, and loads nothing", async () => {
  const reports = [await makeReport({ evaluatedOn: "new", accuracy: 0.5 }), await makeReport()];
  const { html: page, charts } = await runPage(reports);
  assertSelfContained(page);
  assertEquals([...charts.keys()].sort(), [
    "calibration-base",
    "calibration-new",
    "classes-base",
    "classes-new",
    "confusion-base",
    "confusion-new",
    "learning-rate",
    "loss",
  ]);
  assertEquals(elements(page, "figure.card svg").length, 8);
  const [base, fresh] = [reports[1], reports[0]].map(({ results }) => results.metrics);
  assertEquals(elements(page, ".tile .value").map(({ textContent }) => textContent), [
    `${base.accuracy.toFixed(1)}\u00a0%`,
    `${fresh.accuracy.toFixed(1)}\u00a0%`,
    `${(2 * base.accuracy * fresh.accuracy / (base.accuracy + fresh.accuracy)).toFixed(1)}\u00a0%`,
  ]);
  assertStringIncludes(elements(page, "pre")[0].textContent!, "deno task cocoop --eval base --seed 1");
  for (
    const text of ["0.0025", "a photo of a", "satellite", "35,360", "0.800"]
  ) {
    assertStringIncludes(page, text);
  }
});

Deno.test("names of classes and words are text, wherever they stand", async () => {
  const report = await makeReport({ evaluatedOn: "new" });
  const { html: page, charts } = await runPage([report], { images: new Map([[report.results.worst[0].path, PNG]]) });
  const comparison = await comparisonPage(
    compareReports([report], { command: "</pre><script>x</script>" }),
  );
  for (const text of [page, comparison.html, ...charts.values()]) {
    assert(!text.includes("<script"), "a name became an element");
  }
  assertStringIncludes(page, "<b>&lt;b&gt;</b>");
  const cells = elements(page, "td").map(({ textContent }) => textContent);
  assert(cells.includes(NAMES.new[4]), "the name with a tag in it is not shown as it is");
});

/** A picture of one pixel. */
const PNG = Uint8Array.fromBase64(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
);

Deno.test("worst mistakes are pictures where there are pictures, and paths where there are none", async () => {
  const report = await makeReport();
  const [first, second] = report.results.worst;
  const images = new Map([[first.path, PNG], [second.path, PNG]]);
  const pictures = elements((await runPage([report], { images })).html, ".mistakes img");
  assertEquals(pictures.length, 2);
  assertEquals(pictures[0].getAttribute("title"), first.path);
  assertStringIncludes(
    pictures[0].getAttribute("alt")!,
    `${NAMES.base[first.label]}, taken for ${NAMES.base[first.prediction]}`,
  );
  assertEquals(elements((await runPage([report])).html, "code.note")[0].textContent, first.path);
});

Deno.test("zero-shot pages have no curves and no words; pages of many classes leave out what nobody could read", async () => {
  const zeroshot = await runPage([await makeReport({ method: "zeroshot" })]);
  assertEquals([...zeroshot.charts.keys()], ["classes-base", "confusion-base", "calibration-base"]);
  assert(!zeroshot.html.includes("learned tokens"));

  const many = await makeReport();
  const classNames = Array.from({ length: 100 }, (_, i) => `class ${i}`);
  const perClass = classNames.map((name, i) => ({ name, total: 4, correct: i % 5, accuracy: 25 * (i % 5), f1: 50 }));
  const confusion = classNames.map((_, i) =>
    classNames.map((_, k) => i === k ? i % 5 : k === (i + 1) % 100 ? 4 - i % 5 : 0)
  );
  Object.assign(many.results.metrics, { perClass, confusion });
  Object.assign(many.run, { classNames, prompts: classNames.map((name) => [`X X X X ${name}.`]) });
  const { html: page, charts } = await runPage([many]);
  assertSelfContained(page);
  assert(!charts.has("confusion-base"));
  assertStringIncludes(page, "most frequent confusions");
  assertStringIncludes(page, "The 15 lowest of 100 classes");
  assertStringIncludes(page, "80 more prompts");
});

Deno.test("an axis of epochs names each of them once, however few they are", async () => {
  for (const epochs of [1, 2, 3, 4, 5, 6, 7, 50, 200]) {
    const values = Array.from({ length: epochs }, (_, i) => 1 / (i + 1));
    for (const svg of [await lossChart([{ name: "CoOp", values, colour: 0 }]), await rateChart(values)]) {
      const axis = svg.match(/aria-label="x-axis tick label".*?<\/g>/s)![0];
      const numbers = [...axis.matchAll(/>(\d+)<\/text>/g)].map(([, number]) => Number(number));
      assert(numbers.length > 0 && numbers.length <= 11, String(numbers));
      assertEquals(numbers, [...new Set(numbers)], `${epochs} epochs`);
    }
  }
});

Deno.test("methods that are printed alike are all named as the best, and no difference has no sign", async () => {
  const reports = [];
  for (const method of ["zeroshot", "gda", "coop"]) {
    const accuracy = method === "coop" ? 0.5 : 1;
    reports.push(await makeReport({ method, evaluatedOn: "base", images: 40, accuracy }));
  }
  const { html: page, charts } = await comparisonPage(
    compareReports(reports, { methods: ["zeroshot", "gda", "coop"] }),
  );
  assertStringIncludes(page, "Base classes: best are Zero-shot and GDA");
  assertStringIncludes(page, "no other method is above it");
  assert(!/[+−]0\.0\b/.test(charts.get("differences")!));
});

Deno.test("the page of a comparison holds table, seeds, intervals, curve and warnings, and loads nothing", async () => {
  const reports = [];
  for (const evaluatedOn of ["base", "new"] as const) {
    reports.push(await makeReport({ method: "zeroshot", evaluatedOn, accuracy: 0.6 }));
    for (const shots of [1, 16]) {
      for (const seed of [1, 2]) {
        const accuracy = evaluatedOn === "base" ? 0.9 : [0.5, 0.2][seed - 1];
        reports.push(
          await makeReport({ method: "coop", evaluatedOn, shots, seed, accuracy, trainAccuracy: 15 + 10 * seed }),
        );
      }
    }
  }
  const comparison = compareReports(reports, {
    methods: ["zeroshot", "coop"],
    command: "deno task compare",
  });
  const { html: page, charts } = await comparisonPage(comparison);
  assertSelfContained(page);
  assertEquals([...charts.keys()].sort(), ["accuracy", "differences", "loss", "shots-base", "shots-h", "shots-new"]);
  const { mean, std } = comparison.methods[1].accuracy.new!;
  assertStringIncludes(page, `${mean.toFixed(1)} ± ${std!.toFixed(1)}`);
  for (const { low, high } of comparison.differences) {
    assertStringIncludes(page, `<td class="num">${signed(low)} to ${signed(high)}</td>`);
  }
  assertStringIncludes(page, "not corrected for their number");
  assertEquals(elements(page, "p.warn").length, comparison.warnings.length);
  assertStringIncludes(page, "collapsed: it gets 25.0 %");
  assertStringIncludes(charts.get("shots-new")!, "stroke-dasharray");
  // Two seeds of one method in base, new and H: a dot each.
  assertEquals(charts.get("accuracy")!.match(/<title>seed /g)?.length, 6);
});

Deno.test("a run folder gets its page, and charts that are whole SVG files in plain colours", async () => {
  const folder = await Deno.makeTempDir();
  try {
    assertEquals(await writeRunPage(folder), undefined);
    const report = await makeReport({ evaluatedOn: "new" });
    await writeReport(folder, report);
    const images = { has: () => true, read: () => Promise.resolve(PNG) };
    assertEquals(await writeRunPage(folder, { images }), `${folder}/report.html`);
    const page = await Deno.readTextFile(`${folder}/report.html`);
    assertEquals(elements(page, ".mistakes img").length, report.results.worst.length);
    const plots = [...Deno.readDirSync(`${folder}/plots`)].map(({ name }) => name).sort();
    assertEquals(plots, [
      "calibration-new.svg",
      "classes-new.svg",
      "confusion-new.svg",
      "learning-rate.svg",
      "loss.svg",
    ]);
    for (const name of plots) {
      const svg = await Deno.readTextFile(`${folder}/plots/${name}`);
      assertEquals(XMLValidator.validate(svg), true);
      const [about] = elements(svg, "svg > text:not([font-weight])").map(({ textContent }) => textContent);
      assertEquals(about, "CoCoOp on eurosat, sample, 16 shots, seed 1, preset", name);
      assertEquals(elements(svg, "svg > title").length, 1, name);
      assertMatch(svg, /font-family="[^"]*, sans-serif"/);
      assertMatch(svg, /^<svg[^>]* xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
      assert(!/var\(--(?!plot)|currentColor/.test(svg), `${name} needs a style sheet`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a page that is written again leaves no chart of the one before, and all that others put beside them", async () => {
  const folder = await Deno.makeTempDir();
  const plots = async () => (await Array.fromAsync(Deno.readDir(`${folder}/plots`))).map(({ name }) => name).sort();
  try {
    // As an older version wrote it: one chart of all methods, where there are parts now; and a page that had new classes too.
    await writeReport(folder, await makeReport({ evaluatedOn: "new" }));
    await writeRunPage(folder);
    const chart = await Deno.readTextFile(`${folder}/plots/loss.svg`);
    for (const name of ["accuracy", "accuracy-7", "shots-h", "mine"]) {
      await Deno.writeTextFile(`${folder}/plots/${name}.svg`, chart);
    }
    const drawn = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><title>drawn by hand</title></svg>';
    await Deno.writeTextFile(`${folder}/plots/differences.svg`, drawn);
    await Deno.writeTextFile(`${folder}/plots/accuracy.pdf`, "a user's");
    await Deno.symlink("loss.svg", `${folder}/plots/calibration-all.svg`);
    await Deno.remove(`${folder}/report-new.json`);
    await writeReport(folder, await makeReport({ evaluatedOn: "base" }));
    await writeRunPage(folder);
    assertEquals(await plots(), [
      "accuracy.pdf",
      "calibration-all.svg",
      "calibration-base.svg",
      "classes-base.svg",
      "confusion-base.svg",
      "differences.svg",
      "learning-rate.svg",
      "loss.svg",
      "mine.svg",
    ]);
    assertEquals(await Deno.readTextFile(`${folder}/plots/differences.svg`), drawn);
    // Of many methods a chart has parts, and of few one: neither stands beside the other.
    const reports = [await makeReport({ method: "zeroshot" }), await makeReport({ method: "coop" })];
    const page = await comparisonPage(compareReports(reports));
    const inParts = new Map([...page.charts].flatMap(([name, svg]) => [[`${name}-1`, svg], [`${name}-2`, svg]]));
    await writePage(folder, { ...page, charts: inParts });
    assertEquals((await plots()).filter((name) => name.startsWith("accuracy")), [
      "accuracy-1.svg",
      "accuracy-2.svg",
      "accuracy.pdf",
    ]);
    await writePage(folder, page);
    assertEquals((await plots()).filter((name) => name.startsWith("accuracy")), ["accuracy.pdf", "accuracy.svg"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("templates escape text, keep markup, and leave out nothing but what is not there", () => {
  assertEquals(
    html`<p title="${`"a" & 'b'`}">${["<i>", raw("<b>x</b>"), 0, null, false, undefined]}</p>`.markup,
    '<p title="&quot;a&quot; &amp; &#39;b&#39;">&lt;i&gt;<b>x</b>0</p>',
  );
});

Deno.test("thirteen methods have a colour each, and a mark, in every chart; those without a number say so", async () => {
  const names = ["zeroshot", "coop", "cocoop", "kgcoop", "prograd", "maple", "promptsrc", "prometar", "ivlp", "gda"]
    .concat(["tip-adapter", "clip-adapter", "linear-probe"]);
  const reports = [];
  for (const evaluatedOn of ["base", "new"] as const) {
    for (const method of names.filter((name) => evaluatedOn === "base" || name !== "tip-adapter")) {
      for (const shots of method === "zeroshot" ? [1] : [1, 16]) {
        reports.push(await makeReport({ method, evaluatedOn, shots, images: 40, accuracy: 0.7 }));
      }
    }
  }
  const without = [{ method: "tip-adapter", subset: "new" as const, why: "it has no keys" }];
  const { html: page, charts } = await comparisonPage(compareReports(reports, { methods: names, without }));
  assertEquals(elements(page, "h1")[0].textContent, "13 methods on eurosat");
  /** All parts of a chart. */
  const whole = (name: string) =>
    [...charts.keys()].filter((key) => key === name || /^-\d$/.test(key.slice(name.length)) && key.startsWith(name))
      .map((key) => charts.get(key)!).join("");
  const colours = (svg: string) => new Set([...svg.matchAll(/var\(--(c\d+)\)/g)].map(([, name]) => name));
  for (const [name, of] of [["accuracy", 13], ["differences", 12], ["shots-base", 13], ["loss", 12]] as const) {
    assertEquals(colours(whole(name)).size, of, name);
  }
  assertEquals(new Set(names.map((_, i) => seriesColour(i))).size, 13);
  assertEquals(new Set(Array.from({ length: 60 }, (_, i) => seriesColour(i))).size, 60);
  const marks = Array.from({ length: 40 }, (_, i) => `${seriesSymbol(i)} ${seriesDash(i)}`);
  assertEquals(new Set(marks).size, 40);
  // Without colours, as in print, the marks of all methods of the kit are apart.
  const inGrey = KIT_METHODS.map((_, i) => `${seriesSymbol(i)} ${seriesFill(i) === "var(--card)"}`);
  assertEquals(new Set(inGrey).size, KIT_METHODS.length);
  assertEquals(whole("accuracy").match(/no result/g)?.length, 2);
  assertStringIncludes(charts.get("shots-new")!, "Tip-Adapter: no result");
  assertStringIncludes(charts.get("shots-new")!, "accuracy, %");
});
