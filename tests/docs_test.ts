/** What the README and docs/ say is there is there: tasks, flags, presets, engines, files. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { dirname, join } from "node:path";
import { flagName, SETTINGS } from "../recipes/cli/settings.ts";
import { ENGINE_NAMES, PRESETS } from "../mod.ts";
import { readTasks, ROOT } from "./tasks.ts";

const readme = Deno.readTextFileSync(`${ROOT}README.md`);
const pages = ["README.md", ...Array.from(Deno.readDirSync(`${ROOT}docs`), ({ name }) => `docs/${name}`)]
  .filter((path) => path.endsWith(".md"))
  .map((path) => ({ path, text: Deno.readTextFileSync(ROOT + path) }));

/** A part of the README under its heading. */
function section(heading: string): string {
  const found = readme.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  assert(found !== undefined, heading);
  return found;
}

/** What stands in backticks in the first column of a table. */
function firstColumn(text: string): string[] {
  const rows = text.split("\n").filter((line) => line.startsWith("|")).slice(2);
  return rows.flatMap((row) => [...row.split("|")[1].matchAll(/`([^`]+)`/g)].map(([, words]) => words));
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile || Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Flags of Deno itself. */
const OF_DENO = ["frozen"];

function* scripts(folder: string): Iterable<string> {
  for (const entry of Deno.readDirSync(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* scripts(path);
    else if (path.endsWith(".ts")) yield Deno.readTextFileSync(path);
  }
}

Deno.test("the README's table of tasks has every task, and no other", () => {
  assertEquals(firstColumn(section("Tasks")).sort(), readTasks().map(({ name }) => name).sort());
});

Deno.test("every task that a page names is one", () => {
  const names = readTasks().map(({ name }) => name);
  let seen = 0;
  for (const { path, text } of pages) {
    for (const [, name] of text.matchAll(/\bdeno(?:@[\d.]+)? task ([a-z][\w:+-]*)/g)) {
      assert(names.includes(name), `${path}: deno task ${name}`);
      seen++;
    }
  }
  assert(seen > 5);
});

Deno.test("every flag that a page names is read somewhere", () => {
  const fuzz = Deno.readTextFileSync(`${ROOT}tests/fuzz.ts`);
  const code = [...scripts(`${ROOT}recipes`), ...scripts(`${ROOT}bench`), fuzz].join("\n");
  const known = new Set([...Object.keys(SETTINGS).map(flagName), "seed", ...OF_DENO]);
  for (const { path, text } of pages) {
    for (const [flag, name] of text.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)) {
      assert(known.has(name) || code.includes(`"${name}"`) || code.includes(`${flag} `), `${path}: ${flag}`);
    }
  }
});

Deno.test("the README names every engine and every preset", () => {
  assertEquals(firstColumn(section("Engines")).sort(), ENGINE_NAMES.filter((name) => name !== "auto").sort());
  for (const preset of Object.keys(PRESETS)) assert(section("Flags").includes(`\`${preset}\``), preset);
});

Deno.test("every link within the repository leads somewhere", () => {
  let seen = 0;
  for (const { path, text } of pages) {
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)/g)) {
      assert(isThere(join(ROOT, dirname(path), target)), `${path}: ${target}`);
      seen++;
    }
  }
  assert(seen > 3);
});
