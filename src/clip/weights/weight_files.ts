/** The files that hold a model: one, or several that its weights were cut into (shards). */
import { basename, dirname, join } from "node:path";
import { UserError } from "../../errors.ts";
import { fileError, infoOf, readJson, sha256Hex } from "../../files.ts";
import { openRandomAccess, type RandomAccessFile } from "./tensor_file.ts";

/** `model-00001-of-00002.safetensors` */
const SHARD = /^(.+)-(\d{5})-of-(\d{5})(\.safetensors|\.bin)$/;

/** What the weights in a folder are called, the first that is there is taken. */
const IN_A_FOLDER: readonly string[] = [
  "model.safetensors",
  "model.safetensors.index.json",
  "open_clip_model.safetensors",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
  "open_clip_pytorch_model.bin",
];

/** Files that may be weights under any other name. */
const MAY_BE_WEIGHTS = /\.(safetensors|pt|pth|bin)$/i;

/**
 * The files of a model, in order: of a file itself, of one of its shards or their `index.json`, or of a folder as Hugging
 * Face and open_clip lay it out.
 *
 * @throws {UserError} when one is missing, or a folder has none or several
 */
export async function weightFiles(path: string): Promise<string[]> {
  if ((await infoOf(path, "the weights"))?.isDirectory) return await weightFiles(await inFolder(path));
  if (path.endsWith(".index.json")) return await namedByIndex(path);
  const shard = SHARD.exec(basename(path));
  if (shard === null) return [path];
  const [, stem, , count, ending] = shard;
  const number = (i: number) => String(i).padStart(5, "0");
  const names = Array.from({ length: Number(count) }, (_, i) => `${stem}-${number(i + 1)}-of-${count}${ending}`);
  return await allThere(names, { path, why: `is one of ${Number(count)} shards` });
}

async function inFolder(folder: string): Promise<string> {
  let names: string[];
  try {
    names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  } catch (error) {
    throw fileError(error, folder, "read", "the folder");
  }
  const known = IN_A_FOLDER.find((name) => names.includes(name)) ?? names.find((name) => SHARD.test(name));
  if (known !== undefined) return join(folder, known);
  // The cache of a hub: snapshots of a repository, each of a commit.
  const snapshots = names.includes("snapshots")
    ? (await Array.fromAsync(Deno.readDir(join(folder, "snapshots")))).map(({ name }) => `snapshots/${name}`)
    : [];
  const candidates = [...names.filter((name) => MAY_BE_WEIGHTS.test(name)), ...snapshots];
  if (candidates.length === 1) return join(folder, candidates[0]);
  throw new UserError(
    candidates.length === 0
      ? `The folder ${folder} holds no weights (${IN_A_FOLDER[0]}, ${
        IN_A_FOLDER[3]
      } and their like): give the path of a file.`
      : `The folder ${folder} holds ${candidates.length} files that may be weights (${
        candidates.slice(0, 5).join(", ")
      }): name one of them.`,
  );
}

async function namedByIndex(path: string): Promise<string[]> {
  const index = await readJson(path, "the index of the weights", { unique: true }) as { weight_map?: unknown } | null;
  const map = index?.weight_map;
  const names = typeof map === "object" && map !== null ? [...new Set(Object.values(map))] : [];
  if (names.length === 0 || !names.every((name): name is string => typeof name === "string" && isPlain(name))) {
    throw new UserError(
      `${path} is no index of weights, whose "weight_map" names files beside it: give the path of the weights.`,
    );
  }
  return await allThere(names.sort(), { path, why: `names ${names.length} shards` });
}

const isPlain = (name: string) => /^[^/\\\0]+$/.test(name) && name !== "." && name !== "..";

async function allThere(
  names: readonly string[],
  { path, why }: { path: string; why: string },
): Promise<string[]> {
  const paths = names.map((name) => join(dirname(path), name));
  for (const one of paths) {
    if ((await infoOf(one, "the weights"))?.isFile) continue;
    throw new UserError(`${path} ${why}, and ${one} is not there: put it beside the others.`);
  }
  return paths;
}

/** The sha256 of a model's bytes: of its file, or of the sha256s of its shards, a line each. */
export async function weightsSha256(paths: readonly string[]): Promise<string> {
  if (paths.length === 1) return await sha256Hex(paths[0]);
  const each: string[] = [];
  for (const path of paths) each.push(await sha256Hex(path));
  return await sha256Hex(new TextEncoder().encode(each.join("\n")));
}

/** Opens files as if they were one, one after the other; `starts` are where each begins. */
export function openJoined(
  paths: readonly string[],
): { files: RandomAccessFile[]; starts: number[]; joined: RandomAccessFile } {
  const files = paths.map(openRandomAccess);
  const starts: number[] = [];
  let size = 0;
  for (const file of files) {
    starts.push(size);
    size += file.size;
  }
  const joined: RandomAccessFile = {
    path: paths.length === 1 ? paths[0] : dirname(paths[0]),
    size,
    read(offset, length) {
      const i = starts.findLastIndex((start) => start <= offset);
      return files[i].read(offset - starts[i], length);
    },
  };
  return { files, starts, joined };
}
