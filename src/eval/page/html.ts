/** HTML from templates in which everything is text unless a template made it: class names come from users. */

/** Text that is HTML already. */
export interface Markup {
  readonly markup: string;
}

/** What a template takes. */
export type Content = Markup | string | number | null | undefined | false | readonly Content[];

/** Fills a template; strings are escaped, {@linkcode Markup} is not. */
export function html(strings: TemplateStringsArray, ...values: Content[]): Markup {
  return {
    markup: strings.reduce((text, string, i) => text + string + (i < values.length ? render(values[i]) : ""), ""),
  };
}

/** Takes a string for HTML as it stands: charts, styles. */
export function raw(markup: string): Markup {
  return { markup };
}

/** The characters that mean something in HTML and XML, as references. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

function render(value: Content): string {
  if (value === null || value === undefined || value === false) return "";
  if (typeof value === "string" || typeof value === "number") return escapeHtml(String(value));
  if ("markup" in value) return value.markup;
  return value.map(render).join("");
}
