/** Where the weights of a model are: a file that the user names, or a downloaded one by its name. */
import { basename, dirname, join } from "node:path";
import { didYouMean } from "../did_you_mean.ts";
import { UserError } from "../errors.ts";
import { infoOf } from "../files.ts";
import { CATALOGUE, findItem } from "./downloads.ts";

/** A file of weights. */
export interface ModelFile {
  path: string;
  /** For folders and reports: `ViT-B/16`, or what the file is called. */
  name: string;
}

/** Common names of files of weights; the name of the folder says more. */
const COMMON_NAMES = /^(model|pytorch_model|open_clip_model|open_clip_pytorch_model)$/;

/**
 * Finds the weights that `--model` asks for: by a name of the catalogue (`ViT-B/16`, any case), or by the path of a file.
 *
 * @throws {UserError} When the file is missing (the sentence names the command that downloads it), or the name is unknown.
 */
export async function findModel(name: string, options: { folder?: string } = {}): Promise<ModelFile> {
  const item = findItem(name);
  const isFileName = /\.(pt|pth|bin|safetensors)$/i.test(name);
  if (item?.kind === "model" && !isFileName) {
    const path = join(options.folder ?? "data", item.files[0].path);
    if (await isFile(path)) return { path, name: item.name };
    throw new UserError(
      `The weights of ${item.name} are not downloaded (no file ${path}): run "deno task download ${item.name}".`,
    );
  }
  if (await isFile(name)) return { path: name, name: fileName(name) };
  if (isFileName) throw new UserError(`There are no weights ${name}: check the path.`);
  const names = CATALOGUE.items.filter(({ kind }) => kind === "model").map(({ name }) => name);
  throw new UserError(
    `There is no model ${name}.${didYouMean(name, names)} Known are ${names.join(", ")}; or give the path of a file.`,
  );
}

async function isFile(path: string): Promise<boolean> {
  const info = await infoOf(path, "the weights");
  if (info === undefined || info.isFile) return info !== undefined;
  throw new UserError(
    `${path} is a folder: give the file of weights in it, such as ${join(path, "model.safetensors")}.`,
  );
}

function fileName(path: string): string {
  const stem = basename(path).replace(/\.\w+$/, "");
  const folder = basename(dirname(path));
  return COMMON_NAMES.test(stem) && /\w/.test(folder) ? folder : stem;
}
