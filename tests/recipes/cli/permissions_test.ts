import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import {
  commandWith,
  permissionAdvice,
  permissionFlags,
  RECIPE,
  shortFlags,
} from "../../../recipes/cli/permissions.ts";
import { allowed, denied, readTasks, resolveTask, ROOT, script } from "../../tasks.ts";

const tasks = readTasks();
const commandOf = (name: string) => resolveTask(tasks.find((task) => task.name === name)!, tasks).command;
const recipe = (name: string) => ({ url: new URL(`../../../recipes/${name}`, import.meta.url).href });
const flagsOf = (flags: readonly string[]) => ({ allow: allowed(flags.join(" ")), deny: denied(flags.join(" ")) });
const ofTask = (name: string) => ({ allow: allowed(commandOf(name)), deny: denied(commandOf(name)) });
const values = (flags: readonly string[], kind: string) => allowed(flags.join(" ")).get(kind);

Deno.test("the flags that a recipe advises are those of its task", () => {
  assertEquals(Deno.cwd(), ROOT.slice(0, -1));
  for (const { name } of tasks) {
    const path = script(commandOf(name));
    if (!path?.startsWith("recipes/")) continue;
    assertEquals(flagsOf(permissionFlags(recipe(path.slice("recipes/".length)), [])), ofTask(name), name);
  }
  assertEquals(flagsOf(permissionFlags({ ...recipe("run.ts"), task: RECIPE }, [])), ofTask("recipe"));
});

Deno.test("paths that are typed are added where the task does not reach, and nothing for names", () => {
  const args = ["--data", "/far/EuroSAT.zip", "--split=data/split.json", "--model", "ViT-B/16", "--out", "../mine"];
  const flags = permissionFlags(recipe("coop.ts"), args);
  const { allow } = ofTask("coop");
  assertEquals(values(flags, "read"), [...allow.get("read")!, "/far", "../mine"]);
  assertEquals(values(flags, "write"), [...allow.get("write")!, "../mine"]);
  assertEquals(flagsOf(permissionFlags(recipe("coop.ts"), ["--data", "data/x", "--out", "runs/y"])), ofTask("coop"));
  // A file is written beside its place first.
  assertEquals(values(permissionFlags(recipe("export.ts"), ["--out", "/o/a.onnx"]), "write")!.at(-1), "/o");
  for (
    const [args, path] of [
      [["--model", "/w/m/clip.pt"], "/w/m"],
      [["--model", "/w/m/model.safetensors.index.json"], "/w/m"],
      [["--model", "../hub/snapshots/abc"], "../hub/snapshots/abc"],
      [["--config", "../my.yaml"], "../my.yaml"],
      [["--dataset", "/d/birds.yaml"], "/d/birds.yaml"],
      [["--eval", "base,/d/images:all"], "/d/images"],
      [["--classes", "/d/names.txt"], "/d/names.txt"],
      [["--prompt", "/d/run"], "/d/run"],
      [["--quiet", "/d/a.jpg"], "/d/a.jpg"],
      [["--methods", "coop,/m/mine.ts"], "/m"],
      [["--method", "/m/mine.ts", "--vary", "lr=1..2"], "/m"],
      [["/m/mine.ts", "--train", "base"], "/m"],
    ] as [string[], string][]
  ) {
    assertEquals(values(permissionFlags(recipe("coop.ts"), args), "read")!.at(-1), path);
  }
  assertEquals(values(permissionFlags(recipe("classify.ts"), ["--classes", "river,forest"]), "read"), [
    ...ofTask("classify").allow.get("read")!,
  ]);
});

Deno.test("what a configuration names is reached too, when it can be read", async () => {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(path, "data: /d/images\nout: ../mine\neval: [base, /e/images:all]\nepochs: 3\n");
    const flags = permissionFlags(recipe("coop.ts"), ["--config", path]);
    assertEquals(values(flags, "read")!.slice(-4), [path, "/d/images", "/e/images", "../mine"]);
    assertEquals(values(flags, "write")!.at(-1), "../mine");
    await Deno.writeTextFile(path, "data: [");
    assertEquals(values(permissionFlags(recipe("coop.ts"), ["--config", path]), "read")!.at(-1), path);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("-P stands for the list in deno.json, and only kinds that had to be extended are written beside it, whole", () => {
  const { allow } = ofTask("recipe");
  assertEquals(shortFlags(recipe("coop.ts"), ["--eval", "new"]), ["-P"]);
  assertEquals(shortFlags({ ...recipe("run.ts"), task: RECIPE }, ["/m/mine.ts"]), [
    "-P",
    `--allow-read=${allow.get("read")!.join(",")},/m`,
  ]);
  assertEquals(shortFlags(recipe("coop.ts"), ["--out", "/o"]), [
    "-P",
    `--allow-read=${allow.get("read")!.join(",")},/o`,
    `--allow-write=${allow.get("write")!.join(",")},/o`,
  ]);
  assertEquals(shortFlags(recipe("classify.ts"), []), ["-P"]);
  assertEquals(shortFlags(recipe("compare.ts"), []), [
    "-P",
    `--allow-env=${allow.get("env")!.join(",")},INIT_CWD`,
    "--allow-run=$(deno eval -p 'Deno.execPath()')",
  ]);
  // What computes nothing has less than the list.
  // Beside -P a flag without values, as parity's, changes nothing.
  for (const name of ["engines.ts", "import.ts", "download.ts", "parity.ts"]) {
    assertEquals(shortFlags(recipe(name), []), permissionFlags(recipe(name), []));
  }
});

Deno.test("a recipe that is started elsewhere reaches what ships beside it", () => {
  const url = "file:///elsewhere/kit/recipes/coop.ts";
  const flags = shortFlags({ url }, []);
  assert(!flags.includes("-P"), "-P would give the kit's folders and not the current one's");
  assertEquals(values(flags, "read"), [
    "data",
    "/elsewhere/kit/data",
    "runs",
    ".cache",
    "/elsewhere/kit/node_modules",
    "/usr/bin/ldd",
  ]);
  assertEquals(values(flags, "ffi"), ["/elsewhere/kit/node_modules"]);
});

Deno.test("a recipe from a URL may ask its host, and loads native code from Deno's own cache", () => {
  const flags = shortFlags({ url: "https://example.org/kit/recipes/coop.ts" }, ["--out", "../mine"]);
  assertEquals(values(flags, "ffi"), []);
  assertEquals(values(flags, "net"), ["example.org"]);
  // Deno trusts the host of what is typed; the flag would keep it from the others that it trusts.
  assertEquals(values(flags, "import"), undefined);
  assertEquals(values(flags, "read"), ["data", "runs", ".cache", "/usr/bin/ldd", "../mine"]);
});

Deno.test("Deno's refusal becomes a command, with the path that was refused", () => {
  const refusal = (text: string) => new Error("Cannot read it.", { cause: new Deno.errors.NotCapable(text) });
  const read = permissionAdvice(refusal('Requires read access to "/far/images", run again with --allow-read'), {
    ...recipe("coop.ts"),
  })!;
  assert(read.startsWith("Deno was started without a permission that this recipe needs (read access to "), read);
  assert(read.includes("Run: deno run -P --allow-read=data,"), read);
  assert(read.includes("/usr/bin/ldd,/far/images recipes/coop.ts"), read);
  const write = permissionAdvice(refusal('Requires write access to "/o", run again'), recipe("coop.ts"))!;
  assert(write.includes("--allow-write=runs,.cache,/o "), write);
  const partial = permissionAdvice(
    refusal('Requires write access to "/o/.a.1.0.partial", run again'),
    recipe("coop.ts"),
  )!;
  assertEquals(partial.slice(partial.indexOf(" Run: ")), write.slice(write.indexOf(" Run: ")));
  const known = permissionAdvice(refusal('Requires read access to "data/x.zip", run again'), recipe("coop.ts"))!;
  assert(known.includes(" Run: deno run -P recipes/coop.ts"), known);
  assertEquals(permissionAdvice(new Error("Something else"), recipe("coop.ts")), undefined);
});

Deno.test("a named command can be pasted: its words are quoted, and only Deno's path is left to the shell", () => {
  const flags = ["--allow-run=$(deno eval -p 'Deno.execPath()')", "--allow-read=my images"];
  const command = commandWith(recipe("coop.ts"), ["--out", "$(touch x)", "--init-words="], flags);
  assert(
    command.startsWith("deno run --allow-run=$(deno eval -p 'Deno.execPath()') '--allow-read=my images' "),
    command,
  );
  assert(command.endsWith(" --out '$(touch x)' --init-words="), command);
});
