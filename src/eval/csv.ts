/** Comma-separated values, as RFC 4180 has them. */

/** What stands in a field; null is an empty one. */
export type CsvValue = string | number | null;

/** Rows as lines, each ended: a field is quoted where it holds a comma, a quote, a line break, or blanks at its ends. */
export function csvText(rows: readonly (readonly CsvValue[])[]): string {
  return rows.map((row) => `${row.map(field).join(",")}\r\n`).join("");
}

function field(value: CsvValue): string {
  const text = String(value ?? "");
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
