/** A run of a few seconds that has all that long ones have: image features, training views, training, evaluation, files. */
import { assertEquals } from "jsr:@std/assert@1.0.19";
import { dirname } from "node:path";
import { ROOT } from "./tasks.ts";

const IMAGES = ["sampling_444.jpg", "sampling_422.jpg", "sampling_420.jpg", "keep_rgb.jpg", "grey.jpg"];
const CLASSES = ["Field", "Forest", "Lake", "River"];

/** Flags of the run: 12 epochs of 4 steps, and checkpoints within epochs. */
export const SMALL_RUN = ("--data images --train base --eval base,new --shots 4 --batch-size 2 --epochs 12 --views 2 " +
  "--context-tokens 4 --checkpoint-every 3 --engine onnx --threads 1").split(" ");

/** Where the run of {@linkcode SMALL_RUN} lives, below the folder that it is started in. */
export const RUN_FOLDER = "runs/images/coop/seed-notebook+epochs=12+batch-size=2+views=2+context-tokens=4" +
  "/sample-on-images/shots4/seed1";

/** A folder with four classes of ten images in `images`; the caller removes it. */
export async function smallFolder(): Promise<string> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "clip-prompts-" }));
  await writeImages(`${folder}/images`);
  return folder;
}

/** Writes four classes of ten images. The bytes behind their end tell them apart, and decode to nothing. */
export async function writeImages(folder: string): Promise<void> {
  for (const name of CLASSES) {
    await Deno.mkdir(`${folder}/${name}`, { recursive: true });
    for (const image of IMAGES) {
      const bytes = await Deno.readFile(`${ROOT}tests/fixtures/images/${image}`);
      for (const copy of ["", "2_"]) {
        const path = `${folder}/${name}/${copy}${image}`;
        await Deno.writeFile(path, bytes);
        await Deno.writeTextFile(path, copy + name, { append: true });
      }
    }
  }
}

/** Weights of the sample's shapes that are not the sample's: one number is another. */
export async function otherWeights(path: string, value = 0): Promise<void> {
  const bytes = await Deno.readFile(`${ROOT}data/sample/model.safetensors`);
  new DataView(bytes.buffer).setFloat32(bytes.length - 4, value, true);
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeFile(path, bytes);
}

/** A recipe as a process of its own in `folder`, allowed everything: what it may touch is another test. */
export function startRecipe(
  folder: string,
  { recipe = "coop", args = SMALL_RUN, deno = [] }: { recipe?: string; args?: readonly string[]; deno?: string[] } = {},
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      "--no-prompt",
      "--cached-only",
      ...(deno.length > 0 ? deno : ["--allow-all"]),
      `${ROOT}recipes/${recipe}.ts`,
      ...args,
    ],
    cwd: folder,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
}

/** Runs a recipe to its end. */
export async function runRecipe(
  folder: string,
  options?: Parameters<typeof startRecipe>[1],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await startRecipe(folder, options).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** What has to be equal between two runs, by file name: all but times and what tells of them. */
export async function resultsOf(runFolder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (
    const { name, isFile } of (await Array.fromAsync(Deno.readDir(runFolder))).sort((a, b) => a.name < b.name ? -1 : 1)
  ) {
    if (!isFile || ["time.json", "report.html", "MODEL_CARD.md"].includes(name)) {
      found.set(name, "there");
      continue;
    }
    const bytes = await Deno.readFile(`${runFolder}/${name}`);
    if (name.startsWith("report-")) {
      const { timing: _, ...report } = JSON.parse(new TextDecoder().decode(bytes));
      found.set(name, JSON.stringify(report));
    } else {
      found.set(name, Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    }
  }
  return found;
}

/** Every file of the run is there, and equal where it does not tell of time. */
export async function assertSameResults(runFolder: string, expected: Map<string, string>, how: string): Promise<void> {
  const found = await resultsOf(runFolder);
  assertEquals([...found.keys()], [...expected.keys()], how);
  for (const [name, content] of expected) assertEquals(found.get(name) === content, true, `${name} differs: ${how}`);
}

/** The one line that a recipe says when it ends with code 2. */
export function assertSentence({ code, stderr }: { code: number; stderr: string }, part: string): void {
  const errors = stderr.trimEnd().split("\n").filter((line) => /^error:|^\s+at |Uncaught/.test(line));
  assertEquals(code, 2, stderr);
  assertEquals(errors.length, 1, stderr);
  assertEquals(errors[0].startsWith("error: "), true, stderr);
  assertEquals(errors[0].includes(part), true, `${errors[0]}\nlacks: ${part}`);
}
