import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { ROOT } from "./tasks.ts";

/** Modules and names that recipes use of `src/` and a library's user does not need: each with the reason. */
const OWN_AFFAIRS: Readonly<Record<string, string>> = {
  "deps.ts": "packages of others",
  "data/paths.ts": "which files of a folder are images",
  "did_you_mean.ts": "wording of messages for people at a terminal",
  wrap: "where lines break on a terminal",
  "engine/tensorflow.ts": "what gpu:install built into this checkout",
  requireClassNames: "wording of what does not fit a published prompt",
  requireModel: "wording of what does not fit a published prompt",
  "files.ts": "wording of what the file system refused; what writes and hashes files is exported",
  "parity/fixtures.ts": "holds the kit to numbers of the published code",
  "parity/row.ts": "holds the kit to numbers of the published code",
  "parity/run.ts": "holds the kit to numbers of the published code",
};

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

const symbols = async (): Promise<Symbol[]> => {
  const { nodes } = JSON.parse(await deno("doc", "--json", "mod.ts"));
  const [[, { symbols }]] = Object.entries<{ symbols: Symbol[] }>(nodes);
  return symbols.filter(({ declarations }) => declarations[0].declarationKind === "export");
};

/** Names that the recipes import from `src/`, with the module of each. */
async function usedByRecipes(): Promise<Map<string, string>> {
  const used = new Map<string, string>();
  for (const folder of ["recipes", "recipes/cli"]) {
    for await (const { name, isFile } of Deno.readDir(ROOT + folder)) {
      if (!isFile || !name.endsWith(".ts")) continue;
      const text = await Deno.readTextFile(`${ROOT}${folder}/${name}`);
      for (
        const [, names, module] of text.matchAll(/import\s+(?:type\s+)?\{([^}]*)\}\s+from\s+"[./]*\/src\/([^"]+)"/g)
      ) {
        for (const one of names.split(",")) {
          const [original] = one.trim().replace(/^type /, "").split(" as ");
          if (original !== "") used.set(original, module);
        }
      }
    }
  }
  return used;
}

Deno.test("mod.ts exports what the recipes use", async () => {
  const exported = new Set((await symbols()).map(({ name }) => name));
  const used = await usedByRecipes();
  assert(used.has("openPrompt"), "The recipes' imports were not found");
  const missing = [...used].filter(([name, module]) =>
    !exported.has(name) && !(module in OWN_AFFAIRS) && !(name in OWN_AFFAIRS)
  );
  assertEquals(missing, []);
});

Deno.test("every function of mod.ts says what its parameters are and has an example that asserts something", async () => {
  const functions = (await symbols()).filter(({ declarations }) => declarations[0].kind === "function");
  assert(functions.length > 40, `There are ${functions.length} functions only`);
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

Deno.test("importing mod.ts loads nothing native and no engine", async () => {
  const { modules } = JSON.parse(await deno("info", "--json", "mod.ts")) as {
    modules: { specifier: string; dependencies?: { specifier: string; code?: unknown; isDynamic?: boolean }[] }[];
  };
  const packages = new Set(
    modules.flatMap(({ dependencies }) => dependencies ?? [])
      .filter(({ specifier, code, isDynamic }) => /^(npm|jsr):/.test(specifier) && code !== undefined && !isDynamic)
      .map(({ specifier }) => specifier.replace(/@[\d.]+$/, "")),
  );
  assertEquals([...packages].sort(), [
    "npm:character-entities",
    "npm:character-entities-legacy",
    "npm:fastest-levenshtein",
    "npm:ml-matrix",
  ]);
});
