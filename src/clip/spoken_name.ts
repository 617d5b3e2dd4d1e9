/** A class name as prompts and templates spell it: underscores are spaces, as in the published code. */
export function spokenName(className: string): string {
  return className.replaceAll("_", " ");
}
