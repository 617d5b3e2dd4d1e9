/** Text that Markdown takes for text, on one line. */
export function markdownText(value: string): string {
  return value.replaceAll(/\s+/g, " ").replaceAll(/[\\`*_{}[\]<>|#~]/g, (character) => `\\${character}`);
}
