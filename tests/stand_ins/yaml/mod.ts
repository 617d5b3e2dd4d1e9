/**
 * Stands in for `jsr:@std/yaml` (through `links` in `deno.json`), so that the kit runs where JSR cannot be reached.
 *
 * The real package is a port of js-yaml 3, so reading is js-yaml 3's with the real package's schemas and words;
 * writing is done here, because js-yaml 3 changed its rules for quotes after the port was made. What it lacks:
 * `parseAll`, and `styles` of `stringify`.
 *
 * @module
 */
export { parse, type ParseOptions } from "./parse.ts";
export { stringify, type StringifyOptions } from "./stringify.ts";
export { type SchemaType } from "./schemas.ts";
export { type YamlPosition, YamlSyntaxError } from "./types.ts";
