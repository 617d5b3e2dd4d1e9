/** Text in columns and lines, for terminals. */

/** Rows as aligned columns, to the left unless `right` says otherwise of a column. */
export function table(
  rows: readonly (readonly string[])[],
  { right = () => false }: { right?(column: number): boolean } = {},
): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, i) => right(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])).join("  ").trimEnd()
  );
}

/** Breaks a line at spaces. */
export function wrap(text: string, columns: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.length - 1;
    if (lines[last] !== "" && lines[last].length + 1 + word.length > columns) lines.push(word);
    else lines[last] += (lines[last] === "" ? "" : " ") + word;
  }
  return lines;
}
