import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { KIT_METHODS } from "../src/methods/kit.ts";
import { ROOT } from "./tasks.ts";

const HOME = new URL("../", import.meta.url).href;

/** More than a reader takes in at one sitting: a name that is added has to be worth one that goes. */
const MOST_NAMES = 134;
/** What fits on one screen. */
const MOST_LINES = 60;

interface Symbol {
  name: string;
  declarations: {
    declarationKind: string;
    kind: string;
    jsDoc?: { doc?: string; tags?: { kind: string; name?: string; doc?: string }[] };
    def: { params?: { name?: string; kind: string }[] };
  }[];
}

async function deno(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

let found: Promise<Symbol[]> | undefined;

/** What mod.ts exports. */
const symbols = () =>
  found ??= deno("doc", "--json", "mod.ts").then((text) => {
    const [[, { symbols }]] = Object.entries<{ symbols: Symbol[] }>(JSON.parse(text).nodes);
    return symbols.filter(({ declarations }) => declarations[0].declarationKind === "export");
  });

/** The recipes that run a method of the kit, with their text. */
async function methodRecipes(): Promise<Map<string, string>> {
  const recipes = new Map<string, string>();
  for await (const { name, isFile } of Deno.readDir(`${ROOT}recipes`)) {
    if (!isFile || !name.endsWith(".ts")) continue;
    const text = await Deno.readTextFile(`${ROOT}recipes/${name}`);
    if (text.includes("await runRecipe(import.meta,")) recipes.set(name, text);
  }
  return recipes;
}

Deno.test("every method has a recipe of at most one screen, which finds all that it needs in mod.ts and ./cli/", async () => {
  const exported = new Set((await symbols()).map(({ name }) => name));
  const recipes = await methodRecipes();
  assertEquals(recipes.size, KIT_METHODS.length);
  for (const [name, text] of recipes) {
    for (const [, names, from] of text.matchAll(/^import (?:type )?\{([^}]*)\} from "([^"]+)";$/gm)) {
      assert(from === "../mod.ts" || from.startsWith("./cli/"), `${name} imports ${from}`);
      if (from !== "../mod.ts") continue;
      for (const one of names.split(",").map((one) => one.trim().replace(/^type /, "")).filter((one) => one !== "")) {
        assert(exported.has(one), `${name}: ${one}`);
      }
    }
    assert(!/\bimport\(|^export .* from/m.test(text), `${name} loads modules in another way`);
    const lines = text.trimEnd().split("\n").length;
    assert(lines <= MOST_LINES, `${name} has ${lines} lines`);
  }
});

Deno.test(`mod.ts exports at most ${MOST_NAMES} names`, async () => {
  const names = new Set((await symbols()).map(({ name }) => name));
  assert(names.size <= MOST_NAMES, `There are ${names.size}`);
});

Deno.test("every function of mod.ts says what its parameters are and has an example that asserts something", async () => {
  const functions = (await symbols()).filter(({ declarations }) => declarations[0].kind === "function");
  assert(functions.length > 20, `There are ${functions.length} functions only`);
  const lacking = functions.flatMap(({ name, declarations: [{ jsDoc, def }] }) => {
    const tags = jsDoc?.tags ?? [];
    const example = tags.find(({ kind }) => kind === "example")?.doc ?? "";
    const described = tags.filter(({ kind }) => kind === "param").length;
    return [
      ...(jsDoc?.doc ? [] : [`${name}: no description`]),
      ...(example.includes("throw ") ? [] : [`${name}: no example that asserts something`]),
      ...(described === (def.params ?? []).length ? [] : [`${name}: not all parameters`]),
    ];
  });
  assertEquals(lacking, []);
});

/** The modules that importing mod.ts loads, and what they import. */
async function loaded(): Promise<{ files: string[]; packages: string[] }> {
  const { roots, modules } = JSON.parse(await deno("info", "--json", "mod.ts")) as {
    roots: string[];
    modules: {
      specifier: string;
      dependencies?: { specifier: string; code?: { specifier?: string }; isDynamic?: boolean }[];
    }[];
  };
  const files = new Set(roots);
  const packages = new Set<string>();
  for (const file of files) {
    for (const dependency of modules.find(({ specifier }) => specifier === file)?.dependencies ?? []) {
      const { specifier, code, isDynamic } = dependency;
      if (code === undefined || isDynamic) continue;
      if (/^(npm|jsr):/.test(specifier)) packages.add(specifier.replace(/@[\d.]+$/, ""));
      else if (code.specifier !== undefined) files.add(code.specifier);
    }
  }
  return { files: [...files], packages: [...packages].sort() };
}

Deno.test("importing mod.ts loads nothing native, no engine and nothing from JSR, the YAML reader among it", async () => {
  const { files, packages } = await loaded();
  assert(files.length > 80, `Found ${files.length} modules only`);
  // The stand-ins of tests/ are ours alone: who imports the kit from a URL has no deno.json that puts them in place.
  assertEquals(files.filter((file) => /^(tests|recipes)\//.test(file.slice(HOME.length))), []);
  assertEquals(packages, [
    "npm:character-entities",
    "npm:character-entities-legacy",
    "npm:fastest-levenshtein",
    "npm:jstat",
    "npm:ml-matrix",
  ]);
});

Deno.test("importing mod.ts needs no permission", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--no-prompt", "--cached-only", `${ROOT}mod.ts`],
    cwd: ROOT,
    stdin: "null",
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
});

Deno.test("every example in the documentation asserts something", async () => {
  const lacking: string[] = [];
  let examples = 0;
  for await (const path of sources(`${ROOT}src`)) {
    const text = await Deno.readTextFile(path);
    for (const [block] of text.matchAll(/^ *\* ```ts\n[^]*?^ *\* ```$/gm)) {
      examples++;
      if (!block.includes("throw ")) lacking.push(`${path}: ${block.split("\n")[1]}`);
    }
  }
  assert(examples > 30, `Found ${examples} examples only`);
  assertEquals(lacking, []);
});

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* sources(`${folder}/${name}`);
    else if (name.endsWith(".ts")) yield `${folder}/${name}`;
  }
}
