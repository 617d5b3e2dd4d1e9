/** What a run writes down of its settings, and what `--dry-run` prints, is a configuration that gives the same run. */
import { assertEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { settingsFromYaml } from "../../recipes/cli/config_file.ts";
import { recipeSettings } from "../../recipes/cli/recipe.ts";
import { UserError } from "../../src/errors.ts";
import { coop, gda, kgcoop, KIT_METHODS, linearProbe, zeroShot } from "../../src/methods/kit.ts";
import { learnsPrompts, type Method, withVariants } from "../../src/methods/method.ts";
import { decimal, text } from "../../src/methods/setting.ts";
import { completeSettings, type Given, type RunConfig } from "../../src/run/config.ts";
import { configYaml } from "../../src/run/config_yaml.ts";

/** The settings of a run that come back from what it wrote. */
function readBack({ asked }: RunConfig, yaml: string): RunConfig {
  const settings = recipeSettings(asked);
  return completeSettings(asked, settingsFromYaml(yaml, { where: "config.yaml", settings }) as Given);
}

function assertComesBack(config: RunConfig): void {
  // The methods themselves would fill the message.
  const plain = ({ method, asked, ...rest }: RunConfig) => ({ ...rest, method: method.name, asked: asked.name });
  assertEquals(plain(readBack(config, configYaml(config))), plain(config));
  for (const seed of config.seeds) {
    assertEquals(plain(readBack(config, configYaml(config, { seed }))), { ...plain(config), seeds: [seed] });
  }
}

/** Texts that YAML takes for something else, or cannot hold, without quotes. */
const TEXTS = [
  ..."true No NULL ~ 1e3 0x10 .inf 2026-01-02 y - -1 a: #x [a] {a} &a *a !a @a `a % | >".split(" "),
  ...[
    "",
    " ",
    " a",
    "a ",
    "a: b",
    "a #b",
    "a, b",
    "it's",
    '"a" {}',
    "a\\b",
    "日本 ü",
    "🐦",
  ],
];

Deno.test("every method's settings come back from config.yaml as they were, by default and changed", () => {
  for (const asked of KIT_METHODS) {
    for (const method of withVariants(asked)) {
      const variant = Object.entries(asked.variants ?? {}).flatMap(([name, byValue]) =>
        Object.keys(byValue).filter((value) =>
          byValue[value] === method
        ).map((value) => ({ [name]: value }))
      )[0] ?? {};
      assertComesBack(completeSettings(asked, variant));
      for (const preset of Object.keys(method.presets)) {
        assertComesBack(completeSettings(asked, { ...variant, preset, shots: 2 }));
      }
      const has = (name: string, value: unknown) => name in method.settings ? { [name]: value } : {};
      const config = completeSettings(asked, {
        ...variant,
        ...has("epochs", 7),
        ...has("lr", 1e-7),
        ...has("views", 0),
        ...has("templates", 'a "{}"|the {}: #1'),
        ...has("initWords", " no, 'no' "),
        ...has("promptAverage", "3,1.5"),
        ...has("wise", 0.25),
        ...has("lambda", 0),
        ...(method === coop as unknown ? { classSpecific: true, classTokenPosition: "front" } : {}),
        eval: learnsPrompts(method) ? ["new", "./other: data:all"] : ["all", "dtd:new"],
        ...(method.name === "zeroshot" ? {} : { train: "all", shots: 3, seeds: [4, 0] }),
        ...{ model: "models/0 1.pt", data: "a b/#1", dataset: "on", split: "- s.json", out: "日本/é" },
        ...{ engine: "cpu", device: "1", threads: 2 },
        ...(learnsPrompts(method) ? { checkpointEvery: 5, exactCheck: true } : {}),
      });
      assertComesBack(config);
    }
  }
});

Deno.test("texts of any kind come back as texts", () => {
  for (const value of TEXTS) {
    const config = completeSettings(coop, { initWords: value, ...value === "" ? {} : { data: value, model: value } });
    assertComesBack(config);
  }
  for (const value of ["a\nb", "\u0000", "a\u2028", "\ufeff"]) {
    assertThrows(() => completeSettings(coop, { data: value }), UserError, "data has a line break or another control");
  }
});

Deno.test("settings of a user's own method come back too", () => {
  const settings = { ...coop.settings, pull: decimal({ help: "" }), anchor: text({ help: "", default: "null" }) };
  const mine = { ...coop, name: "mine", settings } as unknown as Method;
  assertComesBack(completeSettings(mine, {}));
  assertComesBack(completeSettings(mine, { pull: 1e-9, anchor: "a: b" }));
});

Deno.test("the file is flat, says how it is used, and leaves out what is no setting of the method or was not given", () => {
  assertEquals(
    configYaml(completeSettings(linearProbe, { seeds: [1, 2], data: "data/eurosat" }), { seed: 2 }),
    `# deno task linear-probe --config this-file
train: base
eval: [base, new]
shots: 16
seeds: [2]
data: data/eurosat
engine: auto
out: runs
tune-on: few-shot
`,
  );
  assertEquals(
    configYaml(completeSettings(zeroShot, { eval: ["all"], templates: "a {}." }), { seed: null, header: "Ours." }),
    `# Ours.
eval: [all]
engine: auto
out: runs
templates: "a {}."
`,
  );
  // The task is that of the method that was asked for, and says the rest.
  const over = configYaml(completeSettings(kgcoop, { over: "cocoop" }), { seed: 1 });
  assertStringIncludes(over, "# deno task kgcoop --config");
  assertStringIncludes(over, "\nover: cocoop\n");
  assertEquals(over.includes("class-specific"), false);
  assertStringIncludes(configYaml(completeSettings(gda, { tuneOn: "full" }), { seed: 1 }), "\ntune-on: full\n");
});
