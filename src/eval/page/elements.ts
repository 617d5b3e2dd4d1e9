/** Pieces that pages are made of. */
import { type Content, html, type Markup, raw } from "./html.ts";
import { STYLE } from "./theme.ts";

/** A whole page; it loads nothing. */
export function document(title: string, body: Content): string {
  return html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <link rel="icon" href="data:,">
        <title>${title}</title>
        <style>${raw(STYLE)}</style>
      </head>
      <body>
        <main>
    ${body}
        </main>
      </body>
    </html>
  `.markup;
}

/** A headline number. */
export function tile(name: string, value: string, more: Content): Markup {
  return html`
    <div class="tile">
      <div class="name">${name}</div>
      <div class="value">${value}</div>
      <div class="more">${more}</div>
    </div>
  `;
}

/** A chart with its title and what to know of it. */
export function chartCard(title: string, svg: string, note?: string): Markup {
  return html`<figure class="card"><h3>${title}</h3>${raw(svg)}${
    note && html`<figcaption>${note}</figcaption>`
  }</figure>`;
}

/** Names and values. */
export function definitions(entries: readonly (readonly [string, Content])[]): Markup {
  return html`<dl>${
    entries.map(([name, value]) =>
      html`
        <dt>${name}</dt>
        <dd>${value}</dd>
      `
    )
  }</dl>`;
}

/** A column of a table. */
export interface Column {
  title: string;
  /** Numbers stand to the right. */
  numeric?: boolean;
}

/** A table that scrolls by itself where the page is narrow. */
export function table(columns: readonly Column[], rows: readonly (readonly Content[])[]): Markup {
  const kind = (i: number) => raw(columns[i].numeric ? ' class="num"' : ' class="text"');
  return html`
    <div class="scroll">
      <table>
        <thead>
          <tr>${columns.map(({ title }, i) =>
            html`
              <th scope="col" ${kind(i)}>${title}</th>
            `
          )}</tr>
        </thead>
        <tbody>${rows.map((row) => html`<tr>${row.map((cell, i) => html`<td${kind(i)}>${cell}</td>`)}</tr>\n`)}</tbody>
      </table>
    </div>
  `;
}

/** A path that a line may break between its parts, and not within a word. */
export function breakable(path: string): Content {
  return path.split(/(?<=[/+_])/).map((part, i) => html`${i > 0 && raw("<wbr>")}${part}`);
}

/** Commands to copy; lines break between words, and not behind the first dash of a flag. */
export function commandCard(commands: readonly string[]): Markup {
  const lines = commands.map((command, i) =>
    html`${i > 0 && "\n"}${command.split(" ").map((word, k) => html`${k > 0 && " "}<span class="word">${word}</span>`)}`
  );
  return html`
    <h2>Exact command</h2>
    <div class="card">
      <pre>${lines}</pre>
    </div>
  `;
}

/** 4200 → `4,200`. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** `93.9 %`, which no line break parts. */
export function percent(value: number): string {
  return `${value.toFixed(1)}\u00a0%`;
}

/** The bytes of an image as an address that needs no network. */
export function imageAddress(bytes: Uint8Array): string | undefined {
  const starts = (...head: number[]) => head.every((value, i) => bytes[i] === value);
  const type = starts(0xff, 0xd8)
    ? "jpeg"
    : starts(0x89, 0x50, 0x4e, 0x47)
    ? "png"
    : starts(0x47, 0x49, 0x46)
    ? "gif"
    : starts(0x52, 0x49, 0x46, 0x46)
    ? "webp"
    : undefined;
  return type && `data:image/${type};base64,${bytes.toBase64()}`;
}
