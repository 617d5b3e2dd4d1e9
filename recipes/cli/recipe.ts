/**
 * What a recipe says of itself, and how it is run: errors become sentences, and exit codes mean something.
 * 0 done, 1 a defect of the kit, 2 something that the user can mend.
 */
import { UserError } from "../../src/errors.ts";
import { helpText } from "./help.ts";
import { commandWith, permissionAdvice } from "./permissions.ts";
import type { SettingName } from "./settings.ts";

/** A recipe as `--help` and messages need it. */
export interface RecipeInfo {
  /** The method's name in presets, folders and reports. */
  method: string;
  /** The task that starts it, where that is called otherwise than the method. */
  task?: string;
  /** One or two sentences. */
  title: string;
  /** `import.meta.url` of the recipe. */
  url: string;
  /** The settings that it has, in the order of `--help`. */
  settings: readonly SettingName[];
  /** Other words for settings in `--help`, where they mean something else here. */
  words?: Partial<Record<SettingName, string>>;
  /** The values of settings that were not given, by the number of shots, where no preset tells them. */
  defaults?: (shots: number) => object;
  /** Commands that work as they stand. */
  examples: readonly string[];
}

/**
 * Runs a recipe as a program.
 *
 * @param recipe what it says of itself
 * @param body does the work; throws {@linkcode UserError} for what the user can mend
 */
export async function runRecipe(recipe: RecipeInfo, body: (args: string[]) => Promise<void>): Promise<void> {
  if (Deno.args.includes("--help") || Deno.args.includes("-h")) {
    console.log(helpText(recipe));
    return;
  }
  try {
    await body(Deno.args);
  } catch (error) {
    Deno.exitCode = report(error, recipe);
  }
  // Engines keep worker threads and handles that would hold the process open.
  Deno.exit();
}

function report(error: unknown, recipe: RecipeInfo): number {
  const advice = permissionAdvice(error, recipe);
  const mendable = advice !== undefined || error instanceof UserError;
  const reason = error instanceof Error ? error.message : String(error);
  if (advice !== undefined) console.error(`error: ${advice}`);
  else if (mendable) console.error(`error: ${reason}`);
  else console.error(`error: ${reason.split("\n")[0]} (a defect of this kit, not of what you typed)`);
  if (Deno.args.includes("--debug")) console.error(error);
  else if (!mendable) console.error(`For a stack trace: ${commandWith(recipe, ["--debug"])}`);
  return mendable ? 2 : 1;
}
