/** Whether a published prompt is whole and fits a model: beside the tensors that its method learns there. */
import type { ClipConfig } from "../clip/config.ts";
import type { ClipModel } from "../clip/model.ts";
import { namedStream } from "../data/random.ts";
import { UserError } from "../errors.ts";
import type { PromptLearning, Values } from "../methods/method.ts";
import type { Parameter } from "../optim/sgd.ts";
import type { PublishedPrompt } from "./checkpoint.ts";
import type { TokenTable } from "./class_names.ts";

/**
 * The learned tensors that a method has with these settings; tensors of layers that the model does not have are left out.
 *
 * @throws {UserError} when one is missing, is of another shape, or is none of the method's; names it
 */
export async function fittingParameters(
  { layout, params, file: { path } }: PublishedPrompt,
  { method, values, classNames, table, config }: {
    method: PromptLearning;
    values: Values;
    classNames: readonly string[];
    table: TokenTable;
    config: ClipConfig;
  },
): Promise<Record<string, Parameter>> {
  // Only shapes are asked for: sizes and words of the model are enough, and texts may have any features.
  const model = {
    config,
    tokenizer: table.tokenizer,
    tokenEmbedding: table.embedding,
    encodeTexts: ({ length: C }: string[]) =>
      Promise.resolve({ shape: [C, config.embedding], data: new Float32Array(C * config.embedding).fill(1) }),
  } as unknown as ClipModel;
  const { params: learned, classBlock } = await method.prompt({
    model,
    classNames: [...classNames],
    settings: values,
    template: "a photo of a {}.",
    random: (name) => namedStream(0, name),
    trains: false,
  });
  const layers = { text: config.text.layers, image: config.image.layers };
  if (classBlock !== undefined && classBlock !== values.classBlock) {
    throw new UserError(
      `${method.label}'s tokens of the classes come in before text block ${values.classBlock}, and the text tower of ` +
        `${table.name} has blocks 0 to ${layers.text - 1}: say before which they came in by --class-block.`,
    );
  }
  const kept = Object.entries(params).filter(([name]) => !layout.unused?.(name, layers));
  const { label } = method;
  const known = Object.fromEntries(kept);
  for (const [name, { shape }] of Object.entries(learned)) {
    if (known[name] === undefined) {
      throw new UserError(
        `${path} is not whole, ${label}'s tensor "${name}" is missing in it: download the file again.`,
      );
    }
    if (`${known[name].shape}` !== `${shape}`) {
      throw new UserError(
        `"${name}" of ${path} is [${known[name].shape.join(", ")}] and ${label} learns [${shape.join(", ")}] with ` +
          `${table.name}: check --model, or download the file again.`,
      );
    }
  }
  const foreign = kept.find(([name]) => learned[name] === undefined)?.[0];
  if (foreign === undefined) return known;
  throw new UserError(`${path} holds "${foreign}", which ${label} does not learn with ${table.name}: check --model.`);
}
