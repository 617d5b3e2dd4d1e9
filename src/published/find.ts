/** Finds the checkpoint in a folder as the published code leaves it. */
import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import { fileError, MOST_TEXT_BYTES, readIfThere } from "../files.ts";

/** Folders of the models that Dassl saves, in a run's folder. */
const MODEL_FOLDERS = ["prompt_learner", "MultiModalPromptLearner", "VLPromptLearner", "PromptLearner", "."];

/**
 * A checkpoint's file: as named, or of a folder the latest, which its file `checkpoint` names, or the only one.
 *
 * @throws {UserError} when the folder does not tell
 */
export async function findCheckpoint(path: string): Promise<string> {
  try {
    if (!(await Deno.stat(path)).isDirectory) return path;
  } catch (error) {
    throw fileError(error, path, "read", "the checkpoint");
  }
  for (const model of MODEL_FOLDERS) {
    const folder = join(path, model);
    const latest = await readIfThere(join(folder, "checkpoint"), "the checkpoint's name", MOST_TEXT_BYTES);
    if (latest !== undefined) return join(folder, basename(new TextDecoder().decode(latest).trim()));
    const files = await checkpointsIn(folder);
    if (files.length === 1) return join(folder, files[0]);
    if (files.length > 1) {
      throw new UserError(
        `The folder ${folder} has no file "checkpoint" that names one of ${files.join(", ")}: name it.`,
      );
    }
  }
  throw new UserError(
    `The folder ${path} has no file "checkpoint" that names one: name the file model.pth.tar-N itself.`,
  );
}

async function checkpointsIn(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter(({ isFile, name }) => isFile && /\.pth\.tar(-\d+)?$/.test(name)).map(({ name }) => name)
      .sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw fileError(error, folder, "read", "the folder");
  }
}
