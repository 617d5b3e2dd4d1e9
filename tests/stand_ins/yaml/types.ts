/** Where something went wrong: line and column count from 1, the offset in characters from 0. */
export interface YamlPosition {
  readonly line: number;
  readonly column: number;
  readonly offset: number;
}

/** Text that is not YAML; its message ends with the place and, below it, the line with a caret. */
export class YamlSyntaxError extends SyntaxError {
  override name = "YamlSyntaxError";
  readonly line: number;
  readonly column: number;
  readonly offset: number;
  readonly snippet?: string;

  constructor(message: string, { line, column, offset }: YamlPosition, snippet?: string) {
    super(`${message} at line ${line}, column ${column}${snippet ? `:\n${snippet}` : ""}`);
    this.line = line;
    this.column = column;
    this.offset = offset;
    if (snippet !== undefined) this.snippet = snippet;
  }
}
