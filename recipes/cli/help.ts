/** The text of `--help`. */
import { wrap } from "../../src/text_table.ts";
import type { Preset } from "../../src/methods/method.ts";
import { defaultOf, flagName, type Setting } from "../../src/methods/setting.ts";
import { DEFAULT_SHOTS } from "../../src/run/settings.ts";
import { isSwitch, type Settings } from "./flags.ts";

const LINE = 100;
const SECTIONS = ["What runs", "On what", "Training", "Prompt", "Computing", "Output"] as const;

/** What a recipe says of itself. */
export interface HelpInfo {
  /** One or two sentences. */
  title: string;
  /** The settings that it has. */
  settings: Settings;
  /** Commands that work as they stand. */
  examples: readonly string[];
  /** Published configurations by name, the default first. */
  presets?: Readonly<Record<string, Preset>>;
}

/** What the recipe does, an example, every flag with its default, the presets. */
export function helpText({ title, settings, examples, presets = {} }: HelpInfo): string {
  const lines = [title, "", ...examples.map((example) => `  ${example}`)];
  const shown = Object.entries(settings).filter(([, { fixed }]) => !fixed);
  const width = Math.max(0, ...shown.map(([name, setting]) => usage(name, setting).length));
  const indent = " ".repeat(width + 4);
  for (const section of SECTIONS) {
    const own = shown.filter(([, setting]) => setting.section === section);
    if (own.length > 0) lines.push("", section);
    for (const [name, setting] of own) {
      const words = `${setting.help}${defaultWords(name, setting, presets)}`;
      lines.push(`  ${usage(name, setting).padEnd(width)}  ${wrap(words, LINE - width - 4).join(`\n${indent}`)}`);
    }
  }
  if (Object.keys(presets).length > 0) lines.push("", "Presets");
  for (const [name, preset] of Object.entries(presets)) {
    const facts = [preset.title, `source: ${preset.source}`, `expected: ${preset.expected}`, `time: ${preset.time}`];
    lines.push(`  ${name}`, ...facts.flatMap((fact) => wrap(fact, LINE - 4)).map((line) => `    ${line}`));
  }
  return lines.join("\n");
}

function usage(name: string, setting: Setting<unknown>): string {
  return `--${flagName(name)}${isSwitch(setting) ? "" : ` ${setting.placeholder}`}`;
}

function defaultWords(name: string, setting: Setting<unknown>, presets: HelpInfo["presets"] = {}): string {
  if (setting.defaultWords !== undefined) return ` [${setting.defaultWords}]`;
  const [first] = Object.keys(presets);
  if (name === "preset" && first !== undefined) return ` [${first}]`;
  const value = presets[first]?.values(DEFAULT_SHOTS)[name] ?? defaultOf(setting, DEFAULT_SHOTS);
  if (value === undefined || (isSwitch(setting) && value === false)) return "";
  return ` [${value === "" ? '""' : value}]`;
}
