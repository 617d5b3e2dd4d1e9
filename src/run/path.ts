/** Where runs live: `OUT/DATASET/METHOD/PRESET/BACKBONE/shots16/seed1`, and how one that is there is found. */
import { createHash } from "node:crypto";
import { fileError } from "../files.ts";
import { flagName } from "../methods/setting.ts";
import type { RunConfig } from "./config.ts";

/** The checkpoint after the last epoch: `checkpoint-0100.safetensors`. */
export const FINAL_CHECKPOINT = /^checkpoint-\d{4,}\.safetensors$/;

/** What the settings do not say of a run's place. */
export interface RunPlace {
  /** The data set's name. */
  dataset: string;
  /** The model's part, from `backbonePart`. */
  backbone: string;
  /** Null for methods that draw no images. */
  seed: number | null;
}

/**
 * Where a run lives. Whatever differs from the preset stands in the preset's part, so that no run lands in another's folder;
 * a folder that has the same changes in another order is the run's own.
 */
export async function runPath(config: RunConfig, place: RunPlace): Promise<string> {
  const { method, run, train, shots } = config;
  const above = [run.out, pathPart(place.dataset.toLowerCase()), method.name].join("/");
  const subset = train ?? "base";
  const below = [
    place.backbone,
    ...(place.seed === null ? [] : [`shots${shots}${subset === "base" ? "" : `-${subset}`}`, `seed${place.seed}`]),
  ].join("/");
  const part = settingsPart(config);
  const known = (await folderNames(above)).filter((name) => name !== part && sameChanges(name, part));
  for (const name of known) {
    if ((await folderNames(`${above}/${name}/${below}`, { files: true })).length > 0) {
      return `${above}/${name}/${below}`;
    }
  }
  return `${above}/${part}/${below}`;
}

/** The preset's name and what was changed: `seed-notebook+epochs=20`. */
export function settingsPart({ method, values, preset, changed }: RunConfig): string {
  if (method.folder !== undefined) return pathPart(method.folder(values));
  const changes = changed.map((name) => `+${flagName(name)}=${pathPart(String(values[name]))}`);
  return (preset ?? "published") + changes.join("");
}

function sameChanges(a: string, b: string): boolean {
  const sorted = (part: string) => part.split("+").sort().join("+");
  return a.length === b.length && sorted(a) === sorted(b);
}

/** Longest name that stands in a path as it is; file systems end at 255 bytes, and several names may come together. */
const LONGEST_PART = 100;

/** A name that is safe in any path, in any script. Long ones, such as lists of templates, are cut and told apart by a hash. */
export function pathPart(name: string): string {
  const part = name.normalize("NFC").trim().replaceAll(/[^\p{L}\p{M}\p{N}_.@=-]+/gu, "-").replace(/^\.+/, "") || "none";
  const isTelling = /[\p{L}\p{N}]/u.test(part) || part === "none";
  if (new TextEncoder().encode(part).length <= LONGEST_PART && isTelling) return part;
  // Whole letters, as many as fit.
  const { read } = new TextEncoder().encodeInto(part, new Uint8Array(60));
  const head = isTelling ? part.slice(0, read) : "name";
  return `${head}-${createHash("sha256").update(name.normalize("NFC")).digest("hex").slice(0, 8)}`;
}

/** The folders of trained prompts that differ from a run's path in their settings alone. */
export async function trainedSiblings(path: string): Promise<string[]> {
  const parts = path.split("/");
  const at = parts.length - 4;
  const found: string[] = [];
  for (const name of await folderNames(parts.slice(0, at).join("/"))) {
    if (!name.startsWith(`${parts[at]}+`)) continue;
    const sibling = [...parts.slice(0, at), name, ...parts.slice(at + 1)].join("/");
    if (await isTrained(sibling)) found.push(sibling);
  }
  return found.sort();
}

/** Whether a folder holds a trained prompt. */
export async function isTrained(path: string): Promise<boolean> {
  return (await folderNames(path, { files: true })).some((name) => FINAL_CHECKPOINT.test(name));
}

async function folderNames(path: string, { files = false } = {}): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).filter(({ isDirectory, isSymlink }) =>
      files || isDirectory || isSymlink
    ).map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return [];
    throw fileError(error, path, "read", "the folder");
  }
}
