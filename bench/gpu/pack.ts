/**
 * Packs what a machine with a card and without a network needs to run `bench/gpu/run.ts`: Deno, the kit with its packages
 * and its sample, the reference fixtures, Vulkan's loader, and X's libraries, in parts that can each be sent alone.
 *
 *     deno run --allow-all bench/gpu/pack.ts
 *
 * Linux on x86-64, on both sides. All permissions, because it copies Deno itself.
 */
import { parseArgs } from "jsr:@std/cli@1.0.30/parse-args";
import { fileURLToPath } from "node:url";
import { UserError } from "../../src/errors.ts";
import { printTable, tellUserErrors } from "../measure.ts";

/** A part, with the files and folders in it. */
interface Part {
  name: string;
  /** Paths to pack, and the folder that they are relative to. */
  from: { folder: string; paths: string[] }[];
  /** Patterns of tar's for what is left out. */
  exclude?: string[];
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const KIT = "clip-prompts";
const MOST_BYTES = 60_000_000;
/** What only types, debuggers, browsers and other systems read. */
const UNUSED = [
  ...["*.map", "*.d.ts", ".page", ".tensorflow"],
  ...["darwin", "win32", "linux/arm64"].map((system) => `*/napi-v6/${system}`),
];
/** Folders of libraries, and Debian's packages that they are from. A bare machine has the card's driver alone. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  // What Deno and ONNX Runtime open to reach any driver.
  vulkan: ["libvulkan1"],
  // NVIDIA's driver for Vulkan is linked with X's, also where nothing is shown; taken where the machine has none.
  x11: ["libx11-6", "libxext6", "libxcb1", "libxau6", "libxdmcp6", "libbsd0", "libmd0"],
};

tellUserErrors();
const args = parseArgs(Deno.args, {
  string: ["out"],
  boolean: ["list", "help"],
  default: { out: ".cache/gpu" },
  unknown: (arg) => {
    throw new UserError(`bench/gpu/pack.ts does not know ${arg}: --help lists its flags.`);
  },
});
if (args.help) {
  console.log(
    "deno run --allow-all bench/gpu/pack.ts [--out .cache/gpu] [--list]\n\n" +
      "Writes parts of under 60 MB into the folder, and says how to run them on a machine with a card.\n" +
      "--list only says which files would be in which part.",
  );
  Deno.exit(0);
}

/** What a command prints; its failure is one sentence. */
async function run(command: string, words: string[], cwd = ROOT): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args: words, cwd, stdin: "null" }).output();
  // tar ends with 1 where a file's date changed, as a hard link to it from elsewhere makes it.
  if (code > (command === "tar" ? 1 : 0)) {
    const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
    throw new UserError(`${command} ${words.slice(0, 2).join(" ")} failed (${said}): packing needs it.`);
  }
  return new TextDecoder().decode(stdout);
}

/** Libraries from Debian's packages, unpacked below `stage`. */
async function fetchLibraries(stage: string): Promise<void> {
  for (const [folder, packages] of Object.entries(LIBRARIES)) {
    const debs = `${stage}/${folder}.debs`;
    await Deno.mkdir(debs);
    await run("apt-get", ["download", ...packages], debs);
    for (const { name } of Deno.readDirSync(debs)) {
      await run("dpkg-deb", ["-x", `${debs}/${name}`, `${stage}/${folder}`]);
    }
  }
}

async function parts(stage: string): Promise<Part[]> {
  const tracked = (await run("git", ["ls-files"])).trim().split("\n");
  const shared = await Deno.realPath(`${ROOT}../shared`).catch(() => {
    throw new UserError("The reference fixtures are not in ../shared/reference: packing needs them for parity.");
  });
  return [
    { name: "deno", from: [{ folder: stage, paths: ["deno", ...Object.keys(LIBRARIES)] }] },
    { name: "packages", from: [{ folder: stage, paths: [`${KIT}/node_modules`] }], exclude: UNUSED },
    {
      name: "kit",
      from: [
        { folder: stage, paths: tracked.map((path) => `${KIT}/${path}`) },
        { folder: `${shared}/..`, paths: ["shared/reference"] },
      ],
    },
  ];
}

const stage = await Deno.makeTempDir();
try {
  await Deno.symlink(ROOT, `${stage}/${KIT}`);
  if (!args.list) {
    await Deno.copyFile(Deno.execPath(), `${stage}/deno`);
    await fetchLibraries(stage);
    await Deno.mkdir(args.out, { recursive: true });
  }
  const rows: string[][] = [["part", "bytes"]];
  for (const { name, from, exclude = [] } of await parts(stage)) {
    const patterns = exclude.map((pattern) => `--exclude=${pattern}`);
    const operands = from.flatMap(({ folder, paths }) => ["-C", folder, ...paths]);
    if (args.list) {
      for (const { paths } of from) paths.forEach((path) => console.log(`${name}: ${path}`));
      continue;
    }
    const file = `${args.out}/${name}.tar.gz`;
    await run("tar", ["-czf", await absolute(file), ...patterns, ...operands]);
    const { size } = await Deno.stat(file);
    if (size >= MOST_BYTES) throw new UserError(`The part ${name} has ${size} bytes: more than can be sent at once.`);
    rows.push([`${name}.tar.gz`, String(size)]);
  }
  if (!args.list) {
    printTable(rows);
    console.log(
      `\nThere: for part in *.tar.gz; do tar -xzf $part --no-same-owner; done; cd ${KIT} && ` +
        "../deno run --cached-only --allow-all bench/gpu/run.ts --out results.jsonl",
    );
  }
} finally {
  await Deno.remove(stage, { recursive: true });
}

async function absolute(path: string): Promise<string> {
  return path.startsWith("/") ? path : `${await Deno.realPath(".")}/${path}`;
}
