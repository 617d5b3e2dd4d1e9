/** Where runs live, and how an earlier one is found. */
import { createHash } from "node:crypto";
import { STORED_SOURCE } from "../data/sample_features.ts";
import { UserError } from "../errors.ts";
import { fileError } from "../files.ts";
import type { PromptConfig } from "../../recipes/cli/config.ts";
import { flagName } from "../../recipes/cli/settings.ts";

/** The checkpoint after the last epoch: `checkpoint-0100.safetensors`. */
export const FINAL_CHECKPOINT = /^checkpoint-\d{4,}\.safetensors$/;

/** Where a run lives. Whatever differs from the preset stands in the preset's part, so that no run lands in another's folder. */
export function runPath(
  config: PromptConfig,
  run: { method: string; dataset: string; backbone: string; seed: number },
): string {
  const subset = config.train ?? "base";
  const shots = `shots${config.shots}${subset === "base" ? "" : `-${subset}`}`;
  return [config.out, run.dataset, run.method, presetPart(config), run.backbone, shots, `seed${run.seed}`].join("/");
}

/** The preset's name and what was changed: `seed-notebook+epochs=20`. */
export function presetPart(config: PromptConfig): string {
  const changes = config.changed.map((name) => `+${flagName(name)}=${pathPart(String(config[name]))}`);
  return config.preset + changes.join("");
}

/** Longest name that stands in a path as it is; file systems end at 255 bytes, and several names may come together. */
const LONGEST_PART = 100;

/**
 * The model's part of a run's path. A prompt learned from images is not one learned from the sample's stored features,
 * which are of half precision.
 */
export function backbonePart(
  { model, data }: { model: { name: string; sample: boolean }; data: { source: string } },
): string {
  return pathPart(model.sample && data.source !== STORED_SOURCE ? `${model.name}-on-images` : model.name);
}

/** A name that is safe in any path. Long ones, such as lists of templates, are cut and told apart by a hash. */
export function pathPart(name: string): string {
  const part = name.trim().replaceAll(/[^\w.@=-]+/g, "-").replace(/^\.+/, "") || "none";
  if (part.length <= LONGEST_PART) return part;
  return `${part.slice(0, 60)}-${createHash("sha256").update(name).digest("hex").slice(0, 8)}`;
}

/**
 * The folder of the prompt to evaluate: the one that the settings name, or, when they change nothing, the only one that
 * was trained with this preset.
 *
 * @param path from {@linkcode runPath}
 * @throws {UserError} when nothing was trained there; says what to type
 */
export async function findTrained(
  path: string,
  options: { config: PromptConfig; trainCommand: string },
): Promise<string> {
  if (await isTrained(path)) return path;
  const parts = path.split("/");
  const at = parts.length - 4;
  const found: string[] = [];
  if (options.config.changed.length === 0) {
    for await (const entry of listFolder(parts.slice(0, at).join("/"))) {
      if (!entry.name.startsWith(`${parts[at]}+`)) continue;
      const sibling = [...parts.slice(0, at), entry.name, ...parts.slice(at + 1)].join("/");
      if (await isTrained(sibling)) found.push(sibling);
    }
  }
  if (found.length === 1) return found[0];
  const choice = found.length > 1
    ? ` Trained with other settings: ${found.sort().join(", ")}; repeat their flags.`
    : "";
  throw new UserError(`There is no trained prompt in ${path}: train one with "${options.trainCommand}".${choice}`);
}

async function isTrained(path: string): Promise<boolean> {
  for await (const entry of listFolder(path)) if (FINAL_CHECKPOINT.test(entry.name)) return true;
  return false;
}

async function* listFolder(path: string): AsyncIterable<Deno.DirEntry> {
  try {
    yield* Deno.readDir(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof Deno.errors.NotADirectory)) {
      throw fileError(error, path, "read", "the folder");
    }
  }
}
