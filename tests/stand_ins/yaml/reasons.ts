/** The sentences of the real package for what js-yaml 3 finds wrong, where the two differ. */
const SENTENCES: Readonly<Record<string, string>> = {
  "duplication of %YAML directive": "Cannot handle YAML directive: duplication of %YAML directive",
  "YAML directive accepts exactly one argument":
    "Cannot handle YAML directive: YAML directive accepts exactly one argument",
  "ill-formed argument of the YAML directive": "Cannot handle YAML directive: ill-formed argument",
  "unacceptable YAML version of the document": "Cannot handle YAML directive: unacceptable YAML version",
  "unsupported YAML version of the document": "Cannot handle YAML directive: unsupported YAML version",
  "ill-formed tag prefix (second argument) of the TAG directive":
    "Cannot handle tag directive: ill-formed tag prefix (second argument) of the TAG directive",
  "the stream contains non-printable characters": "Stream contains non-printable characters",
  "cannot merge mappings; the provided source object is unacceptable":
    "Cannot merge mappings: the provided source object is unacceptable",
  "nested arrays are not supported inside keys":
    "Cannot store mapping pair: nested arrays are not supported inside keys",
  "duplicated mapping key": "Cannot store mapping pair: duplicated key",
  "a line break is expected": "Cannot read line: line break not found",
  "expected hexadecimal character": "Cannot read double quoted scalar: expected hexadecimal character",
  "unknown escape sequence": "Cannot read double quoted scalar: unknown escape sequence",
  "missed comma between flow collection entries":
    "Cannot read flow collection: missing comma between flow collection entries",
  "unexpected end of the stream within a flow collection":
    "Cannot read flow collection: unexpected end of the stream within a flow collection",
  "repeat of a chomping mode identifier": "Cannot read block: chomping mode identifier repeated",
  "bad explicit indentation width of a block scalar; it cannot be less than one":
    "Cannot read block: indentation width must be greater than 0",
  "repeat of an indentation width identifier": "Cannot read block: indentation width identifier repeated",
  "bad indentation of a sequence entry": "Cannot read block sequence: bad indentation of a sequence entry",
  "incomplete explicit mapping pair; a key node is missed; or followed by a non-tabulated empty line":
    "Cannot read block as explicit mapping pair is incomplete: " +
    "a key node is missed or followed by a non-tabulated empty line",
  "a whitespace character is expected after the key-value separator within a block mapping":
    "Cannot read block: a whitespace character is expected after the key-value separator within a block mapping",
  "can not read an implicit mapping pair; a colon is missed": "Cannot read an implicit mapping pair: missing colon",
  "can not read a block mapping entry; a multiline key may not be an implicit key":
    "Cannot read a block mapping entry: a multiline key may not be an implicit key",
  "bad indentation of a mapping entry": "Cannot read block: bad indentation of a mapping entry",
  "duplication of a tag property": "Cannot read tag property: duplication of a tag property",
  "unexpected end of the stream within a verbatim tag": "Cannot read tag property: unexpected end of stream",
  "named tag handle cannot contain such characters":
    "Cannot read tag property: named tag handle contains invalid characters",
  "tag suffix cannot contain exclamation marks":
    "Cannot read tag property: tag suffix cannot contain an exclamation mark",
  "tag suffix cannot contain flow indicator characters":
    "Cannot read tag property: tag suffix cannot contain flow indicator characters",
  "duplication of an anchor property": "Cannot read anchor property: duplicate anchor property",
  "name of an anchor node must contain at least one character":
    "Cannot read anchor property: name of an anchor node must contain at least one character",
  "name of an alias node must contain at least one character":
    "Cannot read alias: alias name must contain at least one character",
  "alias node should not have any properties": "Cannot compose node: alias node should not have any properties",
  "directive name must not be less than one character in length":
    "Cannot read document: directive name length must be greater than zero",
  "directives end mark is expected": "Cannot read document: directives end mark is expected",
  "end of the stream or a document separator is expected":
    "Cannot read document: end of the stream or a document separator is expected",
  "null byte is not allowed in input": "Cannot read document: end of the stream or a document separator is expected",
};

/** The same for sentences that quote something. */
const PATTERNS: readonly [RegExp, string][] = [
  [
    /^ill-formed tag handle \(first argument\) of the TAG directive$/,
    "Cannot handle tag directive: ill-formed handle (first argument)",
  ],
  [
    /^TAG directive accepts exactly two arguments$/,
    "Cannot handle tag directive: directive accepts exactly two arguments",
  ],
  [/^there is a (previously declared suffix for .*)$/s, "Cannot handle tag directive: $1"],
  [/^tag name cannot contain such characters: (.*)$/s, 'Cannot read tag property: invalid characters in tag name "$1"'],
  [/^(undeclared tag handle .*)$/s, "Cannot read tag property: $1"],
  [/^(unidentified alias .*)$/s, "Cannot read alias: $1"],
  [/^unknown tag (.*)$/s, "Cannot resolve unknown tag $1"],
  [/^cannot resolve (.*)$/s, "Cannot resolve $1"],
  [/^unacceptable (node kind for .* tag); (.*)$/s, "Unacceptable $1: $2"],
];

/** Says a reason of js-yaml's in the words of the real package. */
export function realWords(reason: string): string {
  if (Object.hasOwn(SENTENCES, reason)) return SENTENCES[reason];
  for (const [pattern, sentence] of PATTERNS) if (pattern.test(reason)) return reason.replace(pattern, sentence);
  return reason[0].toUpperCase() + reason.slice(1);
}
