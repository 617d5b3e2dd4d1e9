/** What the README and docs/ say is there is there: tasks, flags, methods, presets, engines, files. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { dirname, join } from "node:path";
import { settingsByFlag } from "../recipes/cli/flags.ts";
import { TERMINAL_SETTINGS } from "../recipes/cli/terminal.ts";
import { parseYaml } from "../recipes/cli/yaml.ts";
import { parseDescription } from "../src/data/description.ts";
import { ENGINE_NAMES } from "../src/engine/choose.ts";
import { KIT_METHODS } from "../src/methods/kit.ts";
import { RUN_SETTINGS, settingsOf } from "../src/run/settings.ts";
import { readTasks, ROOT, script } from "./tasks.ts";

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

/** Flags of Deno itself that pages name. */
const OF_DENO = [
  "frozen",
  "allow-all",
  "allow-import",
  "allow-net",
  "allow-read",
  "allow-write",
  "allow-ffi",
  "install",
];

/** The setting of the method that docs/methods.md shows. */
const OF_ANCHORED = ["pull"];

/** Names of the flags of all methods, and of every run. */
const OF_METHODS = [
  ...[RUN_SETTINGS, TERMINAL_SETTINGS, ...KIT_METHODS.map(settingsOf)]
    .flatMap((settings) => [...settingsByFlag(settings).keys()]),
  ...OF_ANCHORED,
];

const tasks = readTasks();
const taskNames = tasks.map(({ name }) => name);
const methodsPage = pages.find(({ path }) => path === "docs/methods.md")!.text;

/** The rows of the table of methods by name. */
const methodRows = new Map(
  methodsPage.split("\n\n").find((part) => part.startsWith("| method ") && part.includes("| paper"))!
    .split("\n").slice(2).map((row) => [/`([^`]+)`/.exec(row)![1], row]),
);

/** Every `deno task …` that a page shows, in a block or within a line, from the name of the task on. */
function* commands(): Iterable<{ path: string; words: string[] }> {
  for (const { path, text } of pages) {
    const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, lines]) => lines.split("\n"));
    const inline = [...text.replaceAll(/^```.*?^```$/gms, "").matchAll(/`([^`]+)`/g)].map(([, code]) => code);
    for (const line of [...blocks, ...inline]) {
      const [, command] = /^(?:npx )?deno(?:@[\d.]+)? task (?:-q )?(?:--config \S+ )?([^#|>&]+)/.exec(
        line.replaceAll(/\s+/g, " "),
      ) ?? [];
      if (command !== undefined) yield { path, words: command.trim().split(" ") };
    }
  }
}

const flagsOfScripts = new Map<string, Promise<readonly string[]>>();

/** The flags of a script: as its `--help` lists them. */
function flagsOf(path: string): Promise<readonly string[]> {
  const known = flagsOfScripts.get(path) ?? readHelp(path);
  flagsOfScripts.set(path, known);
  return known;
}

async function readHelp(path: string): Promise<readonly string[]> {
  // Its help is that of the method's file.
  if (path === "recipes/run.ts") return OF_METHODS;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", path, "--help"],
    cwd: ROOT,
    stdin: "null",
    stderr: "null",
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0, path);
  const listed = [...new TextDecoder().decode(stdout).matchAll(/--([a-z][a-z-]*)/g)].map(([, flag]) => flag);
  return ["recipes/compare.ts", "recipes/sweep.ts"].includes(path) ? [...listed, ...OF_ANCHORED] : listed;
}

/** Programs that pages start without a task. */
const NO_TASKS = ["bench/gpu/pack.ts", "bench/gpu/run.ts"];

Deno.test("the README's table of tasks and the table of methods have every task, and no other", () => {
  const named = new Set([...firstColumn(section("Tasks")), ...methodRows.keys()]);
  assertEquals([...named].sort(), taskNames.toSorted());
});

Deno.test("the table of methods has every method of the kit, with its presets, and no other", () => {
  assertEquals([...methodRows.keys()].sort(), KIT_METHODS.map(({ name }) => name).sort());
  for (const { name, presets } of KIT_METHODS) {
    for (const preset of Object.keys(presets)) {
      assert(methodRows.get(name)!.includes(`\`${preset}\``), `${name}: ${preset}`);
    }
  }
});

Deno.test("every task that a page names is one", () => {
  for (const { path, text } of pages) {
    for (
      const [, name] of text.matchAll(/\bdeno(?:@[\d.]+)?\s+task\s+(?:-q\s+)?(?:--config\s+\S+\s+)?([a-z][\w:+-]*)/g)
    ) {
      assert(taskNames.includes(name), `${path}: deno task ${name}`);
    }
  }
});

Deno.test("every command that a page shows has flags of its task", async () => {
  let seen = 0;
  for (const { path, words: [name, ...words] } of commands()) {
    const flags = words.filter((word) => word.startsWith("--")).map((word) => word.slice(2).replace(/=.*/, ""));
    const program = script(tasks.find((task) => task.name === name)!.command);
    if (flags.length === 0 || program === undefined) continue;
    const known = await flagsOf(program);
    for (const flag of flags) assert(known.includes(flag), `${path}: deno task ${name} --${flag}`);
    seen += flags.length;
  }
  assert(seen > 40, `${seen} flags`);
});

Deno.test("every flag that a page names by itself is one of some program", async () => {
  const programs = new Set(tasks.map(({ command }) => script(command)).filter((path) => path !== undefined));
  const ofMethods = new Set(KIT_METHODS.map(({ name }) => script(tasks.find((task) => task.name === name)!.command)));
  // What a method's recipe has is known without starting it.
  const others = [...programs].filter((path) => !ofMethods.has(path) && !path.startsWith("tests/"));
  const known = new Set([
    ...OF_METHODS,
    ...OF_DENO,
    ...(await Promise.all([...others, ...NO_TASKS].map(flagsOf))).flat(),
  ]);
  for (const { path, text } of pages) {
    for (const [flag, name] of text.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)) {
      assert(known.has(name), `${path}: ${flag}`);
    }
  }
});

Deno.test("the README names every engine", () => {
  assertEquals(firstColumn(section("Engines")).sort(), ENGINE_NAMES.filter((name) => name !== "auto").sort());
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

Deno.test("the description of a data set in docs/data.md is one", () => {
  const text = pages.find(({ path }) => path === "docs/data.md")!.text;
  const [, yaml] = /^```yaml\n(.*?)^```$/ms.exec(text)!;
  const { name, images, classNames } = parseDescription(parseYaml(yaml), "birds.yaml");
  assertEquals([name, images, classNames.drop], ["My birds", "photos", ["unsorted"]]);
});

Deno.test("every file of the repository that a page names in a line is there", () => {
  let seen = 0;
  for (const { path, text } of pages) {
    // Names of the method that a reader is to write.
    for (const [, file] of text.matchAll(/`((?:src|recipes|tests|bench)\/(?![^`]*anchored)[\w./-]*)`/g)) {
      assert(isThere(ROOT + file), `${path}: ${file}`);
      seen++;
    }
  }
  assert(seen > 5);
});
