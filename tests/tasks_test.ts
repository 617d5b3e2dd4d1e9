import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { KIT_METHODS } from "../src/methods/kit.ts";
import { type Allowed, allowed, denied, DEVELOPMENT, LISTS, readTasks, resolveTask, ROOT, script } from "./tasks.ts";
import { typed } from "./typed.ts";

const NETWORK = ["download", "gpu:install"];
/** Those that show pages to the browser of the same machine. */
const LOOPBACK = ["serve", "watch"];
const tasks = readTasks();
const forUsers = tasks.filter(({ name }) => !DEVELOPMENT.includes(name));

Deno.test("the two commands of the README are tasks, and so are their siblings", () => {
  const names = tasks.map(({ name }) => name);
  for (const name of ["cocoop:base", "cocoop:new", "coop:base", "coop:new", "zeroshot", "compare", "test", "ok"]) {
    assert(names.includes(name), name);
  }
});

Deno.test("every task has a description of one line", () => {
  for (const { name, description } of tasks) {
    assert(description !== undefined && /^[A-Z]/.test(description), name);
    assert(description.length <= 90, `${name}: ${description.length} characters`);
  }
});

Deno.test("every task starts a script that is there", () => {
  for (const task of tasks.filter(({ name }) => name !== "ok" && !LISTS.includes(name))) {
    const path = script(resolveTask(task, tasks).command);
    assert(path !== undefined, task.name);
    assert(Deno.statSync(`${ROOT}${path}`).isFile, task.name);
  }
});

// Parity reads a folder of fixtures that is named on its command line; it can neither write nor reach the network.
Deno.test("only development tasks are allowed everything, of any kind", () => {
  for (const task of forUsers) {
    for (const [kind, values] of allowed(resolveTask(task, tasks).command)) {
      assert(kind !== "all", task.name);
      const isWide = (kind === "net" && NETWORK.includes(task.name)) || (kind === "read" && task.name === "parity");
      assert(values.length > 0 || isWide, `${task.name}: --allow-${kind}`);
    }
  }
});

Deno.test("only downloads may use the network; what serves pages has this machine's own address and no other", () => {
  for (const task of forUsers) {
    const network = allowed(resolveTask(task, tasks).command).get("net");
    if (LOOPBACK.includes(task.name)) assertEquals(network, ["127.0.0.1"], task.name);
    else assertEquals(network !== undefined, NETWORK.includes(task.name), task.name);
  }
});

Deno.test("tasks read data, runs and packages, and write data, runs and caches; nothing of the code", () => {
  const readable = ["data", "runs", ".cache", "node_modules", "/usr/bin/ldd"];
  const writable = ["runs", ".cache", "data", "data/sample"];
  for (const task of forUsers) {
    const flags = allowed(resolveTask(task, tasks).command);
    for (const path of flags.get("read") ?? []) assert(readable.includes(path), `${task.name} reads ${path}`);
    if (task.name === "gpu:install") continue;
    if (task.name === "page:install") {
      assertEquals(flags.get("write"), [".cache/page", "node_modules/.page"]);
      continue;
    }
    for (const path of flags.get("write") ?? []) assert(writable.includes(path), `${task.name} writes ${path}`);
  }
});

Deno.test("native code comes from the packages alone", () => {
  for (const task of forUsers) {
    assertEquals(allowed(resolveTask(task, tasks).command).get("ffi") ?? ["node_modules"], ["node_modules"], task.name);
  }
});

const { permissions } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`)) as {
  permissions: Record<string, Record<string, string[] | { allow: string[]; deny: string[] }>>;
};
const byName = (name: string) => resolveTask(tasks.find((task) => task.name === name)!, tasks);
const sorted = (flags: Allowed) => Object.fromEntries([...flags].map(([kind, values]) => [kind, values.toSorted()]));

Deno.test("what recipes may do is the same with deno task and with deno run -P", () => {
  const [allow, deny]: Allowed[] = [new Map(), new Map()];
  for (const [kind, values] of Object.entries(permissions.default)) {
    allow.set(kind, Array.isArray(values) ? values : values.allow);
    if (!Array.isArray(values)) deny.set(kind, values.deny);
  }
  const { command } = byName("recipe");
  assertEquals(sorted(allow), sorted(allowed(command)));
  assertEquals(sorted(deny), sorted(denied(command)));
  assertEquals(Object.keys(permissions), ["default"]);
});

Deno.test("the list of permissions stands once: tasks that compute hand on to it and add only what it has not", () => {
  const listed = allowed(byName("recipe").command);
  for (const { name, command } of tasks.filter(({ command }) => command.includes(" recipes/"))) {
    if (!/^deno task -q (recipe|compute) /.test(command)) continue;
    for (const [kind, values] of allowed(command)) {
      const again = values.filter((value) => listed.get(kind)?.includes(value));
      // They write the cache without the runs.
      assert(again.length === 0 || ["features", "sample"].includes(name), `${name} repeats --allow-${kind}=${again}`);
    }
  }
  // A name that only the list has: whoever else wrote it would have copied the list.
  const copies = tasks.filter(({ command }) => command.includes("npm_package_config_libvips"));
  assertEquals(copies.map(({ name }) => name), ["native"]);
});

Deno.test("every recipe of a method has its task, which hands on to the list of permissions", () => {
  for (const { name } of KIT_METHODS) {
    const task = tasks.find((task) => task.name === name);
    assertEquals(task?.command.startsWith("deno task -q recipe recipes/"), true, name);
  }
});

Deno.test("the menu of deno task has no long lines but for those with hosts and those that install", async () => {
  const { stdout, stderr } = await typed(["task"], ROOT);
  const lines = `${stdout}\n${stderr}`.split("\n");
  const long = lines.filter((line) => line.length > 160).map((line) => line.split(" ").at(-1));
  assertEquals(long, ["recipes/page_install.ts", "recipes/download.ts", "recipes/gpu_install.ts"]);
  for (const { name, description } of tasks) {
    assertEquals(lines[lines.indexOf(`- ${name}`) + 1], `    // ${description}`);
  }
});

Deno.test("words come through tasks that hand on as they were typed: empty, with spaces, quotes and dashes", async () => {
  const coop = (...words: string[]) => typed(["task", "-q", "coop", "--dry-run", ...words], ROOT);
  const words = ["--init-words", "it's a $HOME of *"];
  const { stdout } = await coop("--init-words", "", "--out", "runs/-x y", ...words);
  assert(stdout.includes(words[1]), stdout);
  const { code, stderr } = await coop("--init-words", "", ...words, "--lr", "-1");
  assertEquals([code, stderr], [2, 'error: --lr is "-1", and must be a number from 0, such as 0.002 or 2e-3.\n']);
});
