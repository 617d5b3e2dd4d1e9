import { PRESETS } from "../../src/train/presets.ts";
import type { RecipeInfo } from "./recipe.ts";
import { flagName, type Section, type Setting, type SettingName, SETTINGS } from "./settings.ts";

const LINE = 100;

/**
 * The text of `--help`: what the recipe does, an example, every flag with its default, the presets.
 *
 * @param recipe the recipe that is asked
 */
export function helpText(recipe: RecipeInfo): string {
  const lines = [recipe.title, "", ...recipe.examples.map((example) => `  ${example}`)];
  const width = Math.max(...recipe.settings.map((name) => usage(name).length));
  let section: Section | undefined;
  for (const name of recipe.settings) {
    if (SETTINGS[name].section !== section) {
      section = SETTINGS[name].section;
      lines.push("", section);
    }
    const indent = " ".repeat(width + 4);
    const words = `${recipe.words?.[name] ?? SETTINGS[name].help}${defaultOf(name, recipe)}`;
    lines.push(`  ${usage(name).padEnd(width)}  ${wrap(words, LINE - width - 4).join(`\n${indent}`)}`);
  }
  const presets = Object.entries(PRESETS).filter(([, preset]) => recipe.method in preset.methods);
  if (recipe.settings.includes("preset") && presets.length > 0) {
    lines.push("", "Presets");
    for (const [name, preset] of presets) {
      const facts = [preset.title, `source: ${preset.source}`, `expected: ${preset.expected}`, `time: ${preset.time}`];
      lines.push(`  ${name}`, ...facts.flatMap((fact) => wrap(fact, LINE - 4)).map((line) => `    ${line}`));
    }
  }
  return lines.join("\n");
}

function usage(name: SettingName): string {
  const setting: Setting<unknown> = SETTINGS[name];
  return `--${flagName(name)}${setting.placeholder ? ` ${setting.placeholder}` : ""}`;
}

function defaultOf(name: SettingName, { method, defaults }: RecipeInfo): string {
  const setting: Setting<unknown> = SETTINGS[name];
  if (setting.fallback !== undefined) return ` [${setting.fallback}]`;
  const preset = Object.values(PRESETS).find((candidate) => method in candidate.methods);
  const values: Record<string, unknown> = { ...(defaults ?? preset?.methods[method])?.(16) };
  return name in values ? ` [${values[name] === "" ? '""' : values[name]}]` : "";
}

function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.length - 1;
    if (lines[last] !== "" && lines[last].length + 1 + word.length > width) lines.push(word);
    else lines[last] += (lines[last] === "" ? "" : " ") + word;
  }
  return lines;
}
