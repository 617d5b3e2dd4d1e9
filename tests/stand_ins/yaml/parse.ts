import { safeLoad, YAMLException, type YamlException } from "./js_yaml.ts";
import { realWords } from "./reasons.ts";
import { schemaOf, type SchemaType } from "./schemas.ts";
import { YamlSyntaxError } from "./types.ts";

/** How YAML is read. */
export interface ParseOptions {
  /** What plain words and tags stand for; `default` when not given. */
  schema?: SchemaType;
  /** Of a key given twice the last counts, instead of an error. */
  allowDuplicateKeys?: boolean;
  /** Called with what is odd and read all the same. */
  onWarning?(error: YamlSyntaxError): void;
}

/** Reads one YAML document; null when it is empty. Throws a {@linkcode YamlSyntaxError}. */
export function parse(content: string, options: ParseOptions = {}): unknown {
  const text = String(content);
  let open = 0;
  let firstEnd: number | undefined;
  const read = () =>
    safeLoad(text, {
      schema: schemaOf(options.schema ?? "default"),
      json: options.allowDuplicateKeys ?? false,
      maxTotalMergeKeys: -1,
      onWarning: (warning) => options.onWarning?.(asSyntaxError(warning)),
      listener(event, { position }) {
        open += event === "open" ? 1 : -1;
        if (open === 0) firstEnd ??= position;
      },
    });
  try {
    return read() ?? null;
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    throw error.mark ? asSyntaxError(error) : secondDocument(text.replace(/^\ufeff/, ""), firstEnd ?? 0);
  }
}

function asSyntaxError({ reason, mark }: YamlException): YamlSyntaxError {
  const { buffer, position } = mark!;
  // js-yaml looks for the character NUL before it counts lines.
  const before = buffer.slice(0, position).split(/\r\n|\r|\n/);
  const { line, column } = reason.startsWith("null byte")
    ? { line: before.length - 1, column: before.at(-1)!.length }
    : mark!;
  return new YamlSyntaxError(
    realWords(reason),
    { line: line + 1, column: column + 1, offset: position },
    mark!.getSnippet() ?? undefined,
  );
}

/** js-yaml does not tell where the second document begins: at the next `---`. */
function secondDocument(text: string, from: number): YamlSyntaxError {
  const before = text.slice(0, from).lastIndexOf("\n") + 1;
  const found = text.slice(before).search(/^---(?=\s|$)/m);
  const offset = found === -1 ? from : before + found;
  const lines = text.slice(0, offset).split("\n");
  const line = text.slice(offset).split(/\r?\n/)[0];
  return new YamlSyntaxError(
    "Found more than 1 document in the stream: expected a single document",
    { line: lines.length, column: lines.at(-1)!.length + 1, offset },
    `    ${line}\n    ^`,
  );
}
