import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { compareSettings } from "../../../recipes/cli/compare_settings.ts";
import { helpText } from "../../../recipes/cli/help.ts";
import { recipeSettings } from "../../../recipes/cli/recipe.ts";
import { sweepSettings } from "../../../recipes/cli/sweep_settings.ts";
import { KIT_METHODS } from "../../../src/methods/kit.ts";
import { flagName } from "../../../src/methods/setting.ts";

const helpOf = (name: string) => {
  const method = KIT_METHODS.find((one) => one.name === name)!;
  const { title, presets } = method;
  return helpText({ title, presets, settings: recipeSettings(method), examples: [`deno task ${name}`] });
};
/** The lines of a flag, joined. */
function entry(help: string, flag: string): string {
  const lines = help.split("\n");
  const at = lines.findIndex((line) => line.startsWith(`  --${flag} `));
  assert(at >= 0, flag);
  const end = lines.findIndex((line, i) => i > at && !line.startsWith("     "));
  return lines.slice(at, end).map((line) => line.trim()).join(" ");
}

Deno.test("help has the title, commands to copy, and every flag of the method with its default", () => {
  for (const method of KIT_METHODS) {
    const help = helpOf(method.name);
    assert(help.startsWith(`${method.title}\n\n  deno task ${method.name}\n\nWhat runs\n`), method.name);
    for (const [name, setting] of Object.entries(recipeSettings(method))) {
      if (!setting.fixed) entry(help, flagName(name));
      else assert(!help.includes(`--${flagName(name)} `), `${method.name} ${name}`);
    }
    for (const [name, { expected }] of Object.entries(method.presets)) {
      assert(help.includes(`\n  ${name}\n`), name);
      assert(help.replaceAll(/\s+/g, " ").includes(`expected: ${expected}`), name);
    }
  }
});

Deno.test("defaults are those of the default preset; switches that are off have none", () => {
  const coop = helpOf("coop");
  assert(entry(coop, "epochs").endsWith("[100]"), entry(coop, "epochs"));
  assert(entry(coop, "preset").endsWith("[seed-notebook]"));
  assert(entry(coop, "shots").endsWith("[16]"));
  assert(entry(coop, "model").endsWith("[the sample model]"));
  assert(entry(coop, "prompt-average").endsWith("[keep the last prompt]"));
  assert(!entry(coop, "class-specific").includes("["));
  assert(entry(coop, "init-words").endsWith('[""]'), entry(coop, "init-words"));
  assert(entry(helpOf("cocoop"), "init-words").endsWith("[a photo of a]"), entry(helpOf("cocoop"), "init-words"));
});

Deno.test("help fits a terminal of a hundred columns, but for commands", () => {
  for (const { name } of KIT_METHODS) {
    const long = helpOf(name).split("\n").filter((line) => line.length > 100 && line !== helpOf(name).split("\n")[0]);
    assertEquals(long, [], name);
  }
});

Deno.test("programs of many methods name no preset as the default", () => {
  for (const settings of [compareSettings(KIT_METHODS), sweepSettings()]) {
    const text = helpText({ title: "Many.", settings, examples: [] });
    assert(text.includes("--preset NAME") && !text.includes("undefined"), text);
  }
});
