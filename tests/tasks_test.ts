import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { allowed, DEVELOPMENT, readTasks, resolveTask, ROOT, script } from "./tasks.ts";

const NETWORK = ["download", "gpu:install"];
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
  for (const task of tasks.filter(({ name }) => name !== "ok")) {
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

Deno.test("only downloads may use the network", () => {
  for (const task of forUsers) {
    const hasNetwork = allowed(resolveTask(task, tasks).command).has("net");
    assertEquals(hasNetwork, NETWORK.includes(task.name), task.name);
  }
});

Deno.test("tasks read data, runs and packages, and write data, runs and caches; nothing of the code", () => {
  const readable = ["data", "runs", ".cache", "node_modules", "/usr/bin/ldd"];
  const writable = ["runs", ".cache", "data", "data/sample"];
  for (const task of forUsers) {
    const flags = allowed(resolveTask(task, tasks).command);
    for (const path of flags.get("read") ?? []) assert(readable.includes(path), `${task.name} reads ${path}`);
    if (task.name === "gpu:install") continue;
    for (const path of flags.get("write") ?? []) assert(writable.includes(path), `${task.name} writes ${path}`);
  }
});

Deno.test("native code comes from the packages alone", () => {
  for (const task of forUsers) {
    assertEquals(allowed(resolveTask(task, tasks).command).get("ffi") ?? ["node_modules"], ["node_modules"], task.name);
  }
});
