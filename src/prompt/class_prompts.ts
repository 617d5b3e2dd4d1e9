/** The prompts of classes, as a method shapes them. */
import { type ClipModel, textPrompts } from "../clip/model.ts";
import { type ClassPrompt, classPrompt } from "../clip/prompt_layout.ts";
import { spokenName } from "../clip/spoken_name.ts";
import type { PromptMethod } from "../methods/prompt_method.ts";
import { fillTemplate } from "../methods/zero_shot.ts";

/**
 * The prompts of `classNames` for a method on a model. Underscores in names are spaces, as published.
 *
 * @throws {UserError} when the prompt of a class is longer than the model reads
 */
export function promptsOf(
  model: Pick<ClipModel, "config" | "tokenizer">,
  { shape, handWritten }: Pick<PromptMethod, "shape" | "handWritten">,
  classNames: readonly string[],
): ClassPrompt[] {
  // Their features are computed elsewhere; that they fit is asked with the prompts.
  if (handWritten !== undefined) textPrompts(model, classNames.map((name) => fillTemplate(handWritten, name)));
  return classNames.map((className) => {
    const name = spokenName(className);
    const words = fillTemplate(shape.text ?? "{}.", name);
    return classPrompt([...model.tokenizer.encode(words), model.tokenizer.endToken], {
      contextTokens: shape.contextTokens,
      nameLength: model.tokenizer.encode(name).length,
      position: shape.classTokenPosition,
      classSpecific: shape.classSpecific,
      // Tokens that come in later take no place of the text.
      longest: model.config.text.context + (shape.below === undefined ? 0 : shape.contextTokens),
      className,
    });
  });
}
