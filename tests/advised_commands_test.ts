/** Recipes that are started with too few permissions and without a terminal name a command, and that command works as it stands. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { loadZip } from "../src/deps.ts";
import { copyOfKit, TINY_CLASSES } from "./kit_copy.ts";
import { ANCHORED } from "./method_files.ts";
import { allowed, readTasks, resolveTask } from "./tasks.ts";
import { type Ended, typed } from "./typed.ts";

const tasks = readTasks();
const LISTED = allowed(resolveTask(tasks.find(({ name }) => name === "recipe")!, tasks).command);
const QUICK = ["--shots", "2", "--epochs", "1", "--views", "0", "--train", "base", "--eval", "base", "--quiet"];

/** A zip of the tiny data set in a folder of its own, with its split beside it, and a method's file. */
async function folderElsewhere(kit: string): Promise<string> {
  const { BlobReader, Uint8ArrayWriter, ZipWriter } = await loadZip();
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "elsewhere-" }));
  const zip = new ZipWriter(new Uint8ArrayWriter());
  const lists: [string, number, string][] = [];
  for (const [label, name] of TINY_CLASSES.entries()) {
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
  await Deno.mkdir(`${folder}/mine`);
  await Deno.writeTextFile(`${folder}/mine/anchored.ts`, ANCHORED);
  await Deno.writeTextFile(
    `${folder}/my.yaml`,
    `data: ${JSON.stringify(`${folder}/My images.zip`)}\nout: ${folder}/runs\n`,
  );
  // As the cache of a hub has it, and a data set on another disk.
  await Deno.mkdir(`${folder}/hub/snapshots/abc`, { recursive: true });
  await Deno.mkdir(`${folder}/hub/blobs`);
  await Deno.copyFile(`${kit}/data/sample/model.safetensors`, `${folder}/hub/blobs/0123`);
  await Deno.symlink("../../blobs/0123", `${folder}/hub/snapshots/abc/model.safetensors`);
  await Deno.mkdir(`${folder}/links`);
  await Deno.symlink(`${folder}/My images.zip`, `${folder}/links/linked.zip`);
  await Deno.symlink(`${folder}/split_zhou_EuroSAT.json`, `${folder}/links/split_zhou_EuroSAT.json`);
  await Deno.mkdir(`${folder}/a, b`);
  await Deno.copyFile(`${folder}/My images.zip`, `${folder}/a, b/c.zip`);
  await Deno.copyFile(`${folder}/split_zhou_EuroSAT.json`, `${folder}/a, b/split_zhou_EuroSAT.json`);
  await Deno.writeTextFile(`${folder}/names.txt`, "river\nforest\n");
  return folder;
}

/** Types a command as it stands, in a shell. */
async function shell(command: string, cwd: string): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", command],
    cwd,
    stdin: "null",
    env: { NO_COLOR: "1", PATH: `${Deno.execPath().replace(/\/[^/]*$/, "")}:${Deno.env.get("PATH")}` },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** The command in the one sentence of a refusal. */
function advised({ code, stderr }: Ended): string {
  assertEquals(code, 2, stderr);
  const lines = stderr.trimEnd().split("\n").filter((line) => !line.includes("experimental feature"));
  assertEquals(lines.length, 1, stderr);
  return /^error: Deno was started without a permission that this recipe needs \(.*\)\. Run: (deno run .*)$/
    .exec(lines[0])![1];
}

Deno.test("without permissions and without a terminal a recipe names the command that has them, and that works", async (t) => {
  const kit = await copyOfKit();
  const elsewhere = await folderElsewhere(kit);
  const data = ["--data", `${elsewhere}/My images.zip`];
  const reads = (more: string) => `--allow-read=${LISTED.get("read")},${more}`;
  // `flags`: what stands in the command before the script; `rounds`: how many commands are named, one after the other.
  const cases: { name: string; cwd?: string; script: string; args: string[]; flags?: string; rounds?: number }[] = [
    { name: "the sample", script: "recipes/zero_shot.ts", args: ["--quiet"], flags: "-P" },
    {
      name: "images in data/",
      script: "recipes/cocoop.ts",
      args: ["--data", "data/tiny", ...QUICK],
      flags: "-P",
    },
    {
      name: "a zip and its split outside",
      script: "recipes/cocoop.ts",
      args: [...data, ...QUICK],
      flags: `-P ${reads(elsewhere)}`,
    },
    {
      name: "results outside",
      script: "recipes/coop.ts",
      args: ["--data", "data/tiny", "--out", `${elsewhere}/runs`, ...QUICK],
      flags: `-P ${reads(`${elsewhere}/runs`)} --allow-write=${LISTED.get("write")},${elsewhere}/runs`,
    },
    {
      name: "a method's file outside",
      script: "recipes/run.ts",
      args: [`${elsewhere}/mine/anchored.ts`, "--data", "data/tiny", ...QUICK],
      flags: `-P ${reads(`${elsewhere}/mine`)}`,
    },
    {
      name: "class names outside",
      script: "recipes/classify.ts",
      args: ["--classes", `${elsewhere}/names.txt`, "data/tiny/River", "--quiet"],
      flags: `-P ${reads(`${elsewhere}/names.txt`)}`,
    },
    {
      name: "weights in a hub's cache, which are links, and a zip behind a link",
      script: "recipes/zero_shot.ts",
      args: ["--model", `${elsewhere}/hub/snapshots/abc/model.safetensors`, "--data", `${elsewhere}/links/linked.zip`],
      flags: `-P ${reads(`${elsewhere}/hub/snapshots/abc,${elsewhere}/links`)}`,
    },
    {
      name: "the folder of weights",
      script: "recipes/zero_shot.ts",
      args: ["--model", `${elsewhere}/hub/snapshots/abc`, "--data", "data/tiny"],
      flags: `-P ${reads(`${elsewhere}/hub/snapshots/abc`)}`,
    },
    {
      name: "a comparison, with a method's file outside",
      script: "recipes/compare.ts",
      args: ["--methods", `zeroshot,${elsewhere}/mine/anchored.ts`, "--seeds", "1", "--data", "data/tiny", ...QUICK],
    },
    {
      name: "a configuration that names what lies outside: once for itself, once for that",
      script: "recipes/zero_shot.ts",
      args: ["--config", `${elsewhere}/my.yaml`, "--quiet"],
      rounds: 2,
    },
    { name: "started from another folder", cwd: elsewhere, script: `${kit}/recipes/zero_shot.ts`, args: data },
  ];
  try {
    for (const { name, cwd = kit, script, args, flags, rounds = 1 } of cases) {
      await t.step(name, async () => {
        let ended = await typed(["run", "--quiet", script, ...args], cwd);
        for (let round = 0; round < rounds && ended.code === 2; round++) {
          const command = advised(ended);
          if (flags !== undefined) {
            assertEquals(command.slice("deno run ".length, command.indexOf(` ${script}`)), flags);
          }
          for (const [kind, values] of allowed(command)) {
            assert(values.length > 0, `${kind}: ${command}`);
            for (const value of values) assert(!["/", ".", kit, ".."].includes(value), `${kind} ${value}: ${command}`);
          }
          ended = await shell(command, cwd);
        }
        assertEquals(ended.code, 0, ended.stderr);
      });
    }

    await t.step("a path with a comma, which no flag can hold: the link that is named works", async () => {
      const started = (path: string) => typed(["run", "--quiet", "-P", "recipes/zero_shot.ts", "--data", path], kit);
      const { code, stderr } = await started(`${elsewhere}/a, b/c.zip`);
      assertEquals(code, 2, stderr);
      const [, link, path] = /Make a link without one: (ln -s .*) and give (\S+) in its place/.exec(stderr)!;
      assertEquals(link, `ln -s '${elsewhere}/a, b' data/a-b`);
      assertEquals(await shell(link, kit), { code: 0, stdout: "", stderr: "" });
      const again = await started(path);
      assertEquals(again.code, 0, again.stderr);
    });

    await t.step("deno run -P has what a recipe needs in the kit's folder", async () => {
      const train = await typed(["run", "-P", "recipes/cocoop.ts", "--train", "base", "--epochs", "1", "--quiet"], kit);
      assertEquals(train.code, 0, train.stderr);
      const evaluate = await typed(["run", "-P", "recipes/cocoop.ts", "--eval", "new"], kit);
      assertEquals(evaluate.code, 0, evaluate.stderr);
      assert(/^cocoop, seed 1, new: accuracy /.test(evaluate.stdout), evaluate.stdout);
    });
  } finally {
    for (const folder of [kit, elsewhere]) await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("what a run names as next works as it stands, from one to the next, up to a comparison", async () => {
  const kit = await copyOfKit();
  try {
    const next = ({ code, stdout, stderr }: Ended) => {
      assertEquals(code, 0, stderr);
      return /\nNext, .*:\n {2}(deno task .*)\n$/.exec(stdout)![1];
    };
    const said: string[] = [];
    let command = "deno task coop --epochs 1 --views 0 --shots 2 --train base --eval base";
    for (let step = 0; step < 4; step++) {
      command = next(await shell(command, kit));
      said.push(command);
    }
    assertEquals(said.map((one) => one.split(" ").slice(2, 4).join(" ")), [
      "coop --epochs",
      "coop --epochs",
      "compare --methods",
      "compare --collect",
    ]);
    assert(said[1].endsWith("--seeds 1,2,3"), said[1]);
    const collected = await shell(command, kit);
    assertEquals(collected.code, 0, collected.stderr);
    assert(/^CoOp +\d/m.test(collected.stdout), collected.stdout);
  } finally {
    await Deno.remove(kit, { recursive: true });
  }
});
