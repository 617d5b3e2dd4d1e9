/** Losses of `fixtures/prompt_losses.py`, and a method whose text features are its parameters. */
import type { Engine, HostTensor } from "../../src/engine/ops.ts";
import { tape } from "../../src/engine/tape.ts";
import { promptLoss, type PromptMethod } from "../../src/methods/prompt_method.ts";
import { runOnce } from "../engine/ops_cases.ts";
import fixture from "../fixtures/prompt_losses.json" with { type: "json" };

export { fixture };

const { B, C, E } = fixture.shape;

const tensor = (shape: number[], data: readonly number[]): HostTensor => ({ shape, data: Float32Array.from(data) });

/** Hand-written prompts' text features. */
export const hand_CE = tensor([C, E], fixture.hand);

/** A stand-in for CoOp or CoCoOp, of which only the loss is asked. */
export function baseMethod(name: string): PromptMethod {
  return {
    name,
    shape: { contextTokens: 1, classTokenPosition: "end", classSpecific: false },
    params: { ctx: tensor([1, 1], [0]) },
    imageConditioned: name === "cocoop",
    contexts: (_ops, { params }) => params.ctx,
    losses: (ops, inputs) => [promptLoss(ops, inputs)],
  };
}

/** All losses of a method at text features [groups, C, E], and the gradient of each there. */
export async function lossesAt(
  engine: Engine,
  method: PromptMethod,
  text: { groups: number; data: readonly number[] },
): Promise<{ loss: number; gradient: Float32Array }[]> {
  const labels_BC = tensor(
    [B, C],
    fixture.labels.flatMap((label) => Array.from({ length: C }, (_, c) => +(c === label))),
  );
  const names = Object.keys(method.frozen ?? {});
  const outputs = await runOnce(engine, (ops, [text_GCE, images_BE, labels, ...frozen]) => {
    const taped = tape(ops);
    const textFeatures_GCE = taped.variable(text_GCE);
    const losses = method.losses(taped, {
      params: {},
      frozen: Object.fromEntries(names.map((name, i) => [name, taped.fixed(frozen[i])])),
      textFeatures_GCE,
      imageFeatures_BE: taped.fixed(images_BE),
      storedFeatures_BE: taped.fixed(images_BE),
      labels_BC: taped.fixed(labels),
      logitScale: fixture.scale,
    });
    return losses.flatMap((loss) => [loss.value, ...taped.gradients(loss, [textFeatures_GCE])]);
  }, [
    tensor([text.groups, C, E], text.data),
    tensor([B, E], fixture.images),
    labels_BC,
    ...names.map((name) => method.frozen![name]),
  ]);
  return Array.from({ length: outputs.length / 2 }, (_, i) => ({
    loss: outputs[2 * i].data[0],
    gradient: outputs[2 * i + 1].data,
  }));
}
