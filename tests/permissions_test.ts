/**
 * Runs tasks as users do, under their declared flags, while Deno writes down every permission that is asked for: nothing may
 * be asked that is not declared, since a terminal makes a question of it, and nothing declared that is never asked.
 */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { resolve } from "node:path";
import { loadZip } from "../src/deps.ts";
import { PROBE_PERMISSIONS } from "../recipes/cli/probe.ts";
import { isThere, sharedPath } from "./shared.ts";
import { type Allowed, allowed, denied, DEVELOPMENT, readTasks, resolveTask, ROOT, type Task } from "./tasks.ts";

/** What a task is started with; together the runs of a task have to use all that it may. */
interface Case {
  task: string;
  runs: string[][];
  /** Declared, and needed only where a test cannot go: `kind value` → why. */
  unused?: Record<string, string>;
  /** What processes that the task starts may do besides, as flags: they write down what they ask for in the same place. */
  children?: string;
  /** Needs the reference material. */
  needsShared?: boolean;
  /** Exit code, when not 0. */
  code?: number;
}

/** Set before TensorFlow is loaded, and only then. */
const OF_TENSORFLOW = {
  "env NVIDIA_TF32_OVERRIDE": "engine tensorflow",
  "env TF_CPP_MIN_LOG_LEVEL": "engine tensorflow",
};
/** Deno does not write down which programs were started and which hosts were asked. */
const NOT_AUDITED = ["run", "net"];

const IMAGES_OF_TINY = ["--data", "data/tiny", "--shots", "2", "--views", "0", "--quiet"];
const QUICK = [...IMAGES_OF_TINY, "--epochs", "1"];
const trained = (method: string) => `runs/tiny/${method}/seed-notebook+views=0+epochs=1/sample-on-images/shots2/seed1`;
const onFeatures = (task: string, more: string[] = []): Case => ({ task, runs: [[...IMAGES_OF_TINY, ...more]] });

const CASES: Case[] = [
  { task: "cocoop", runs: [[...QUICK, "--train", "base", "--eval", "base"], [...QUICK, "--eval", "new"]] },
  {
    task: "coop",
    runs: [[...QUICK, "--train", "base", "--eval", "base"], [...QUICK, "--eval", "new", "--engine", "wasm"]],
  },
  { task: "kgcoop", runs: [QUICK] },
  { task: "prograd", runs: [QUICK] },
  onFeatures("gda"),
  onFeatures("tip-adapter"),
  onFeatures("tip-adapter-f", ["--epochs", "1"]),
  onFeatures("clip-adapter", ["--epochs", "1"]),
  onFeatures("lp++"),
  { task: "linear-probe", runs: [["--data", "data/tiny", "--shots", "2", "--quiet"]] },
  { task: "zeroshot", runs: [["--data", "data/tiny", "--quiet"], ["--quiet"]] },
  {
    task: "classify",
    runs: [
      ["--prompt", trained("coop"), "data/tiny/Field/grey.jpg", "--quiet"],
      ["--classes", "river,forest", "data/tiny/River", "--quiet"],
    ],
  },
  {
    task: "compare",
    runs: [[...QUICK, "--methods", "zeroshot,coop", "--seeds", "1", "--jobs", "1", "--out", "runs/compare"]],
    children: "coop",
  },
  {
    task: "import",
    runs: [[
      "data/output/base2new/train_base/eurosat/shots_16/CoCoOp/c4/seed2/prompt_learner/model.pth.tar-10",
      "--model",
      "data/sample/model.safetensors",
    ]],
  },
  { task: "download", runs: [["ViT-B/32", "--source", "data/ViT-B-32.pt"]], code: 2 },
  { task: "engines", runs: [[]], children: "probe" },
  { task: "parity", runs: [[sharedPath("reference"), "--engine", "onnx"]], needsShared: true },
];

/** Tasks that cannot be run here, and why. What they declare is held by `tests/tasks_test.ts`. */
const NOT_RUN: Record<string, string> = {
  "gpu:install": "installs packages",
  features: "encodes EuroSAT's images for half an hour",
  "bench:step": "full-size work for minutes",
  "bench:eval": "full-size work for minutes",
  "bench:encode": "full-size work for minutes",
  "bench:scale": "full-size work for minutes",
  "bench:tricks": "full-size work for minutes",
  "bench:run": "full-size work for minutes",
  "bench:load": "full-size work for minutes",
  "bench:coverage": "simulates for minutes",
};

const IMAGES = ["sampling_444.jpg", "sampling_422.jpg", "sampling_420.jpg", "keep_rgb.jpg", "grey.jpg"];
const CLASSES = ["Field", "Forest", "Lake", "River"];

interface Request {
  permission: string;
  value: string;
}

/** A copy of the kit in a folder of its own, with a few images; tasks write into it. */
async function copyOfKit(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "clip-prompts-" });
  for (const name of ["src", "recipes", "data", "tests/stand_ins", "mod.ts", "deno.json", "deno.lock"]) {
    await copy(`${ROOT}${name}`, `${folder}/${name}`);
  }
  for (const name of CLASSES) {
    for (const image of IMAGES) {
      await copy(`${ROOT}tests/fixtures/images/${image}`, `${folder}/data/tiny/${name}/${image}`);
      await copy(`${ROOT}tests/fixtures/images/${image}`, `${folder}/data/tiny/${name}/2_${image}`);
    }
  }
  const published = "data/output/base2new/train_base/eurosat/shots_16/CoCoOp/c4/seed2/prompt_learner";
  await copy(`${ROOT}tests/fixtures/published/cocoop.pth.tar-10`, `${folder}/${published}/model.pth.tar-10`);
  await Deno.writeTextFile(`${folder}/data/ViT-B-32.pt`, "not these weights");
  return folder;
}

async function copy(from: string, to: string): Promise<void> {
  if (!(await Deno.stat(from)).isDirectory) {
    await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
    return await Deno.copyFile(from, to);
  }
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) await copy(`${from}/${name}`, `${to}/${name}`);
}

/**
 * Runs a task and gives what it asked for. Deno writes into a pipe: processes that a task starts would write over each
 * other in a file.
 */
async function audit(kit: string, task: string, { args, code }: { args: string[]; code: number }): Promise<Request[]> {
  const path = `${kit}/audit`;
  await new Deno.Command("mkfifo", { args: [path] }).output();
  using pipe = await Deno.open(path, { read: true, write: true });
  try {
    const log = readUntilEnd(pipe);
    const end = await new Deno.Command(Deno.execPath(), {
      args: ["task", "--quiet", task, ...args],
      cwd: kit,
      stdin: "null",
      env: { DENO_AUDIT_PERMISSIONS: path, NO_COLOR: "1" },
    }).output();
    // Not through the handle that is being read: its operations wait for each other.
    await Deno.writeTextFile(path, END, { create: false });
    const lines = (await log).split("\n").filter((line) => line !== "");
    assertEquals(end.code, code, `${task} ${args.join(" ")}\n${new TextDecoder().decode(end.stderr)}`);
    return lines.map((line) => JSON.parse(line));
  } finally {
    await Deno.remove(path);
  }
}

const END = "\n\0";

async function readUntilEnd(pipe: Deno.FsFile): Promise<string> {
  const block = new Uint8Array(65536);
  const decoder = new TextDecoder();
  let text = "";
  while (!text.endsWith(END)) {
    const count = await pipe.read(block);
    text += decoder.decode(block.subarray(0, count ?? 0), { stream: true });
  }
  return text.slice(0, -END.length);
}

/** Whether a value lies within what a flag names: the same, or a path below it. */
function isWithin(value: string, declared: string, kit: string): boolean {
  return value === declared || `${resolve(kit, value)}/`.startsWith(`${resolve(kit, declared)}/`);
}

function covers(flags: Allowed, { permission, value }: Request, kit: string): boolean {
  const values = flags.get(permission);
  return values !== undefined && (values.length === 0 || values.some((declared) => isWithin(value, declared, kit)));
}

/** What the processes that a task starts may do. */
function allowedToChildren(children: string | undefined, tasks: Task[]): Allowed {
  if (children === undefined) return new Map();
  if (children === "probe") return allowed(PROBE_PERMISSIONS.join(" "));
  return allowed(resolveTask(tasks.find(({ name }) => name === children)!, tasks).command);
}

const tasks = readTasks();

Deno.test("every task for users has a run here, or a reason why not", () => {
  const known = new Set([...CASES.map(({ task }) => task), ...Object.keys(NOT_RUN)]);
  const wanted = tasks.filter(({ name }) => !DEVELOPMENT.includes(name)).map((task) => resolveTask(task, tasks).name);
  assertEquals([...known].sort(), [...new Set(wanted)].sort());
});

Deno.test("tasks ask for what they declare and nothing else", async (t) => {
  const kit = await Deno.realPath(await copyOfKit());
  try {
    for (const { task: name, runs, unused = OF_TENSORFLOW, children, needsShared = false, code = 0 } of CASES) {
      const ignore = needsShared && !isThere() && Deno.env.get("CI_REQUIRE_SHARED") !== "1";
      const fn = async () => {
        const { command } = resolveTask(tasks.find((task) => task.name === name)!, tasks);
        const [declared, refused] = [allowed(command), denied(command)];
        const ofChildren = allowedToChildren(children, tasks);
        // Each has to decode images itself.
        await Deno.remove(`${kit}/.cache`, { recursive: true }).catch(() => {});
        const requests = [];
        for (const args of runs) requests.push(...await audit(kit, name, { args, code }));
        for (const request of requests) {
          if (covers(refused, { ...request, permission: "read" }, kit)) continue;
          assert(
            covers(declared, request, kit) || covers(ofChildren, request, kit),
            `${name} asks for ${request.permission} ${request.value}`,
          );
        }
        for (const [kind, values] of declared) {
          if (NOT_AUDITED.includes(kind)) continue;
          for (const value of values.length > 0 ? values : [""]) {
            const isUsed = requests.some((request) =>
              request.permission === kind && (value === "" || isWithin(request.value, value, kit))
            );
            assert(isUsed || `${kind} ${value}` in unused, `${name} never uses --allow-${kind}=${value}`);
          }
        }
      };
      await t.step({
        name: ignore ? `${name} (skipped: needs the reference material in ../shared)` : name,
        ignore,
        fn,
      });
    }
  } finally {
    await Deno.remove(kit, { recursive: true });
  }
});

/** A zip of the tiny data set in a folder of its own, with its split beside it. */
async function archiveElsewhere(kit: string): Promise<string> {
  const { BlobReader, Uint8ArrayWriter, ZipWriter } = await loadZip();
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "elsewhere-" }));
  const zip = new ZipWriter(new Uint8ArrayWriter());
  const lists: [string, number, string][] = [];
  for (const [label, name] of CLASSES.entries()) {
    for await (const { name: image } of Deno.readDir(`${kit}/data/tiny/${name}`)) {
      const bytes = await Deno.readFile(`${kit}/data/tiny/${name}/${image}`);
      await zip.add(`2750/${name}/${image}`, new BlobReader(new Blob([bytes])));
      lists.push([`${name}/${image}`, label, name]);
    }
  }
  await Deno.writeFile(`${folder}/My images.zip`, await zip.close());
  const third = (rest: number) => lists.filter((_, i) => i % 3 === rest);
  await Deno.writeTextFile(
    `${folder}/split_zhou_EuroSAT.json`,
    JSON.stringify({ train: third(0), val: third(1), test: third(2) }),
  );
  return folder;
}

Deno.test("without permissions and without a terminal a recipe names the command that has them, and that works", async (t) => {
  const kit = await Deno.realPath(await copyOfKit());
  const elsewhere = await archiveElsewhere(kit);
  const run = async (words: string[], cwd: string) => {
    const { code, stderr } = await new Deno.Command(words[0], {
      args: words.slice(1),
      cwd,
      stdin: "null",
      env: { NO_COLOR: "1" },
    }).output();
    return { code, stderr: new TextDecoder().decode(stderr) };
  };
  const quick = ["--shots", "2", "--epochs", "1", "--views", "0", "--train", "base", "--eval", "base"];
  const data = ["--data", `${elsewhere}/My images.zip`];
  const cases: { name: string; cwd: string; script: string; args: string[] }[] = [
    { name: "a zip and its split outside", cwd: kit, script: "recipes/cocoop.ts", args: [...data, ...quick] },
    {
      name: "results outside",
      cwd: kit,
      script: "recipes/coop.ts",
      args: ["--data", "data/tiny", "--out", `${elsewhere}/runs`, ...quick],
    },
    { name: "started from another folder", cwd: elsewhere, script: `${kit}/recipes/zero_shot.ts`, args: data },
  ];
  try {
    for (const { name, cwd, script, args } of cases) {
      await t.step(name, async () => {
        const refused = await run([Deno.execPath(), "run", "--quiet", script, ...args], cwd);
        assertEquals(refused.code, 2, refused.stderr);
        const lines = refused.stderr.trimEnd().split("\n");
        assertEquals(lines.length, 1, refused.stderr);
        const [, command] = /^error: Deno was started without a permission .* Run: (deno run .*)$/.exec(lines[0])!;
        for (const [kind, values] of allowed(command)) {
          assert(values.length > 0, `${kind}: ${command}`);
          for (const value of values) assert(!["/", ".", kit, ".."].includes(value), `${kind} ${value}: ${command}`);
        }
        const advised = await run(["bash", "-c", command], cwd);
        assertEquals(advised.code, 0, `${command}\n${advised.stderr}`);
      });
    }
  } finally {
    for (const folder of [kit, elsewhere]) await Deno.remove(folder, { recursive: true });
  }
});
