import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../", import.meta.url);
const SPECIFIER = /["'`](npm|jsr):((?:@[\w.-]+\/)?[\w.-]+)(?:@([^"'`/]+))?[^"'`]*["'`]/g;

const page = Deno.readTextFileSync(new URL("docs/dependencies.md", ROOT));
const lock: { specifiers: Record<string, string>; npm: Record<string, { integrity?: string; scripts?: boolean }> } =
  JSON.parse(
    Deno.readTextFileSync(new URL("deno.lock", ROOT)),
  );

interface Import {
  registry: string;
  name: string;
  version?: string;
  file: string;
}

function* sources(folder: URL): Iterable<URL> {
  for (const entry of Deno.readDirSync(folder)) {
    if (entry.isDirectory && entry.name !== "node_modules") yield* sources(new URL(`${entry.name}/`, folder));
    else if (entry.name.endsWith(".ts")) yield new URL(entry.name, folder);
  }
}

function imports(): Import[] {
  const found: Import[] = [];
  for (const folder of ["src/", "recipes/", "bench/", "tests/"]) {
    for (const file of sources(new URL(folder, ROOT))) {
      for (const line of Deno.readTextFileSync(file).split("\n")) {
        if (!/\b(from|import)\b/.test(line)) continue;
        for (const [, registry, name, version] of line.matchAll(SPECIFIER)) {
          found.push({ registry, name, version, file: fileURLToPath(file).slice(fileURLToPath(ROOT).length) });
        }
      }
    }
  }
  return found;
}

/** `@a/b@1.2.3_c@4` → `@a/b`. */
function packageName(key: string): string {
  return key.slice(0, key.indexOf("@", 1));
}

Deno.test("every import of a package has an exact version", () => {
  const all = imports();
  assert(all.length > 20);
  for (const { name, version, file } of all) {
    assert(/^\d+\.\d+\.\d+$/.test(version ?? "") || version === "${TFJS_VERSION}", `${file}: ${name}@${version}`);
  }
});

Deno.test("only src/deps.ts imports packages within src, and none from JSR", () => {
  for (const { registry, name, file } of imports().filter(({ file }) => file.startsWith("src/"))) {
    assertEquals(file, "src/deps.ts", name);
    assertEquals(registry, "npm", name);
  }
});

Deno.test("the page lists every imported package with its version", () => {
  for (const { name, version } of imports()) {
    if (version === "${TFJS_VERSION}") continue;
    const row = new RegExp(`^\\| ${name} +\\| ${version} +\\|`, "m");
    assert(row.test(page), `docs/dependencies.md lacks the row | ${name} | ${version} |`);
  }
});

Deno.test("the page names every package of the lock file, and no other", () => {
  const locked = new Set(Object.keys(lock.npm).map(packageName));
  const words = new Set(page.match(/(?<![\w@/-])@?[a-z][\w.-]*(?:\/[\w.-]+)?(?![\w/])/g));
  for (const name of locked) assert(words.has(name), `docs/dependencies.md lacks ${name}`);
  const brought = page.slice(page.indexOf("## What those bring along"), page.indexOf("## What ships"));
  const rows = brought.split("\n").filter((line) => line.startsWith("| ")).slice(2);
  for (const row of rows) {
    for (const name of row.split("|")[2].replaceAll(/\([^)]*\)/g, "").split(/[,;]/)) {
      assert(locked.has(name.trim()), `docs/dependencies.md names ${name.trim()}, which deno.lock has not`);
    }
  }
});

Deno.test("the lock file has a hash for every package and names no registry", () => {
  for (const [name, { integrity }] of Object.entries(lock.npm)) assert(integrity?.startsWith("sha512-"), name);
  assert(!/https?:/.test(JSON.stringify(lock)));
});

Deno.test("the lock file holds what is imported, and no more", () => {
  const wanted = new Set(
    imports().filter(({ registry, version }) => registry === "npm" && version !== "${TFJS_VERSION}")
      .map(({ name, version }) => `npm:${name}@${version}`),
  );
  assertEquals(Object.keys(lock.specifiers).filter((key) => key.startsWith("npm:")).sort(), [...wanted].sort());
});

Deno.test("no install script is allowed to run, and each is refused by name, which keeps Deno from telling of it", () => {
  const { allowScripts } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  const withScripts = Object.entries(lock.npm).filter(([, { scripts }]) => scripts).map(([name]) => `npm:${name}`);
  assertEquals(allowScripts, { allow: [], deny: withScripts });
});

Deno.test("recipes read flags with @std/cli and YAML with @std/yaml, each in one place", () => {
  const ofRecipes = imports().filter(({ file }) => file.startsWith("recipes/"));
  const from = (registry: string) => ofRecipes.filter((one) => one.registry === registry);
  assertEquals(from("jsr").map(({ name, file }) => `${name} in ${file}`).sort(), [
    "@std/cli in recipes/cli/flags.ts",
    "@std/yaml in recipes/cli/yaml.ts",
  ]);
  for (const file of ["src/", "recipes/"].flatMap((folder) => [...sources(new URL(folder, ROOT))])) {
    const text = Deno.readTextFileSync(file);
    assert(!/parseArgs.* from "node:util"|npm:js-yaml/.test(text), file.pathname);
  }
});

Deno.test("what mod.ts reaches needs no package of JSR", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "mod.ts"],
    cwd: fileURLToPath(ROOT),
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: { specifier: string; dependencies?: { specifier: string }[] }[];
  };
  assert(modules.length > 100);
  const wanted = modules.flatMap(({ dependencies = [] }) => dependencies.map(({ specifier }) => specifier));
  assertEquals(wanted.filter((specifier) => specifier.startsWith("jsr:") || specifier.startsWith("@std/")), []);
});
