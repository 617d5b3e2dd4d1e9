/** `report.html`: what one run gave, on one page. */
import { hOf } from "../metrics.ts";
import { methodLabel } from "../../methods/method_label.ts";
import { predictionsName } from "../predictions_file.ts";
import type { Report } from "../report.ts";
import { reportName } from "../report_file.ts";
import { calibrationChart } from "./calibration_chart.ts";
import { classChart, lossChart, rateChart } from "./charts.ts";
import { confusionChart } from "./confusion_chart.ts";
import { type Content, html, type Markup } from "./html.ts";
import {
  breakable,
  chartCard,
  commandCard,
  count,
  definitions,
  document,
  imageAddress,
  percent,
  table,
  tile,
} from "./elements.ts";

/** A page and its charts; `writePage` writes them. */
export interface Page {
  /** The whole page, which needs nothing beside it: styles, charts and pictures are inside. */
  html: string;
  /** What it is of, in a line. */
  about: string;
  /** SVG text by file name without its ending, as on the page. */
  charts: Map<string, string>;
}

/** Prompts and rows that a page shows before it asks for a click. */
const MOST_ROWS = 20;

/** What the halves of the classes are called. */
const SUBSETS = { base: "Base classes", new: "New classes", all: "All classes" } as const;

/** What is evaluated, as a heading. */
function placeOf({ run }: Pick<Report, "run">): string {
  return `${SUBSETS[run.evaluatedOn]}${run.validation ? ", validation images" : ""}`;
}

/** Makes the page of one run. */
export async function runPage(
  reports: readonly Report[],
  options: { images?: ReadonlyMap<string, Uint8Array> } = {},
): Promise<Page> {
  const order = ["base", "new", "all"];
  const sorted = reports.toSorted((a, b) => order.indexOf(a.run.evaluatedOn) - order.indexOf(b.run.evaluatedOn));
  const [first] = sorted;
  const charts = new Map<string, string>();
  const title = `${first.run.label ?? methodLabel(first.run.method)} on ${first.on.data.name}`;
  const page = document(title, [
    header(title, first),
    [...new Set(sorted.flatMap(({ warnings = [] }) => warnings.map(({ text }) => text)))].map((text) =>
      html`<p class="warn">${text}</p>`
    ),
    tiles(sorted),
    html`<div class="cards">${await trainingCharts(first, charts)}${await classCharts(sorted, charts)}</div>`,
    sorted.map(frequentConfusions),
    sorted.map((report) => mistakes(report, options.images)),
    words(first),
    configuration(sorted),
  ]);
  return { html: page, charts, about: [title, ...factsOf(first)].join(", ") };
}

function factsOf({ run, on }: Report): string[] {
  return [
    on.model.name,
    run.shots !== null && `${run.shots} shots`,
    run.seed !== null && `seed ${run.seed}`,
    run.preset !== null && `preset ${run.preset}${run.changed.length > 0 ? " with changes" : ""}`,
  ].filter((fact) => fact !== false);
}

function header(title: string, report: Report): Markup {
  return html`<h1>${title}</h1><p class="sub">${factsOf(report).join(" · ")}</p>
${report.on.model.sample && sampleNote()}`;
}

/** Said wherever numbers of the sample model stand. */
export function sampleNote(): Markup {
  return html`
    <p
      class="note">These are numbers of the small sample model that ships with the kit. They say nothing about OpenAI's CLIP.</p>
  `;
}

function tiles(reports: readonly Report[]): Markup {
  const of = (subset: string) => reports.find(({ run }) => run.evaluatedOn === subset)?.results.metrics;
  const h = hOf(of("base"), of("new"));
  return html`<div class="tiles">${
    reports.map(({ run, results: { metrics, calibration } }) =>
      tile(
        placeOf({ run }),
        percent(metrics.accuracy),
        html`${count(metrics.correct)} of ${count(metrics.total)} right<br>macro-F1 ${percent(metrics.macroF1)}${
          calibration && html`<br>calibration error ${percent(calibration.ece)}`
        }`,
      )
    )
  }${h !== undefined && tile("H", percent(h), "harmonic mean of base and new")}</div>`;
}

async function trainingCharts({ results: { training } }: Report, charts: Map<string, string>): Promise<Content> {
  if (training === null || training.loss.length === 0) return null;
  const loss = await lossChart([{ name: "loss", values: training.loss, colour: 0 }]);
  const rate = await rateChart(training.lr);
  charts.set("loss", loss).set("learning-rate", rate);
  const last = training.loss[training.loss.length - 1];
  const fit = training.accuracy === null
    ? ""
    : ` The last prompt gets ${percent(training.accuracy)} of its training images right.`;
  return html`
    <div class="column">${chartCard(
      "Loss",
      loss,
      `Mean cross-entropy of each epoch; the last is ${last.toFixed(3)}.${fit}`,
    )}${chartCard(
      "Learning rate",
      rate,
      `${count(training.steps)} steps in ${
        training.lr.length === 1 ? "1 epoch" : `${count(training.lr.length)} epochs`
      }.`,
    )}</div>
  `;
}

async function classCharts(reports: readonly Report[], charts: Map<string, string>): Promise<Content> {
  const columns: Markup[] = [];
  for (const { run, results: { metrics, calibration } } of reports) {
    const name = placeOf({ run });
    const bars = await classChart(metrics, name.toLowerCase());
    charts.set(`classes-${run.evaluatedOn}`, bars);
    const most = metrics.perClass.length > 15 ? ` The 15 lowest of ${metrics.perClass.length} classes.` : "";
    const cards = [chartCard(`${name}: accuracy, %`, bars, `The dashed line is the accuracy over all images.${most}`)];
    const confusion = await confusionChart(metrics, name.toLowerCase());
    if (confusion !== undefined) {
      charts.set(`confusion-${run.evaluatedOn}`, confusion.svg);
      const note = `True classes down, predicted classes across, in ${confusion.unit}.`;
      cards.push(chartCard(`${name}: confusion matrix`, confusion.svg, note));
    }
    if (calibration !== undefined) {
      const chart = await calibrationChart(calibration, name.toLowerCase());
      charts.set(`calibration-${run.evaluatedOn}`, chart);
      const note = `Bars: images in ${calibration.images.length} bins, paler where there are few. On the dashed line ` +
        `probabilities are what they say; the expected calibration error is ${percent(calibration.ece)}.`;
      cards.push(chartCard(`${name}: reliability`, chart, note));
    }
    columns.push(html`<div class="column">${cards}</div>`);
  }
  return columns;
}

/** With many classes these are hard to find in a matrix. */
function frequentConfusions({ run, results: { metrics } }: Report): Content {
  if (metrics.perClass.length <= 12) return null;
  const pairs = metrics.confusion.flatMap((row, label) =>
    row.flatMap((images, prediction) => label === prediction || images === 0 ? [] : [{ label, prediction, images }])
  );
  const rows = pairs.toSorted((a, b) => b.images - a.images).slice(0, MOST_ROWS).map((
    { label, prediction, images },
  ) => [
    metrics.perClass[label].name,
    metrics.perClass[prediction].name,
    count(images),
  ]);
  return html`<h3 style="margin-top:18px">${placeOf({ run })}: most frequent confusions</h3>${
    table([{ title: "True class" }, { title: "Taken for" }, { title: "Images", numeric: true }], rows)
  }`;
}

function mistakes(report: Report, images?: ReadonlyMap<string, Uint8Array>): Content {
  const { run, results } = report;
  if (results.worst.length === 0) return null;
  const name = (label: number) => run.classNames[label];
  const heading = html`<h2>Worst mistakes, ${placeOf(report).toLowerCase()}</h2>
<p class="note">The mistakes that the model is surest of; ${predictionsName(reportName(report))} has all images.</p>`;
  const pictures = results.worst.flatMap((mistake) => {
    const address = imageAddress(images?.get(mistake.path) ?? new Uint8Array());
    return address === undefined ? [] : [{ ...mistake, address }];
  });
  if (pictures.length === 0) {
    const rows = results.worst.slice(0, 12).map(({ path, label, prediction, confidence }) => [
      html`${name(label)}<br><code class="note">${breakable(path)}</code>`,
      name(prediction),
      percent(100 * confidence),
    ]);
    return html`${heading}${
      table([{ title: "True class and image" }, { title: "Taken for" }, { title: "Confidence", numeric: true }], rows)
    }`;
  }
  return html`${heading}<div class="mistakes">${
    pictures.map(({ path, label, prediction, confidence, address }) =>
      html`<figure><img src="${address}" alt="${name(label)}, taken for ${
        name(prediction)
      }" title="${path}"><figcaption><b>${name(label)}</b><br>taken for ${name(prediction)}, ${
        percent(100 * confidence)
      }</figcaption></figure>`
    )
  }</div>`;
}

function words({ results: { nearestWords } }: Report): Content {
  if (nearestWords === null || nearestWords.length === 0) return null;
  const rows = nearestWords.map(({ token, className, words }) => [
    className === null ? String(token) : `${className}, ${token}`,
    words.map(({ word, distance }, i) =>
      html`${i > 0 && " · "}<b>${word}</b>&nbsp;<span class="note">${distance.toFixed(3)}</span>`
    ),
  ]);
  const columns = [{ title: "Token" }, { title: "Nearest words and their distances" }];
  return html`
    <h2>What the learned tokens resemble</h2>
    <p
      class="note">Words whose embeddings are nearest, by Euclidean distance. A hint, no translation: learned tokens often lie far from all words.</p>
    ${table(columns, rows.slice(0, MOST_ROWS))}${rows.length > MOST_ROWS &&
      html`<details><summary>${rows.length - MOST_ROWS} more tokens</summary>${
        table(columns, rows.slice(MOST_ROWS))
      }</details>`}
  `;
}

function configuration(reports: readonly Report[]): Markup {
  const [{ run, on }] = reports;
  const commands = [...new Set(reports.map((report) => report.run.command))];
  const prompts = reports.flatMap((report) =>
    report.run.prompts.map((texts, i) => [report.run.classNames[i], texts.join("  ")])
  );
  const seconds = reports.map(({ run, timing }) =>
    [
      placeOf({ run }),
      Object.entries(timing.seconds).map(([stage, value]) => `${stage} ${value.toFixed(1)} s`).join(" · "),
    ] as const
  );
  const { image, text } = on.model.config;
  return html`
    ${commandCard(commands)}
    <h2>Configuration</h2>
    <div class="cards">
      <div class="card"><h3>Run</h3>${definitions([
        ["method", run.label ?? methodLabel(run.method)],
        ...(run.importedFrom === undefined
          ? []
          : [["imported from", `${run.importedFrom}; what is not listed of its training is not known`] as const]),
        ["preset", run.preset ?? (run.importedFrom === undefined ? "none" : "not known")],
        ...Object.entries(run.hyperparameters).map(([name, value]) =>
          [
            name,
            html`<code>${String(value) === "" ? '""' : String(value)}</code>${
              run.changed.includes(name) && " (changed)"
            }`,
          ] as const
        ),
        ["learned", `${count(run.learnedNumbers)} numbers`],
        ...(run.trainedOn === null
          ? []
          : [["trained on", `${run.trainedOn} classes, ${count(on.data.train)} images`] as const]),
      ])}</div>
      <div class="card"><h3>Model and engine</h3>${definitions([
        ["model", on.model.name],
        ["sha256", html`<code>${on.model.sha256}</code>`],
        ["image tower", `${image.size} px, patch ${image.patch}, width ${image.width}, ${image.layers} layers`],
        ["text tower", `width ${text.width}, ${text.layers} layers, context ${text.context}`],
        ["activation", on.model.activation ?? "quickgelu"],
        ["engine", `${on.engine.name}, ${on.engine.device}, ${on.engine.threads} threads`],
        ...(run.trainedWithEngine === undefined ? [] : [["trained with", run.trainedWithEngine] as const]),
        ["versions", `kit ${on.versions.kit}, Deno ${on.versions.deno}, ${on.versions.target}`],
      ])}</div>
      <div class="card"><h3>Data</h3>${definitions([
        ["data set", `${on.data.name}, ${count(on.data.images)} images`],
        ["source", breakable(on.data.source)],
        ["split", breakable(on.data.splitOrigin)],
        ["sha256", html`<code>${on.data.splitSha256}</code>`],
        [
          `${run.validation ? "validation" : "test"} images`,
          reports.map((report) => `${count(report.results.metrics.total)} ${report.run.evaluatedOn}`).join(", "),
        ],
        ...seconds.map(([subset, stages]) => [`time, ${subset.toLowerCase()}`, stages] as const),
      ])}</div>
    </div>
    <h2>Prompts</h2>
    ${reports[0].results.nearestWords !== null && html`<p class="note">X stands for what is learned.</p>`}
    ${table([{ title: "Class" }, { title: "Prompt" }], prompts.slice(0, MOST_ROWS))}${prompts.length > MOST_ROWS &&
      html`<details><summary>${prompts.length - MOST_ROWS} more prompts</summary>${
        table([{ title: "Class" }, { title: "Prompt" }], prompts.slice(MOST_ROWS))
      }</details>`}
    <footer>Report made ${reports.map(({ timing }) => timing.finishedAt).toSorted().at(-1)} by clip-prompts ${on
      .versions.kit}.</footer>
  `;
}
