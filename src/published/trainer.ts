/** By which method a published prompt was learned: by its folders or as its owner says, and never against its tensors. */
import { sameName } from "../data/same_name.ts";
import { didYouMean } from "../did_you_mean.ts";
import { UserError } from "../errors.ts";
import { KIT_METHODS } from "../methods/kit.ts";
import { learnsPrompts, type PromptLearning, withVariants } from "../methods/method.ts";
import { orList } from "../methods/setting.ts";
import type { PublishedPrompt } from "./checkpoint.ts";
import { OTHER_TRAINERS } from "./layouts.ts";

const TRAINERS = KIT_METHODS.flatMap(withVariants).filter(learnsPrompts);

/** What the published code calls trainers that have another name here. */
const PUBLISHED: Readonly<Record<string, string>> = {
  "coop-dept": "ExtrasLinearProbeCoOp",
  "cocoop-dept": "ExtrasLinearProbeCoCoOp",
  "kgcoop-dept": "ExtrasLinearProbeKgCoOp",
};

const trainerName = ({ name, label }: PromptLearning) => PUBLISHED[name] ?? label;

/** Names that the folders of trainers have, of those that are not imported too. */
export const TRAINER_NAMES: readonly string[] = [...TRAINERS.map(trainerName), ...OTHER_TRAINERS];

/**
 * The method that learned a prompt. Several leave the same tensors: then `folder`, the trainer's name in the path, or
 * `asked`, as given with `--method`, has to tell.
 *
 * @throws {UserError} where nothing tells, or what tells does not go together
 */
export function methodOf(
  { layout, file: { path } }: Pick<PublishedPrompt, "layout" | "file">,
  { folder, asked }: { folder?: string; asked?: string },
): PromptLearning {
  const possible = TRAINERS.filter(({ name }) => layout.methods.includes(name));
  const leave = `${orList(possible.map(({ label }) => label))} ${possible.length === 1 ? "leaves" : "leave"}`;
  const flag = `--method ${orList(possible.map(({ name }) => name))}`;
  const told = folder === undefined ? undefined : named(folder);
  const isForeign = folder !== undefined && OTHER_TRAINERS.some((name) => sameName(name, folder));
  if (isForeign) {
    throw new UserError(
      `${path} was trained by ${folder}, as its folder says: prompts of that method are not imported.`,
    );
  }
  const found = asked === undefined ? told : named(asked);
  if (asked !== undefined && found === undefined) {
    const names = TRAINERS.map(({ name }) => name);
    throw new UserError(`No method "${asked}" learns prompts.${didYouMean(asked, names)} For this file say ${flag}.`);
  }
  if (told !== undefined && found !== told) {
    throw new UserError(
      `${path} was trained by ${folder}, as its folder says, and not by ${
        found!.label
      }: leave --method out, or give the ` +
        "file from another folder.",
    );
  }
  if (found === undefined) {
    if (possible.length === 1 && folder === undefined) return possible[0];
    const says = folder === undefined ? "its folders do not say which trained it" : `its folder says "${folder}"`;
    throw new UserError(`${path} holds tensors as ${leave} them, and ${says}: say ${flag}.`);
  }
  if (possible.includes(found)) return found;
  throw new UserError(
    `${path} holds tensors as ${leave} them, and ${
      asked === undefined
        ? `its folder says ${folder}: give the file from another folder, with ${flag}`
        : `--method says ${asked}: say ${flag}`
    }.`,
  );
}

function named(name: string): PromptLearning | undefined {
  return TRAINERS.find((method) => [trainerName(method), method.name].some((own) => sameName(own, name)));
}
