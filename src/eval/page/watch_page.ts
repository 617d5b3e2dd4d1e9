/** The page that lists runs while they run. It asks the server that it came from for news. */
import { methodLabel } from "../../methods/method_label.ts";
import { NOTHING } from "../comparison.ts";
import { breakable, count, document, table } from "./elements.ts";
import { type Content, html, type Markup, raw } from "./html.ts";
import { seriesColour } from "./theme.ts";

/** How far a training has come, by the files that it left so far. */
export interface TrainingSeen {
  step: number;
  epoch: number;
  /** All epochs, where that is known. */
  epochs?: number;
  /** Mean loss of each epoch so far, the last of which may not be at its end. */
  losses: readonly number[];
  /** Learning rate of the last step. */
  lr: number;
  /** On average over the training so far. */
  stepsPerSecond?: number;
  /** Until the last step, at that pace; not known within the first epoch. */
  secondsLeft?: number;
}

/** A run, by its folder. */
export interface RunSeen {
  /** The folder, below that of all runs. */
  path: string;
  /** `killed`: its process ended without a word. `ended`: it ended by itself, before its end. */
  state: "running" | "killed" | "ended" | "done";
  /** What `identity.json` says of it. */
  about: Readonly<Record<string, string>>;
  training?: TrainingSeen;
  /** When the newest of its files was written. */
  written: string;
  /** Its pages, below the folder of all runs. */
  pages: readonly string[];
}

/** All that is in a folder of runs. */
export interface RunsSeen {
  /** The newest first. */
  runs: readonly RunSeen[];
  /** Pages that are of no single run, comparisons for instance. */
  pages: readonly string[];
  /** What could not be read. */
  notes: readonly string[];
}

/** Where pages are served. */
export const RUN_PAGES = "/runs/";

/** Asks for news every two seconds, and puts them in the place of what has changed. */
export const WATCH_SCRIPT = `
const list = document.getElementById("list");
const lost = document.getElementById("lost");
const ask = async () => {
  try {
    const answer = await fetch("/runs.json");
    if (!answer.ok) throw new Error(answer.status);
    const news = document.createElement("template");
    news.innerHTML = (await answer.json()).list;
    const [before, now] = [[...list.children], [...news.content.children]];
    if (before.length !== now.length) list.replaceChildren(...now);
    else now.forEach((part, i) => before[i].outerHTML === part.outerHTML || before[i].replaceWith(part));
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
  setTimeout(ask, 2000);
};
setTimeout(ask, 2000);
`.trim();

/** The whole page. */
export function watchPage(folder: string, seen: RunsSeen): string {
  const lost = "No answer: what stands here is from before. deno task watch starts the page again.";
  return document(
    `Runs in ${folder}`,
    html`
      <h1>Runs in ${breakable(folder)}</h1>
      <p class="warn" id="lost" hidden role="status">${lost}</p>
      <div id="list">${raw(runList(seen))}</div>
      <script src="/watch.js"></script>
    `,
  );
}

const STATES = { running: "Running", killed: "Killed", ended: "Ended before the end", done: "Done" } as const;

/** What is to be known of all runs of a state. */
const NOTES = {
  killed: "The same command, without --fresh, goes on from the last checkpoint, and so does the method's task with " +
    "--config and the config.yaml of the folder.",
  ended: "These ended by themselves, most often with an error. The same command goes on from what is there.",
} as const;

/** What changes on the page. */
export function runList({ runs, pages, notes }: RunsSeen): string {
  const byState = Map.groupBy(runs, ({ state }) => state);
  const states = (Object.keys(STATES) as RunSeen["state"][]).filter((state) => byState.has(state));
  const summary = states.map((state) => `${byState.get(state)!.length} ${state}`).join(" · ");
  const sections = states.map((state) => {
    const found = byState.get(state)!;
    const body = state === "running" ? html`<div class="cards">${found.map(card)}</div>` : runTable(found);
    const note = state === "killed" || state === "ended" ? html`<p class="note">${NOTES[state]}</p>` : null;
    return html`<section><h2>${STATES[state]}</h2>${body}${note}</section>`;
  });
  const others = pages.map((page) => html`<li>${link(page, folderOf(page))}</li>`);
  return html`<p class="sub">${summary || "No run is here yet. The first one shows as soon as it starts."}</p>${
    notes.map((note) => html`<p class="warn">${note}</p>`)
  }${sections}${
    others.length > 0 && html`
      <section>
        <h2>Comparisons and other pages</h2>
        <ul>${others}</ul>
      </section>
    `
  }`.markup;
}

function card(run: RunSeen): Markup {
  const { training, written, pages } = run;
  const state = training === undefined
    ? html`<p>No step is written yet.</p>`
    : html`${progressOf(training)}<p>${paceOf(training)}</p>${lossLine(training.losses)}`;
  const links = pages.map((page) =>
    html`
      · ${otherLink(run, page)}
    `
  );
  return html`
    <div
      class="card"><h3>${titleOf(run)}</h3><p class="note">${factsOf(run)}<br>${breakable(
        run.path,
      )}</p>${state}<p class="note">Written ${clock(written)}${links}</p></div>
  `;
}

function progressOf({ epoch, epochs, step }: TrainingSeen): Markup {
  const label = `epoch ${epoch}${epochs === undefined ? "" : ` of ${epochs}`}, step ${count(step)}`;
  if (epochs === undefined) return html`<div>${label}</div>`;
  return html`
    <div>${label}</div><progress style="width:100%;accent-color:var(--accent)" aria-label="${label}"
      value="${epoch}" max="${epochs}"></progress>
  `;
}

function paceOf({ losses, lr, stepsPerSecond, secondsLeft }: TrainingSeen): string {
  return [
    `loss ${lossOf(losses)}`,
    `learning rate ${Number(lr.toPrecision(3))}`,
    ...stepsPerSecond === undefined ? [] : [`${Number(stepsPerSecond.toPrecision(3))} steps/s`],
    ...secondsLeft === undefined ? [] : [`about ${timeLeft(secondsLeft)} of training left`],
  ].join(" · ");
}

/** The mean losses as a line, without axes: the report has those. */
function lossLine(losses: readonly number[]): Content {
  if (losses.length < 2) return null;
  const [least, most] = [Math.min(...losses), Math.max(...losses)];
  const points = losses.map((loss, i) => {
    const [x, y] = [300 * i / (losses.length - 1), 48 - 44 * (loss - least) / (most - least || 1)];
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const label = `loss of each epoch, from ${losses[0].toFixed(3)} to ${lossOf(losses)}`;
  return html`
    <svg style="margin:0" viewBox="0 0 300 50" role="img" aria-label="${label}">
      <polyline fill="none" stroke="${seriesColour(0)}" stroke-width="1.8" points="${points.join(" ")}" />
    </svg>
  `;
}

function runTable(runs: readonly RunSeen[]): Markup {
  const rows = runs.map((run) => {
    const { path, pages, training, written } = run;
    const own = pages.find((page) => folderOf(page) === path);
    const title = own === undefined ? titleOf(run) : link(own, titleOf(run));
    const others = pages.filter((page) => page !== own).map((page) => otherLink(run, page));
    const facts = [factsOf(run), breakable(path), clock(written), ...others].filter((fact) => fact !== "");
    return [
      html`<b style="white-space:normal">${title}</b>${
        facts.map((fact) => html`<br><span class="note">${fact}</span>`)
      }`,
      training === undefined
        ? NOTHING
        : `${training.epoch}${training.epochs === undefined ? "" : ` of ${training.epochs}`}`,
      training === undefined ? NOTHING : lossOf(training.losses),
    ];
  });
  return table([{ title: "Run" }, { title: "Epochs", numeric: true }, { title: "Loss", numeric: true }], rows);
}

function titleOf({ about: { method, dataset, seed }, path }: RunSeen): string {
  if (method === undefined) return path;
  const place = dataset === undefined ? "" : ` on ${dataset}`;
  return `${methodLabel(method)}${place}${seed === undefined ? "" : `, seed ${seed}`}`;
}

function factsOf({ about: { model, shots, "trained-on": subset } }: RunSeen): string {
  return [model, shots && `${shots} shots`, subset && `${subset} classes`].filter((fact) => fact).join(" · ");
}

/** Of an evaluation on another data set: its folder in that of the run says which. */
function otherLink({ path }: RunSeen, page: string): Markup {
  return link(page, folderOf(page).slice(path.length + 1) || "report");
}

function link(page: string, words: string): Markup {
  return html`<a href="${RUN_PAGES}${page.split("/").map(encodeURIComponent).join("/")}">${breakable(words)}</a>`;
}

function folderOf(page: string): string {
  return page.slice(0, page.lastIndexOf("/"));
}

function lossOf(losses: readonly number[]): string {
  return losses[losses.length - 1].toFixed(3);
}

/** In steps that do not change with every look. */
function timeLeft(seconds: number): string {
  if (seconds < 60) return "a minute";
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** `2026-03-01 14:05:09`, in the time of this machine. */
function clock(time: string): string {
  const date = new Date(time);
  const local = new Date(date.getTime() - 60_000 * date.getTimezoneOffset());
  return local.toISOString().slice(0, 19).replace("T", " ");
}
