import { assert, assertEquals, assertRejects, assertThrows } from "jsr:@std/assert@1.0.19";
import { readConfigFile, settingsFromYaml } from "../../../recipes/cli/config_file.ts";
import { readSettings, recipeSettings } from "../../../recipes/cli/recipe.ts";
import { UserError } from "../../../src/errors.ts";
import { KIT_METHODS } from "../../../src/methods/kit.ts";
import { completeSettings } from "../../../src/run/config.ts";
import { configYaml } from "../../../src/run/config_yaml.ts";

const COOP = KIT_METHODS.find(({ name }) => name === "coop")!;
const SETTINGS = recipeSettings(COOP);
const yaml = (text: string) => settingsFromYaml(text, { where: "my.yaml", settings: SETTINGS });

async function withFile<T>(content: string | Uint8Array, body: (path: string) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    return await body(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("keys are flags without their dashes; numbers, lists and switches are what they say", () => {
  const text = "epochs: 7\nlr: 2e-3\nseeds: [1, 2]\nclass-specific: true\neval: new\ninit-words: ''\nfresh: false\n";
  assertEquals(yaml(text), {
    epochs: 7,
    lr: 0.002,
    seeds: [1, 2],
    classSpecific: true,
    eval: ["new"],
    initWords: "",
    fresh: false,
  });
  assertEquals(yaml("eval:\n  - base\n  - new\n").eval, ["base", "new"]);
  assertEquals(yaml("seed: 3").seeds, [3]);
  assertEquals(yaml("# nothing yet\n"), {});
});

Deno.test("pairs are a mapping, or text as on the command line", () => {
  const vary = { help: "what is varied", section: "What runs", pairs: true, parse: (value: string) => value } as const;
  const read = (text: string) => settingsFromYaml(text, { where: "my.yaml", settings: { vary } });
  assertEquals(read("vary:\n  lr: [1e-3, 0.2]\n  epochs: 1..9\n  init-words: ['']\n"), {
    vary: "lr=0.001,0.2,epochs=1..9,init-words=",
  });
  assertEquals(read("vary: [lr=1, epochs=2]"), { vary: "lr=1,epochs=2" });
  assertThrows(() => read("vary: {init-words: ['a, b']}"), UserError, '"vary" has the value "a, b"');
});

Deno.test("YAML goes over the preset, flags over YAML", async () => {
  await withFile("epochs: 7\nlr: 2e-3\nquiet: true\nfresh: true\n", async (path) => {
    const { given, values } = await readSettings(["--config", path, "--epochs", "9", "--fresh=false"], SETTINGS);
    assertEquals(given, { epochs: 9, lr: 0.002, fresh: false });
    assertEquals(values, { config: path, quiet: true });
    const { epochs, lr, batchSize } = completeSettings(COOP, given).values;
    assertEquals({ epochs, lr, batchSize }, { epochs: 9, lr: 0.002, batchSize: 4 });
  });
});

for (
  const [text, says] of [
    ["batch_size: 3", 'The configuration my.yaml has an unknown key "batch_size". Did you mean "batch-size"?'],
    ["shtos: 3", 'unknown key "shtos". Did you mean "shots"?'],
    ["zzz: 3", 'unknown key "zzz".'],
    ["config: other.yaml", 'unknown key "config"'],
    ["help: true", 'unknown key "help"'],
    ["epochs: many", '"epochs" in my.yaml is "many"'],
    ["epochs: {a: 1}", '"epochs" is not a value'],
    ["epochs:", '"epochs" is not a value'],
    ["quiet: maybe", '"quiet" in my.yaml is "maybe", and must be true or false'],
    ["- 1", "my.yaml is not a list of settings"],
    ["hello", "my.yaml is not a list of settings"],
    ["a: [", "The configuration my.yaml is not YAML (cannot read flow collection: unexpected end of the stream"],
    ["epochs: 1\nepochs: 2", "my.yaml is not YAML (cannot store mapping pair: duplicated key at line 2"],
  ]
) {
  Deno.test(`a configuration is refused with a sentence: ${JSON.stringify(text)}`, () => {
    const { message } = assertThrows(() => yaml(text), UserError);
    assert(message.includes(says), message);
  });
}

Deno.test("a configuration that is missing or no text is refused by its name", async () => {
  await assertRejects(() => readConfigFile("none.yaml", SETTINGS), UserError, "none.yaml");
  await withFile(Uint8Array.of(0x6e, 0x3a, 0x20, 0xe9), (path) =>
    assertRejects(
      () => readConfigFile(path, SETTINGS),
      UserError,
      `The configuration ${path} is not written in UTF-8 (a Windows code page, perhaps): save it as UTF-8.`,
    ));
  await withFile("\ufeffepochs: 3\r\n", async (path) => {
    assertEquals(await readConfigFile(path, SETTINGS), { epochs: 3 });
  });
});

Deno.test("the config.yaml of a run gives the same run again, for every method of the kit", () => {
  for (const method of KIT_METHODS) {
    const settings = recipeSettings(method);
    const changes = { shots: 4, seeds: [1, 2], epochs: 3, contextTokens: 8, lambda: 2, templates: "a map of {}.|{}" };
    const given = Object.fromEntries(
      Object.entries(changes).filter(([name]) => name in settings && settings[name].fixed !== true),
    );
    const { run: _, ...config } = completeSettings(method, given);
    const seed = config.seeds.at(-1)!;
    const text = configYaml(completeSettings(method, given), { seed });
    const { run: __, ...again } = completeSettings(method, settingsFromYaml(text, { where: "config.yaml", settings }));
    assertEquals(again, { ...config, seeds: [seed] }, method.name);
  }
});
