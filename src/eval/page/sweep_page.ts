/** The page of a sweep: what was chosen, on what, and each axis as a chart. */
import { type Measure, measured, MEASURES, measuresOf } from "../comparison.ts";
import { footnoteSign } from "../footnotes.ts";
import { drawnFrom, type ResultCell } from "../result_table.ts";
import { choiceSentences, type Sweep, tieSentence, wordsOf } from "../sweep.ts";
import { sweepTable, sweepWarnings } from "../sweep_table.ts";
import { axisChart } from "./axis_chart.ts";
import { chartCard, definitions, document, percent, table, tile } from "./elements.ts";
import { html, type Markup } from "./html.ts";
import { type Page, sampleNote } from "./run_page.ts";

/** Makes the page of a sweep. */
export async function sweepPage(sweep: Sweep): Promise<Page> {
  const { on, method, axes } = sweep;
  const title = `Sweep of ${method.label} on ${on.dataset}`;
  const facts = [on.model.name, ...drawnFrom(sweep)];
  const charts = new Map<string, string>();
  const cards: Markup[] = [];
  for (const { name } of axes) {
    const { svg, note } = await axisChart(sweep, name);
    charts.set(name, svg);
    cards.push(chartCard(`Validation accuracy over ${name}, %`, svg, note));
  }
  const page = document(title, [
    html`<h1>${title}</h1><p class="sub">${facts.join(" · ")}</p>${on.model.sample && sampleNote()}`,
    sweepWarnings(sweep).map((text) => html`<p class="warn">${text}</p>`),
    tiles(sweep),
    settings(sweep),
    html`
      <h2>Charts</h2>
      <div class="cards">${cards}</div>
    `,
    configuration(sweep),
  ]);
  return { html: page, charts, about: [title, ...facts].join(", ") };
}

/** What was chosen, what it gives on validation images, and on test images. */
function tiles({ chosen, settings }: Sweep): Markup | null {
  if (chosen === null) return null;
  const tie = tieSentence({ chosen, settings });
  const { values, validation } = settings[chosen.setting];
  const ofTest = (measure: Measure) => {
    const found = measured(chosen.test!.methods[0], measure);
    if (found === undefined) return null;
    const spread = found.std === null ? "" : `± ${found.std.toFixed(1)} over seeds`;
    return tile(measure === "h" ? "Test: H" : `Test: ${MEASURES[measure]} classes`, percent(found.mean), spread);
  };
  return html`<div class="tiles">${
    tile(
      "Chosen on validation images",
      percent(validation!.mean),
      html`${wordsOf(values)}${tie !== undefined && html`<br>${tie}`}`,
    )
  }${chosen.test && measuresOf(chosen.test).map(ofTest)}</div>`;
}

function settings(sweep: Sweep): Markup {
  const { head = "", columns, blocks: [{ rows }], spread, footnotes } = sweepTable(sweep, 1);
  const names = sweep.axes.map(({ name }) => name);
  const cells = rows.map(({ label, cells }) => {
    const isChosen = cells.some(({ rank }) => rank === "best");
    return [{ text: label }, ...cells].map(({ text, std, mark }: ResultCell) => {
      const whole = std === undefined ? text : `${text} ± ${std}`;
      return html`${isChosen ? html`<b>${whole}</b>` : whole}${
        mark !== undefined && html`<sup>${footnoteSign(mark)}</sup>`
      }`;
    });
  });
  const note = ["Accuracy in percent. In bold what is chosen.", spread].join(" ");
  return html`<h2>Settings</h2>${
    table([head, ...columns].map((title) => ({ title, numeric: !names.includes(title) })), cells)
  }<p class="note">${note}</p>${
    footnotes.map((text, mark) => html`<p class="note"><sup>${footnoteSign(mark)}</sup> ${text}</p>`)
  }${choiceSentences(sweep).map((sentence) => html`<p>${sentence}</p>`)}`;
}

function configuration({ on, method, command, validationImages }: Sweep): Markup {
  return html`${
    command !== "" && html`
      <h2>Exact command</h2>
      <div class="card">
        <pre>${command}</pre>
      </div>
    `
  }
<h2>Configuration</h2><div class="card">${
    definitions([
      ["method", method.label],
      ["preset", method.preset ?? "none"],
      ["model", `${on.model.name}, sha256 ${on.model.sha256}`],
      ["data set", on.dataset],
      ["split", `sha256 ${on.splitSha256}`],
      ["validation images", validationImages.map(({ seed, images }) => `${images} of seed ${seed}`).join(", ")],
    ])
  }</div>`;
}
