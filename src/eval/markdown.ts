/** Text that Markdown takes for text, on one line; GitHub's takes what stands between dollars for a formula. */
export function markdownText(value: string): string {
  return value.replaceAll(/\s+/g, " ").replaceAll(/[\\`*_{}[\]<>|#~$]|&(?=#?\w+;)/g, (character) => `\\${character}`);
}
