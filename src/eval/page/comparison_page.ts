/** The page of a comparison: the table of the papers, and whether to believe it. */
import { methodLabel } from "../../methods/method_label.ts";
import {
  type Comparison,
  type Difference,
  differenceNote,
  differenceRows,
  inWords,
  type Measure,
  measured,
  MEASURES,
  measuresOf,
  noResultSentences,
  NOTHING,
} from "../comparison.ts";
import { footnoteSign } from "../footnotes.ts";
import { drawnFrom, resultTable } from "../result_table.ts";
import { lossChart } from "./charts.ts";
import { accuracyCharts, differenceCharts, lossSeries, shotsChart } from "./comparison_charts.ts";
import { type Content, html, type Markup } from "./html.ts";
import { chartCard, commandCard, count, definitions, document, percent, table, tile } from "./elements.ts";
import { type Page, sampleNote } from "./run_page.ts";

const TITLES: Readonly<Record<Measure, string>> = {
  base: "Base classes",
  new: "New classes",
  all: "All classes",
  h: "H",
};

/** Methods that a title names. */
const MOST_NAMES = 4;

/** Makes the page of a comparison. */
export async function comparisonPage(comparison: Comparison): Promise<Page> {
  const { on, methods, warnings } = comparison;
  const charts = new Map<string, string>();
  const facts = [on.model.name, ...drawnFrom(comparison)];
  const names = methods.length <= MOST_NAMES
    ? methods.map(({ label }) => label).join(", ")
    : `${methods.length} methods`;
  const title = `${names} on ${on.dataset}`;
  const page = document(title, [
    html`<h1>${title}</h1><p class="sub">${facts.join(" · ")}</p>${on.model.sample && sampleNote()}`,
    warnings.map(({ text }) => html`<p class="warn">${text}</p>`),
    tiles(comparison),
    results(comparison),
    await chartCards(comparison, charts),
    differenceTable(comparison),
    seedTable(comparison),
    configuration(comparison),
  ]);
  return { html: page, charts, about: [title, on.model.name, ...drawnFrom({ ...comparison, shots: null })].join(", ") };
}

/** The best method of each measure, and whether it differs from the first. */
function tiles(comparison: Comparison): Markup {
  const { methods, differences } = comparison;
  return html`<div class="tiles">${
    measuresOf(comparison).map((measure) => {
      const rows = methods.flatMap((row) => {
        const found = measured(row, measure);
        return found ? [{ ...row, mean: found.mean }] : [];
      }).sort((a, b) => b.mean - a.mean);
      const [best] = rows;
      // As the table marks them: all that are printed alike.
      const alike = rows.filter(({ mean }) => percent(mean) === percent(best.mean));
      const difference = differences.find(({ method, of }) => method === best.method && of === measure);
      return tile(
        `${TITLES[measure]}: best ${alike.length === 1 ? "is" : "are"} ${inWords(alike.map(({ label }) => label))}`,
        percent(best.mean),
        verdict(difference, methods[0].label),
      );
    })
  }</div>`;
}

function verdict(difference: Difference | undefined, reference: string): string {
  if (difference === undefined) return "no other method is above it";
  const side = difference.difference >= 0 ? "above" : "below";
  return `${Math.abs(difference.difference).toFixed(1)} points ${side} ${reference}: ${difference.verdict}`;
}

function results(comparison: Comparison): Markup {
  const { columns, blocks: [{ rows }], spread, ranked, footnotes } = resultTable([comparison], 1);
  const cells = rows.map(({ label, cells }) => [
    html`<b>${label}</b>`,
    ...cells.map(({ text, std, rank, mark }) => {
      const whole = std === undefined ? text : `${text} ± ${std}`;
      const ranked = rank === "best" ? html`<b>${whole}</b>` : rank === "second" ? html`<u>${whole}</u>` : whole;
      return mark === undefined ? ranked : html`${ranked}<sup>${footnoteSign(mark)}</sup>`;
    }),
  ]);
  const note = ["Accuracy in percent.", ranked ? "Best in bold, second underlined." : "", spread].join(" ");
  return html`<h2>Results</h2>${
    table([{ title: "Method" }, ...columns.map((title) => ({ title, numeric: true }))], cells)
  }<p class="note">${note}</p>${
    footnotes.map((text, mark) => html`<p class="note"><sup>${footnoteSign(mark)}</sup> ${text}</p>`)
  }${noResultSentences(comparison.without).map((sentence) => html`<p class="note">${sentence}</p>`)}`;
}

async function chartCards(comparison: Comparison, charts: Map<string, string>): Promise<Markup> {
  const { methods, differences, curve, interval } = comparison;
  const cards: Markup[] = [];
  /** A card for each part of a chart: `accuracy`, or `accuracy-1` and `accuracy-2`. */
  const add = (name: string, { title, svgs, note }: { title: string; svgs: readonly string[]; note: string }) =>
    svgs.forEach((svg, i) => {
      charts.set(svgs.length === 1 ? name : `${name}-${i + 1}`, svg);
      cards.push(chartCard(svgs.length === 1 ? title : `${title} (${i + 1} of ${svgs.length})`, svg, note));
    });
  add("accuracy", {
    title: "Accuracy by method, %",
    svgs: await accuracyCharts(comparison),
    note:
      "Bars are means over seeds (H: of the mean accuracies), dots are seeds, lines are one standard deviation to each side.",
  });
  if (differences.length > 0) {
    add("differences", {
      title: `Difference from ${methods[0].label}, points`,
      svgs: await differenceCharts(comparison),
      note: `Lines are ${
        Math.round(interval.confidence * 100)
      } % intervals; where a dot is hollow, these seeds do not tell.`,
    });
  }
  for (const measure of curve.length > 0 ? measuresOf(comparison) : []) {
    add(`shots-${measure}`, {
      title: `${TITLES[measure]} over shots, %`,
      svgs: [await shotsChart(comparison, measure)],
      note:
        "Means over seeds, small dots are seeds, upright lines one standard deviation to each side. Dashed: methods that learn nothing.",
    });
  }
  const losses = lossSeries(comparison);
  if (losses.length > 0) {
    add("loss", { title: "Loss", svgs: [await lossChart(losses)], note: "Mean loss of each epoch, a line a seed." });
  }
  return html`
    <h2>Charts</h2>
    <div class="cards">${cards}</div>
  `;
}

function differenceTable(comparison: Comparison): Content {
  if (comparison.differences.length === 0) return null;
  const [head, ...rows] = differenceRows(comparison);
  const columns = head.map((title, i) => ({ title, numeric: i === 2 || i === 3 || i === 5 }));
  return html`<h2>Can it be believed?</h2>${table(columns, rows)}<p class="note">${differenceNote(comparison)}</p>`;
}

/** With one seed it would be the first table again. */
function seedTable(comparison: Comparison): Content {
  if (comparison.seeds.length < 2) return null;
  const measures = measuresOf(comparison);
  const rows = comparison.methods.flatMap((row) => {
    const seeds = [
      ...new Set(measures.flatMap((measure) => measured(row, measure)?.perSeed.map(({ seed }) => seed) ?? [])),
    ];
    return seeds.map((seed) => [
      row.label,
      seed === null ? NOTHING : String(seed),
      ...measures.map((measure) =>
        measured(row, measure)?.perSeed.find((one) => one.seed === seed)?.value.toFixed(1) ?? NOTHING
      ),
      trainingAccuracy(comparison, row.method, seed),
    ]);
  });
  const columns = [
    { title: "Method" },
    { title: "Seed", numeric: true },
    ...measures.map((measure) => ({ title: MEASURES[measure], numeric: true })),
    { title: "train", numeric: true },
  ];
  return html`<h2>Seed by seed</h2>${
    table(columns, rows)
  }<p class="note">Accuracy in percent; train is that on the training images.</p>`;
}

function trainingAccuracy({ runs, shots }: Comparison, method: string, seed: number | null): string {
  const run = runs.find((one) => one.method === method && one.seed === seed && one.shots === shots);
  return run?.trainingAccuracy?.toFixed(1) ?? NOTHING;
}

function configuration({ on, methods, command, seeds, shots }: Comparison): Markup {
  return html`${command !== "" && commandCard([command])}
<h2>Configuration</h2><div class="card">${
    definitions([
      ["model", `${on.model.name}, sha256 ${on.model.sha256}`],
      ["data set", on.dataset],
      ["split", `sha256 ${on.splitSha256}`],
      ["test images", Object.entries(on.images).map(([subset, images]) => `${count(images)} ${subset}`).join(", ")],
      ["shots", shots === null ? "none" : String(shots)],
      ["seeds", seeds.join(", ") || "none"],
      ...methods.map(({ method, preset, changed }) =>
        [
          methodLabel(method),
          (preset ?? "no preset") + (changed.length > 0 ? `, changed: ${changed.join(", ")}` : ""),
        ] as const
      ),
    ])
  }</div>`;
}
