/** What `--help` shows can be typed: every form of every value, every example, and every flag that it names. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { compareSettings, methodsHelp, readCompareSettings } from "../../../recipes/cli/compare_settings.ts";
import { featureHelpFlags, readFeatureSettings } from "../../../recipes/cli/feature_settings.ts";
import { isSwitch, type Settings } from "../../../recipes/cli/flags.ts";
import { helpText } from "../../../recipes/cli/help.ts";
import { readSettings, recipeSettings } from "../../../recipes/cli/recipe.ts";
import { readSweepSettings, sweepHelp, sweepSettings } from "../../../recipes/cli/sweep_settings.ts";
import { KIT_METHODS } from "../../../src/methods/kit.ts";
import { drawsImages, type Method } from "../../../src/methods/method.ts";
import { flagName, type Setting } from "../../../src/methods/setting.ts";
import { variableSettings } from "../../../src/run/axes.ts";
import { completeSettings } from "../../../src/run/config.ts";

/** A program, by how it reads its words; `beside` are what a flag needs to stand with. */
interface Case {
  title: string;
  settings: Settings;
  read(args: string[]): Promise<unknown>;
  beside?(flag: string): string[];
}

/** Values for what stands for one; undefined for what has to be somewhere. */
const VALUES: Readonly<Record<string, string | undefined>> = {
  N: "1",
  X: "0.5",
  "MEAN,DEVIATION": "2,1",
  SHARE: "0.5",
  GIB: "2",
  STEPS: "3",
  "K/N": "3/16",
  TEXT: "a photo of a {}.",
  "SETTING=A,B": undefined,
  FILE: undefined,
  DIR: "data/eurosat",
  ZIP: "EuroSAT.zip",
  YAML: undefined,
  "NAME,./FILE.ts": "coop,gda",
  "./FILE.ts": undefined,
};

/** Names of a flag whose value is one. */
const NAMES: Readonly<Record<string, string | undefined>> = {
  model: "ViT-B/16",
  dataset: "eurosat",
  engine: "onnx",
  device: "cpu",
  method: "coop",
  preset: undefined,
};

/** Every form that the words of a setting show. */
function formsOf(flag: string, { placeholder = "", help, defaultWords = "" }: Setting<unknown>): string[] {
  const shown = placeholder.split("|").flatMap((form) => {
    if (form === "NAME") return NAMES[flag] ?? [];
    if (!/[A-Z]/.test(form)) return [form];
    assert(form in VALUES, `--${flag} shows ${form}, which this test does not know`);
    return VALUES[form] ?? [];
  });
  // `val: the validation images`, `DATASET:all`, `3/16`, `lr=0.0001..0.01`, and a default that is a value.
  const named = [...help.matchAll(/(?:^|; )([a-z]+): /g)].map(([, form]) => form);
  const elsewhere = /DATASET:(\w+)/.exec(help)?.[1];
  const parts = help.match(/\b\d+\/\d+\b/g) ?? [];
  const ranges = help.match(/\b[a-z]+=[\d.]+\b/g) ?? [];
  const values = /^[a-z]+(,[a-z]+)*$/.test(defaultWords) && placeholder.includes(defaultWords) ? [defaultWords] : [];
  const all = [...shown, ...named, ...elsewhere === undefined ? [] : [`caltech101:${elsewhere}`], ...parts, ...values];
  return [...new Set(flag === "vary" ? [...all, ...ranges] : all)];
}

const SWEPT = KIT_METHODS.filter((method) => drawsImages(method) && variableSettings(method).length > 0);

/** Settings of a method to vary, beside the one that is typed. */
const TO_VARY = ["lr=0.1,0.2", "epochs=1,2", "views=1,2", "templates=single,ensemble"];

function other(method: Method, flag?: string): string {
  return TO_VARY.find((axis) => {
    const [name] = axis.split("=");
    return name in method.settings && name !== flag;
  })!;
}

const CASES: Case[] = [
  ...KIT_METHODS.map((method): Case => ({
    title: method.name,
    settings: recipeSettings(method),
    async read(args) {
      const { given } = await readSettings(args, recipeSettings(method));
      completeSettings(method, given);
    },
  })),
  { title: "compare", settings: compareSettings(KIT_METHODS), read: (args) => readCompareSettings(args) },
  ...SWEPT.map((method): Case => ({
    title: `sweep of ${method.name}`,
    settings: sweepSettings({ method }),
    read: (args) => readSweepSettings(args),
    beside: (flag) => [
      ...flag === "method" ? [] : ["--method", method.name],
      ...flag === "vary" ? ["--random", "2"] : ["--vary", other(method, flag)],
      ...flag === "random-seed" ? ["--random", "2"] : [],
    ],
  })),
  {
    title: "features",
    settings: featureHelpFlags(compareSettings(KIT_METHODS)),
    read: (args) => readFeatureSettings(args),
    beside: (flag) => [
      ...["vary", "random", "random-seed"].includes(flag) ? ["--method", "coop"] : [],
      ...flag === "vary" || flag === "random-seed" ? ["--random", "2"] : [],
      ...["method", "random", "random-seed"].includes(flag) ? ["--vary", "lr=0.1,0.2"] : [],
    ],
  },
];

/** Programs of all methods. */
const CASES_OF_ALL = ["compare", "features"];

Deno.test("each form of a value that help shows is taken when it is typed", async () => {
  const refused: string[] = [];
  let typed = 0;
  for (const { title, settings, read, beside = () => [] } of CASES) {
    for (const [name, setting] of Object.entries(settings)) {
      if (setting.fixed || name === "help") continue;
      const flag = flagName(name);
      const forms = isSwitch(setting) ? [undefined] : formsOf(flag, setting);
      for (const form of forms) {
        const words = [`--${flag}`, ...form === undefined ? [] : [form], ...beside(flag)];
        typed++;
        await read(words).catch((error) => refused.push(`${title} ${words.join(" ")}: ${error.message}`));
      }
    }
  }
  assertEquals(refused, []);
  assert(typed > 900, `only ${typed} were typed`);
});

Deno.test("help names no flag that the program has not, but where it says whose", () => {
  const aboutOf = (title: string) =>
    title.startsWith("sweep") ? sweepHelp() : CASES_OF_ALL.includes(title) ? methodsHelp() : "";
  for (const { title, settings } of CASES) {
    const text = helpText({ title: aboutOf(title), settings, examples: [] });
    const flags = [...Object.keys(settings).filter((name) => !settings[name].fixed).map(flagName), "seed"];
    const strange = [...text.matchAll(/--([a-z][a-z-]*)/g)].map(([, flag]) => flag).filter((flag) =>
      !flags.includes(flag)
    );
    assertEquals(strange, [], title);
  }
});

Deno.test("a comparison's help offers neither validation images nor other data sets, which it refuses", () => {
  const ofRuns = KIT_METHODS.length;
  for (const { title, settings } of CASES.slice(ofRuns)) {
    const { placeholder, help } = settings.eval;
    assertEquals([placeholder, /val\b|DATASET/.test(help)], ["base,new,all", false], title);
  }
  const ofMethods = CASES.slice(0, ofRuns).filter(({ settings }) => /DATASET:all/.test(settings.eval.help));
  assertEquals(ofMethods.some(({ title }) => title === "coop"), true);
  assertEquals(ofMethods.some(({ title }) => title === "linear-probe"), false);
});
