/**
 * Runs tasks as users do, under their declared flags, while Deno writes down every permission that is asked for: nothing may
 * be asked that is not declared, since a terminal makes a question of it, and nothing declared that is never asked.
 */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { resolve } from "node:path";
import { PROBE_PERMISSIONS } from "../recipes/cli/probe.ts";
import { KIT_METHODS } from "../src/methods/kit.ts";
import { drawsImages, learnsPrompts, type Method } from "../src/methods/method.ts";
import { copy, copyOfKit, ON_TINY } from "./kit_copy.ts";
import { ANCHORED } from "./method_files.ts";
import { ensureRuntime } from "./page_runtime.ts";
import { isThere, sharedPath } from "./shared.ts";
import {
  type Allowed,
  allowed,
  denied,
  DEVELOPMENT,
  LISTS,
  readTasks,
  resolveTask,
  ROOT,
  script,
  type Task,
} from "./tasks.ts";

const tasks = readTasks();
const commandOf = (name: string) => resolveTask(tasks.find((task) => task.name === name)!, tasks).command;

/** What a task is started with. */
interface Case {
  task: string;
  runs: string[][];
  /** What processes that the task starts may do besides, as flags: they write down what they ask for in the same place. */
  children?: string;
  /** Needs the reference material. */
  needsShared?: boolean;
  /** Exit code, when not 0. */
  code?: number;
}

/** Declared, and needed only where a test cannot go: `kind value` → why. */
const UNUSED: Record<string, string> = {
  "env NVIDIA_TF32_OVERRIDE": "set before engine tensorflow is loaded, and only then",
  "env TF_CPP_MIN_LOG_LEVEL": "set before engine tensorflow is loaded, and only then",
  "sys statfs": "asked before hundreds of megabytes are stored",
  "sys systemMemoryInfo": "asked before hundreds of megabytes are held in memory",
};
/** Deno does not write down which programs were started and which hosts were asked. */
const NOT_AUDITED = ["run", "net"];

const QUICK = [...ON_TINY, "--views", "0", "--epochs", "1"];
/** Without --data: on the images that ship with the kit. */
const ON_SAMPLE_IMAGES = "--shots 1 --epochs 1 --views 0 --train base --eval base --quiet".split(" ");
const trained = (method: string) => `runs/tiny/${method}/seed-notebook+epochs=1+views=0/sample-on-images/shots2/seed1`;

/** A method of the kit, on images and, where it looks at none, on the sample too. */
function ofMethod(method: Method): Case {
  if (learnsPrompts(method)) {
    const engine = method.name === "coop" ? ["--engine", "wasm"] : [];
    const { name: task } = method;
    const runs = [[...QUICK, "--train", "base", "--eval", "base"], [...QUICK, "--eval", "new", ...engine]];
    return { task, runs: [...runs, ...task === "maple" ? [ON_SAMPLE_IMAGES] : []] };
  }
  if (!drawsImages(method)) return { task: method.name, runs: [["--data", "data/tiny", "--quiet"], ["--quiet"]] };
  const has = (name: string) => name in method.settings && !method.settings[name].fixed;
  const short = [...has("views") ? ["--views", "0"] : [], ...has("epochs") ? ["--epochs", "1"] : []];
  return { task: method.name, runs: [[...ON_TINY, ...short]] };
}

const OWN_METHOD = `${commandOf("recipe")} --allow-read=mine`;
const CASES: Case[] = [
  ...KIT_METHODS.map(ofMethod),
  { task: "run", runs: [["mine/anchored.ts", ...QUICK]], children: OWN_METHOD },
  {
    task: "classify",
    runs: [
      ["--prompt", trained("coop"), "data/tiny/Field/grey.jpg", "--quiet"],
      ["--prompt", trained("maple").replace("seed-notebook", "maple-cvpr23"), "data/tiny/Field/grey.jpg", "--quiet"],
      ["--classes", "river,forest", "data/tiny/River", "--quiet"],
    ],
  },
  {
    task: "export",
    runs: [
      [trained("coop"), "--page", "--quiet"],
      [`runs/tiny/gda/published+views=0/sample-on-images/shots2/seed1`, "--quiet"],
      ["--classes", "river,forest", "--format", "json", "--quiet"],
    ],
  },
  {
    task: "compare",
    runs: [[...QUICK, "--methods", "zeroshot,coop,mine/anchored.ts", "--seeds", "1", "--out", "runs/compare"]],
    children: OWN_METHOD,
  },
  {
    task: "sweep",
    runs: [
      "--method mine/anchored.ts --vary pull=0.1 --data data/tiny --shots 2 --views 0 --epochs 1 --seeds 1 --eval base --quiet"
        .split(" "),
    ],
    children: OWN_METHOD,
  },
  {
    task: "features",
    runs: [[
      "--data",
      "data/tiny",
      "--shots",
      "2",
      "--quiet",
      "--methods",
      "zeroshot,mine/anchored.ts",
      "--seeds",
      "1",
    ]],
    children: `${commandOf("features")} --allow-read=mine`,
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
  { task: "engines", runs: [[]], children: PROBE_PERMISSIONS.join(" ") },
  { task: "parity", runs: [[sharedPath("reference"), "--engine", "onnx"]], needsShared: true },
];

/** Tasks that cannot be run here, and why. What they declare is held by `tests/tasks_test.ts`. */
const NOT_RUN: Record<string, string> = {
  "gpu:install": "installs packages",
  "page:install": "installs packages",
  serve: "serves until it is stopped",
  sample: "encodes EuroSAT's images for half an hour",
  watch: "serves until it is stopped",
  "bench:step": "full-size work for minutes",
  "bench:eval": "full-size work for minutes",
  "bench:encode": "full-size work for minutes",
  "bench:kernels": "needs a device for WebGPU",
  "bench:scale": "full-size work for minutes",
  "bench:towers": "full-size work for minutes",
  "bench:tricks": "full-size work for minutes",
  "bench:run": "full-size work for minutes",
  "bench:load": "full-size work for minutes",
  "bench:large": "full-size work for minutes",
  "bench:features": "full-size work for minutes",
  "bench:coverage": "simulates for minutes",
};

interface Request {
  permission: string;
  value: string;
}

/** A copy of the kit with what the cases name. */
async function kitOfCases(): Promise<string> {
  const kit = await copyOfKit();
  const published = "data/output/base2new/train_base/eurosat/shots_16/CoCoOp/c4/seed2/prompt_learner";
  await copy(`${ROOT}tests/fixtures/published/cocoop.pth.tar-10`, `${kit}/${published}/model.pth.tar-10`);
  await Deno.writeTextFile(`${kit}/data/ViT-B-32.pt`, "not these weights");
  await ensureRuntime();
  await copy(`${ROOT}node_modules/.page`, `${kit}/node_modules/.page`);
  await Deno.mkdir(`${kit}/mine`);
  await Deno.writeTextFile(`${kit}/mine/anchored.ts`, ANCHORED);
  return kit;
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

/** The lists that a task hands on to, nearest first. */
function listsOf({ command }: Task): string[] {
  const next = /^deno task -q (\S+)/.exec(command)?.[1];
  const found = tasks.find(({ name }) => name === next);
  return found === undefined ? [] : [...LISTS.includes(found.name) ? [found.name] : [], ...listsOf(found)];
}

/** What is declared of a list or a task itself and was never asked for. */
function neverAsked({ command }: Task, requests: readonly Request[], kit: string): string[] {
  return [...allowed(command)].filter(([kind]) => !NOT_AUDITED.includes(kind)).flatMap(([kind, values]) =>
    (values.length > 0 ? values : [""]).filter((value) =>
      !(`${kind} ${value}` in UNUSED) &&
      !requests.some((one) => one.permission === kind && (value === "" || isWithin(one.value, value, kit)))
    ).map((value) => `--allow-${kind}=${value}`)
  );
}

Deno.test("every task for users has a run here, or a reason why not", () => {
  const starts = (name: string) => script(commandOf(name));
  const known = new Set([...CASES.map(({ task }) => task), ...Object.keys(NOT_RUN)].map(starts));
  const wanted = tasks.filter(({ name }) => ![...DEVELOPMENT, ...LISTS].includes(name)).map(({ name }) => starts(name));
  assertEquals([...known].sort(), [...new Set(wanted)].sort());
});

Deno.test("tasks ask for what they declare and nothing else", async (t) => {
  const kit = await kitOfCases();
  /** What was asked for by all tasks that hand on to a list: it is one for all of them, and no single one needs all of it. */
  const ofLists = new Map(LISTS.map((name) => [name, [] as Request[]]));
  try {
    for (const { task: name, runs, children = "", needsShared = false, code = 0 } of CASES) {
      const ignore = needsShared && !isThere() && Deno.env.get("CI_REQUIRE_SHARED") !== "1";
      const fn = async () => {
        const task = tasks.find((task) => task.name === name)!;
        const [declared, refused] = [allowed(commandOf(name)), denied(commandOf(name))];
        const ofChildren = allowed(children);
        const refusedToChildren = denied(children);
        // Each has to decode images itself.
        await Deno.remove(`${kit}/.cache`, { recursive: true }).catch(() => {});
        const requests: Request[] = [];
        for (const args of runs) requests.push(...await audit(kit, name, { args, code }));
        for (const request of requests) {
          const asRead = { ...request, permission: "read" };
          if (covers(refused, asRead, kit) || covers(refusedToChildren, asRead, kit)) continue;
          assert(
            covers(declared, request, kit) || covers(ofChildren, request, kit),
            `${name} asks for ${request.permission} ${request.value}`,
          );
        }
        assertEquals(neverAsked(task, requests, kit), [], name);
        for (const list of listsOf(task)) ofLists.get(list)!.push(...requests);
      };
      await t.step({
        name: ignore ? `${name} (skipped: needs the reference material in ../shared)` : name,
        ignore,
        fn,
      });
    }

    for (const [name, requests] of ofLists) {
      await t.step(`${name}: the tasks that hand on to it ask, together, for all of it`, () => {
        assertEquals(neverAsked(tasks.find((task) => task.name === name)!, requests, kit), []);
      });
    }
  } finally {
    await Deno.remove(kit, { recursive: true });
  }
});
