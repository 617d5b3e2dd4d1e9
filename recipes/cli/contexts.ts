/** CoOp's or CoCoOp's contexts, for methods that are an addition to either. */
import { namedStream } from "../../src/data/random.ts";
import { UserError } from "../../src/errors.ts";
import { cocoop } from "../../src/methods/cocoop.ts";
import { coop } from "../../src/methods/coop.ts";
import type { PromptMethod } from "../../src/methods/prompt_method.ts";
import type { MethodOptions } from "./prompt_recipe.ts";

/**
 * The method that `--over` names, at its start: the same numbers as in its own recipe.
 *
 * @throws {UserError} when CoCoOp is asked for what only CoOp's contexts can be
 */
export function learnedContexts({ model, hyper, classNames, seed, over }: MethodOptions): PromptMethod {
  const start = {
    model,
    initWords: hyper.initWords,
    contextTokens: hyper.contextTokens,
    random: namedStream(seed, "context-init"),
  };
  if (over === "coop") {
    const { classTokenPosition, classSpecific } = hyper;
    return coop({ ...start, classTokenPosition, classSpecific, classes: classNames.length });
  }
  if (hyper.classSpecific || hyper.classTokenPosition !== "end") {
    throw new UserError(
      "CoCoOp's contexts are shared by all classes, with the class name at the end: leave --class-specific and " +
        "--class-token-position out, or take --over coop.",
    );
  }
  return cocoop({
    ...start,
    embedding: model.config.embedding,
    metaNetRandom: namedStream(seed, "meta-net-init"),
  });
}
