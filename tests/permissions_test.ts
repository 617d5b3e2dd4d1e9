/**
 * Runs tasks as users do, under their declared flags, while Deno writes down every permission that is asked for: nothing may
 * be asked that is not declared, and nothing declared that is never asked.
 */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { resolve } from "node:path";
import { type Allowed, allowed, denied, readTasks, resolveTask, ROOT } from "./tasks.ts";

/** What a task is started with; together the runs of a task have to use all that it may. */
interface Case {
  task: string;
  runs: string[][];
  /** Declared, and needed only where a test cannot go: `kind value` → why. */
  unused?: Record<string, string>;
}

const QUICK = ["--data", "data/tiny", "--shots", "2", "--epochs", "1", "--views", "0", "--quiet"];
/** Set before TensorFlow is loaded, and only then. */
const OF_TENSORFLOW = {
  "env NVIDIA_TF32_OVERRIDE": "engine tensorflow",
  "env TF_CPP_MIN_LOG_LEVEL": "engine tensorflow",
};
const CASES: Case[] = [
  { task: "cocoop", runs: [[...QUICK, "--train", "base", "--eval", "base"], [...QUICK, "--eval", "new"]] },
  {
    task: "coop",
    runs: [[...QUICK, "--train", "base", "--eval", "base"], [...QUICK, "--eval", "new", "--engine", "wasm"]],
  },
  { task: "zeroshot", runs: [["--data", "data/tiny", "--quiet"], []] },
];

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

/** Runs a task and gives what it asked for. */
async function audit(kit: string, task: string, args: string[]): Promise<Request[]> {
  const log = await Deno.makeTempFile();
  try {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "--quiet", task, ...args],
      cwd: kit,
      stdin: "null",
      env: { DENO_AUDIT_PERMISSIONS: log, NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, `${task} ${args.join(" ")}\n${new TextDecoder().decode(stderr)}`);
    return (await Deno.readTextFile(log)).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  } finally {
    await Deno.remove(log);
  }
}

/** Whether a value lies within what a flag names: the same, or a path below it. */
function isWithin(value: string, declared: string, kit: string): boolean {
  return value === declared || `${resolve(kit, value)}/`.startsWith(`${resolve(kit, declared)}/`);
}

function covers(flags: Allowed, { permission, value }: Request, kit: string): boolean {
  const values = flags.get(permission);
  return values !== undefined && (values.length === 0 || values.some((declared) => isWithin(value, declared, kit)));
}

Deno.test("tasks ask for what they declare and nothing else", async (t) => {
  const tasks = readTasks();
  const kit = await Deno.realPath(await copyOfKit());
  try {
    for (const { task: name, runs, unused = OF_TENSORFLOW } of CASES) {
      await t.step(name, async () => {
        const { command } = resolveTask(tasks.find((task) => task.name === name)!, tasks);
        const [declared, refused] = [allowed(command), denied(command)];
        const requests = [];
        for (const args of runs) requests.push(...await audit(kit, name, args));
        for (const request of requests) {
          if (covers(refused, { ...request, permission: "read" }, kit)) continue;
          assert(covers(declared, request, kit), `${name} asks for ${request.permission} ${request.value}`);
        }
        for (const [kind, values] of declared) {
          for (const value of values.length > 0 ? values : [""]) {
            const isUsed = requests.some((request) =>
              request.permission === kind && (value === "" || isWithin(request.value, value, kit))
            );
            assert(isUsed || `${kind} ${value}` in unused, `${name} never uses --allow-${kind}=${value}`);
          }
        }
      });
    }
  } finally {
    await Deno.remove(kit, { recursive: true });
  }
});
