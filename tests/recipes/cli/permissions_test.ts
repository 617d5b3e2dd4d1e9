import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { permissionFlags } from "../../../recipes/cli/permissions.ts";
import { planRuns } from "../../../recipes/cli/compare_plan.ts";
import { readCompareFlags } from "../../../recipes/cli/compare_flags.ts";
import { readTasks, resolveTask, ROOT, script, words } from "../../tasks.ts";

const tasks = readTasks();
const flagsOf = (name: string) =>
  words(resolveTask(tasks.find((task) => task.name === name)!, tasks).command).filter((word) =>
    /^--(allow|deny)-/.test(word)
  );
const recipe = (name: string) => ({ url: new URL(`../../../recipes/${name}`, import.meta.url).href });

function value(flags: readonly string[], kind: string): string[] {
  return flags.find((flag) => flag.startsWith(`--${kind}=`))?.slice(kind.length + 3).split(",") ?? [];
}

Deno.test("the flags that a recipe advises are those of its task", () => {
  assertEquals(Deno.cwd(), ROOT.slice(0, -1));
  for (const { name } of tasks) {
    const path = script(resolveTask(tasks.find((task) => task.name === name)!, tasks).command);
    if (!path?.startsWith("recipes/")) continue;
    assertEquals(permissionFlags(recipe(path.slice("recipes/".length)), []), flagsOf(name), name);
  }
});

Deno.test("the runs of a comparison have the flags of their tasks, and no others", () => {
  const { runs } = planRuns(readCompareFlags([]), { recipes: "recipes" });
  assertEquals(runs.length, 7);
  for (const { method, words } of runs) {
    assertEquals(words.filter((word) => /^--(allow|deny)-/.test(word)), flagsOf(method), method);
  }
});

Deno.test("paths that are typed are added where the task does not reach, and nothing for names", () => {
  const args = ["--data", "/far/EuroSAT.zip", "--split=data/split.json", "--model", "ViT-B/16", "--out", "../mine"];
  const flags = permissionFlags(recipe("coop.ts"), args);
  const task = flagsOf("coop");
  assertEquals(value(flags, "allow-read"), [...value(task, "allow-read"), "/far", "../mine"]);
  assertEquals(value(flags, "allow-write"), [...value(task, "allow-write"), "../mine"]);
  assertEquals(permissionFlags(recipe("coop.ts"), ["--data", "data/x", "--out", "runs/y"]), task);
  assertEquals(
    value(permissionFlags(recipe("coop.ts"), ["--model", "/w/clip.pt"]), "allow-read").at(-1),
    "/w/clip.pt",
  );
});

Deno.test("a recipe that is started elsewhere reaches what ships beside it", () => {
  const url = "file:///elsewhere/kit/recipes/coop.ts";
  const flags = permissionFlags({ url }, []);
  assert(value(flags, "allow-read").includes("/elsewhere/kit/data"));
  assertEquals(value(flags, "allow-ffi"), ["/elsewhere/kit/node_modules"]);
  assert(permissionFlags({ url: "https://example.org/kit/recipes/coop.ts" }, []).includes("--allow-ffi"));
});
