/** Where the weights of a model are: a file that the user names, or a downloaded one by its name. */
import { basename, dirname, join } from "node:path";
import { didYouMean } from "../did_you_mean.ts";
import { UserError } from "../errors.ts";
import { infoOf } from "../files.ts";
import { CATALOGUE, findItem } from "./downloads.ts";

/** Where weights are. */
export interface ModelFile {
  /** Of a file, or of a folder that holds it. */
  path: string;
  /** For folders and reports: `ViT-B/16`, or what the file is called. */
  name: string;
}

/** Common names of files of weights; the name of the folder says more. */
const COMMON_NAMES = /^(model|pytorch_model|open_clip_model|open_clip_pytorch_model)$/;

/**
 * Finds the weights that `--model` asks for: by a name of the catalogue (`ViT-B/16`, any case), or by the path of a file or
 * folder.
 *
 * @throws {UserError} When the file is missing (the sentence names the command that downloads it), or the name is unknown.
 */
export async function findModel(name: string, options: { folder?: string } = {}): Promise<ModelFile> {
  const item = findItem(name);
  const isFileName = /\.(pt|pth|bin|safetensors|json)$/i.test(name);
  if (item?.kind === "model" && !isFileName) {
    const path = join(options.folder ?? "data", item.files[0].path);
    if (await infoOf(path, "the weights") !== undefined) return { path, name: item.name };
    throw new UserError(
      `The weights of ${item.name} are not downloaded (no file ${path}): run "deno task download ${item.name}".`,
    );
  }
  const info = await infoOf(name, "the weights");
  if (info !== undefined) return { path: name, name: givenName(name, info) };
  if (isFileName) throw new UserError(`There are no weights ${name}: check the path.`);
  const names = CATALOGUE.items.filter(({ kind }) => kind === "model").map(({ name }) => name);
  throw new UserError(
    `There is no model ${name}.${didYouMean(name, names)} Known are ${
      names.join(", ")
    }; or give the path of a file or folder.`,
  );
}

/** The cache of a hub: `models--laion--CLIP-ViT-B-32/snapshots/COMMIT/model.safetensors` */
const IN_A_HUB = /(?:^|[\\/])models--(?:.*--)?([^\\/]+?)(?:[\\/]|$)/;

function givenName(path: string, { isDirectory }: { isDirectory: boolean }): string {
  const hub = IN_A_HUB.exec(path);
  if (hub !== null) return hub[1];
  const name = basename(path);
  if (isDirectory) return /\w/.test(name) ? name : basename(Deno.realPathSync(path));
  const stem = name.replace(/\.index\.json$/, "").replace(/\.\w+$/, "").replace(/-\d{5}-of-\d{5}$/, "");
  const folder = basename(dirname(path));
  return COMMON_NAMES.test(stem) && /\w/.test(folder) ? folder : stem;
}
