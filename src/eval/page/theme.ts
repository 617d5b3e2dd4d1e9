/** Colours and layout of the pages. Charts name colours by variable, so that one chart serves light and dark. */
import { wrap } from "../../text_table.ts";
import { escapeHtml } from "./html.ts";

/** Colours by variable, light and dark. */
const COLOURS = {
  page: ["#f6f7f9", "#14171c"],
  card: ["#ffffff", "#1d2128"],
  ink: ["#1c2128", "#e6e9ee"],
  muted: ["#5b6470", "#9aa4b2"],
  line: ["#d9dee5", "#343b46"],
  accent: ["#0b66a8", "#62b4ee"],
  warn: ["#8a4b00", "#f0b35b"],
  warnback: ["#fff4e0", "#33281a"],
} as const;

const LIGHT = 0;
const DARK = 1;

/**
 * Colours of methods and series, light and dark. The hues of the first seven stay apart for the common kinds of colour blindness
 * (after Okabe and Ito); the others differ from them in lightness too, and every one has a mark of its own.
 */
const SERIES = [
  ["#0072b2", "#56b4e9"],
  ["#d55e00", "#f0894a"],
  ["#00866a", "#3fc7a4"],
  ["#a8478a", "#dd8fc2"],
  ["#8a6d00", "#e0c04a"],
  ["#5a5fc7", "#a5a9f5"],
  ["#6b7280", "#b4bcc8"],
  ["#7a1f1f", "#ff8f8f"],
  ["#14405e", "#8fd3ff"],
  ["#4f7a14", "#a8dc5e"],
  ["#e0218a", "#ff7cc0"],
  ["#008c9b", "#5ee6f2"],
  ["#5b3a1e", "#d6a77c"],
  ["#9a4dff", "#c9a2ff"],
  ["#2f2f2f", "#f2f2f2"],
  ["#b8860b", "#ffd76a"],
  ["#006400", "#63d463"],
  ["#c0392b", "#ff6f5e"],
  ["#4b0082", "#b18cff"],
  ["#708238", "#cbd98a"],
] as const;

/** Marks of methods and series: a round of hollow ones, and a round of filled ones. */
const SYMBOLS = [
  ...["circle", "square", "triangle", "diamond2", "star", "times", "wye", "plus", "asterisk"] as const,
  ...["circle", "square", "triangle", "diamond2", "star", "cross", "wye", "hexagon", "triangle2"] as const,
] as const;
const HOLLOW = 9;

/** Dashes of lines; none first. */
const DASHES = ["none", "6 3", "2 2", "8 3 2 3", "1 3"] as const;

/** The colour of the n-th method or series, from 0; no two are the same. */
export function seriesColour(index: number): string {
  if (index < SERIES.length) return `var(--c${index + 1})`;
  return `hsl(${(index * 137.5 % 360).toFixed(1)} 55% 48%)`;
}

/** The mark of the n-th method or series. */
export function seriesSymbol(index: number): typeof SYMBOLS[number] {
  return SYMBOLS[index % SYMBOLS.length];
}

/** What the mark of the n-th method or series is filled with: in grey, the mark alone tells it from the others. */
export function seriesFill(index: number): string {
  return index % SYMBOLS.length < HOLLOW ? "var(--card)" : seriesColour(index);
}

/** The dashes of the n-th method or series. */
export function seriesDash(index: number): string {
  return DASHES[index % DASHES.length];
}

const PAIRS: Readonly<Record<string, readonly [string, string]>> = {
  ...COLOURS,
  ...Object.fromEntries(SERIES.map((pair, i) => [`c${i + 1}`, pair])),
};

/** Fonts that look alike; any program has one of them. */
const FONTS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif";

/** Characters of a title's line. */
const TITLE_LINE = 52;

/**
 * A chart as a file of its own that any program shows: light colours written in, fonts named, on white, and above it its title and
 * what it is of, which on the page stand around it.
 */
export function standAlone(svg: string, about = ""): string {
  const [, title = ""] = /<svg[^>]* aria-label="([^"]*)"/.exec(svg) ?? [];
  const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg) ?? [];
  const lines = [
    ...wrap(title, TITLE_LINE).map((text) => ({ text, bold: true })),
    ...wrap(escapeHtml(about), TITLE_LINE).flatMap((text) => text === "" ? [] : [{ text, bold: false }]),
  ];
  const above = lines.length * 15 + 8;
  const heading = lines.map(({ text, bold }, i) =>
    `<text x="6" text-anchor="start" y="${15 * (i + 1) - above}" font-size="${bold ? 12 : 10.5}"${
      bold ? ' font-weight="600"' : ""
    } fill="var(--ink)">${text}</text>`
  );
  const size = `x="0" y="${-above}" width="${width}" height="${Number(height) + above}"`;
  return svg.replace(
    /viewBox="[^"]*"/,
    `viewBox="0 ${-above} ${width} ${Number(height) + above}"`,
  )
    .replace(/(<svg[^>]*>)/, `$1<title>${title}</title><rect ${size} fill="var(--card)"/>${heading.join("")}`)
    .replaceAll("system-ui, sans-serif", FONTS)
    .replaceAll(/var\(--(\w+)\)/g, (whole, name) => PAIRS[name]?.[LIGHT] ?? whole)
    .replaceAll("currentColor", COLOURS.ink[LIGHT]);
}

function variables(theme: typeof LIGHT | typeof DARK): string {
  return Object.entries(PAIRS).map(([name, pair]) => `--${name}:${pair[theme]}`).join(";");
}

/** The style sheet of every page. */
export const STYLE = `
:root{color-scheme:light dark;${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{${variables(DARK)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
  -webkit-text-size-adjust:100%;overflow-wrap:break-word}
main{max-width:1240px;margin:0 auto;padding:20px 16px 48px}
h1{font-size:1.55rem;line-height:1.25;margin:0 0 2px}
h2{font-size:1.1rem;margin:32px 0 10px}
h3{font-size:.95rem;margin:0 0 6px}
p{margin:0 0 10px;max-width:75ch}
a{color:var(--accent)}
.sub,.note,figcaption{color:var(--muted)}
.note,figcaption{font-size:.85rem}
.warn{background:var(--warnback);color:var(--warn);border-left:3px solid currentColor;padding:8px 12px;border-radius:4px;
  margin:8px 0;max-width:none}
.tiles{display:grid;grid-template-columns:1fr 1fr;gap:12px;margin:18px 0}
.tile:nth-child(3):last-child{grid-column:1/-1}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:10px}
.tile{padding:12px 14px}
.tile .name{color:var(--muted);font-size:.85rem}
.tile .value{font-size:1.9rem;line-height:1.2;font-weight:650;font-variant-numeric:tabular-nums}
.tile .more{font-size:.82rem;color:var(--muted)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:14px;align-items:start}
.card figcaption{margin-top:8px}
.column{display:grid;gap:14px;min-width:0;align-content:start}
.card{padding:12px;margin:0;min-width:0}
.card svg{display:block;width:100%;height:auto;max-width:460px;margin:0 auto;overflow:visible}
.scroll{overflow-x:auto;background:linear-gradient(to right,var(--page) 30%,transparent) left/40px 100% no-repeat local,
  linear-gradient(to left,var(--page) 30%,transparent) right/40px 100% no-repeat local,
  linear-gradient(to right,var(--muted),transparent) left/10px 100% no-repeat scroll,
  linear-gradient(to left,var(--muted),transparent) right/10px 100% no-repeat scroll}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{padding:5px 12px 5px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
tr:last-child>*{border-bottom:0}
th{font-weight:600}td b{white-space:nowrap}
thead th{color:var(--muted);font-weight:500;white-space:nowrap}
.num{text-align:right;white-space:nowrap}
dd{overflow-wrap:anywhere}
@media (max-width:500px){table{font-size:.8rem}th,td{padding-right:8px}}
td.text{min-width:6em}
dl{display:grid;grid-template-columns:fit-content(45%) 1fr;gap:3px 14px;margin:0;font-size:.9rem}
dt{color:var(--muted)}dd{margin:0;min-width:0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.word{display:inline-block;max-width:100%}
code.note{font-size:.75rem!important}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.mistakes{display:grid;grid-template-columns:repeat(auto-fill,minmax(96px,1fr));gap:14px 12px}
.mistakes figure{margin:0;min-width:0}
.mistakes img{display:block;width:100%;aspect-ratio:1;object-fit:cover;border-radius:6px;background:var(--line)}
.mistakes figcaption{line-height:1.35;margin-top:4px;overflow-wrap:anywhere}
.mistakes b{color:var(--ink)}
summary{cursor:pointer;color:var(--accent);font-size:.9rem;margin-top:10px}
footer{margin-top:36px;color:var(--muted);font-size:.85rem}
@media (min-width:700px){
  .tiles{grid-template-columns:repeat(auto-fit,minmax(150px,1fr))}.tile:nth-child(3):last-child{grid-column:auto}
  .tile .value{font-size:2.3rem}.mistakes{grid-template-columns:repeat(auto-fill,minmax(124px,1fr))}
}
@media print{
  :root{color-scheme:light;${variables(LIGHT)}}
  body{background:none;font-size:11px}main{max-width:none;padding:0 1px}
  .cards{grid-template-columns:1fr 1fr}.cards>.column{display:contents}.card,.tile,figure,tr{break-inside:avoid}h2,h3,h2+.note{break-after:avoid}
  .tile .value{font-size:1.5rem}.scroll{overflow:visible;background:none}.card svg{width:auto;max-width:100%;max-height:20cm}.mistakes{grid-template-columns:repeat(6,1fr)}
}
`.trim();
