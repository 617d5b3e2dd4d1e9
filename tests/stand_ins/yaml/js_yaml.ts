/** js-yaml 3, with types for what is used of it. */
import jsYaml from "npm:js-yaml@3.15.2";

/** How scalars, lists or tables of one tag are read. */
export interface TypeRules {
  kind: "scalar" | "sequence" | "mapping";
  resolve?(data: never): boolean;
  construct?(data: never): unknown;
}

/** Opaque: what the constructors below make. */
interface Type {
  readonly tag: string;
}

/** Opaque: what the constructors below make. */
export interface Schema {
  readonly implicit: readonly Type[];
}

/** The place of an error, counted from 0. */
interface Mark {
  line: number;
  column: number;
  position: number;
  buffer: string;
  getSnippet(): string | null;
}

/** The errors of js-yaml; warnings are such errors that are handed over and not thrown. */
export interface YamlException extends Error {
  reason: string;
  mark?: Mark;
}

interface LoadOptions {
  schema: Schema;
  json: boolean;
  maxTotalMergeKeys: number;
  onWarning(warning: YamlException): void;
  listener(event: "open" | "close", state: { position: number }): void;
}

/** js-yaml 3 has no types of its own. */
export const { Type, Schema, YAMLException, safeLoad } = jsYaml as {
  Type: new (tag: string, rules: TypeRules) => Type;
  Schema: new (parts: { include?: Schema[]; implicit?: Type[]; explicit?: Type[] }) => Schema;
  YAMLException: new () => YamlException;
  safeLoad(text: string, options: LoadOptions): unknown;
};
