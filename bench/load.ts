/**
 * Loading weights at full size: an archive of each kind with random numbers is written, then loaded in a process of its
 * own, which reads every tensor as float32 and keeps them all; seconds, and the peak of memory over the float32 size.
 *
 *     deno task bench:load --json
 */
import process from "node:process";
import { parseArgs } from "jsr:@std/cli@1.0.30/parse-args";
import { type ClipConfig, tensorShapes } from "../src/clip/config.ts";
import { type FloatDtype, floatsTo } from "../src/clip/weights/dtype.ts";
import { loadWeights } from "../src/clip/weights/load.ts";
import { printJson, printTable, round, tellUserErrors } from "./measure.ts";
import { noiseTensor, VIT_B_16 } from "./random_clip.ts";
import { type ArchiveTensor, scriptModules, stateDictionary, writeTorchArchive } from "./torch_archive.ts";

const VIT_L_14: ClipConfig = {
  embedding: 768,
  image: { size: 224, patch: 14, width: 1024, layers: 24, heads: 16 },
  text: { context: 77, vocabulary: 49408, width: 768, layers: 12, heads: 12 },
};

const CACHE = ".cache";

/** OpenAI's own layout, and the largest of the others. */
const CASES = [
  { model: "ViT-B/16", config: VIT_B_16, kind: "TorchScript, half", dtype: "F16", script: true },
  { model: "ViT-B/16", config: VIT_B_16, kind: "state dictionary, float32", dtype: "F32", script: false },
  { model: "ViT-L/14", config: VIT_L_14, kind: "TorchScript, half", dtype: "F16", script: true },
  { model: "ViT-L/14", config: VIT_L_14, kind: "state dictionary, float32", dtype: "F32", script: false },
] as const satisfies readonly { model: string; config: ClipConfig; kind: string; dtype: FloatDtype; script: boolean }[];

function writeRandom(path: string, { config, dtype, script }: (typeof CASES)[number]): void {
  const tensors = new Map<string, ArchiveTensor>();
  let seed = 0;
  for (const [name, shape] of tensorShapes(config)) {
    const own = ++seed;
    tensors.set(name, { dtype, shape, bytes: () => floatsTo(noiseTensor(shape, own, 0.1).data, dtype) });
  }
  writeTorchArchive(path, { root: script ? scriptModules(tensors) : stateDictionary(tensors), tensors, script });
}

/** Loads a file and keeps every tensor, as the largest use of it would. */
async function load(path: string): Promise<void> {
  const start = performance.now();
  const weights = await loadWeights(path);
  const opened = performance.now();
  const kept = weights.names().map((name) => weights.tensor(name));
  const end = performance.now();
  const float32Bytes = kept.reduce((sum, { data }) => sum + data.byteLength, 0);
  console.log(JSON.stringify({
    openSeconds: round((opened - start) / 1000, 2),
    seconds: round((end - start) / 1000, 2),
    float32Bytes,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  }));
}

tellUserErrors();
const args = parseArgs(Deno.args, { string: ["load"], boolean: ["json", "help"] });
if (args.help) {
  console.log("deno task bench:load [--json]\n\nWrites up to 1.7 GB below .cache and removes it again.");
} else if (args.load !== undefined) {
  await load(args.load);
} else {
  await Deno.mkdir(CACHE, { recursive: true });
  const folder = await Deno.makeTempDir({ dir: CACHE, prefix: "load-" });
  try {
    const results: Record<string, string | number>[] = [];
    for (const wanted of CASES) {
      const path = `${folder}/model.pt`;
      writeRandom(path, wanted);
      const { code, stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["run", `--allow-read=${folder}`, import.meta.url, "--load", path],
        stderr: "inherit",
      }).output();
      if (code !== 0) Deno.exit(code);
      const measured = JSON.parse(new TextDecoder().decode(stdout));
      const fileBytes = Deno.statSync(path).size;
      results.push({
        model: wanted.model,
        kind: wanted.kind,
        fileBytes,
        ...measured,
        peakRatio: round(measured.peakBytes / measured.float32Bytes, 2),
      });
    }
    console.log("Loading weights: file hashed, every tensor read as float32 and kept");
    printTable([
      ["model", "file", "file MB", "float32 MB", "seconds", "peak MB", "peak / float32"],
      ...results.map((r) => [
        String(r.model),
        String(r.kind),
        ...[r.fileBytes, r.float32Bytes].map((bytes) => String(round(Number(bytes) / 1e6, 0))),
        String(r.seconds),
        String(round(Number(r.peakBytes) / 1e6, 0)),
        String(r.peakRatio),
      ]),
    ]);
    printJson(args, { bench: "load", files: results });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
