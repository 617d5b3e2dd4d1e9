/** The CLIP inside a checkpoint beside the model that is named: the same but for rounding, or refused with the tensor's name. */
import { assertEquals, assertGreater, assertThrows } from "jsr:@std/assert@1.0.19";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { UserError } from "../../src/errors.ts";
import { readPublishedPrompt } from "../../src/published/checkpoint.ts";
import { requireFrozen, roundingsOf } from "../../src/published/frozen_towers.ts";
import { sharedTest } from "../shared.ts";
import { inFile, modelPath, towerTensors, withCheckpoint } from "./tower_files.ts";

const MINI4 = modelPath("mini4");

/** What comparing says, or "same". */
async function compared(
  tensors: Awaited<ReturnType<typeof towerTensors>>,
  { model = MINI4, method = "maple" }: { model?: string; method?: string } = {},
): Promise<string> {
  const weights = await loadWeights(model);
  return await withCheckpoint(tensors, (path) => {
    const read = readPublishedPrompt(path);
    assertGreater(read.frozen.length, 100);
    const prompt = { ...read, roundings: roundingsOf(method, read.epoch) };
    try {
      requireFrozen(prompt, { weights, name: "mini4" });
      return "same";
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return error.message.replaceAll(path, "FILE");
    }
  });
}

/** A tensor's numbers, changed. */
async function changed(name: string, by: (value: number) => number, precision: "half" | "float" = "float") {
  const weights = await loadWeights(MINI4);
  const { shape, data } = weights.tensor(name);
  return inFile({ shape, data: data.map(by) }, precision);
}

sharedTest("rounding to half precision is no difference, nor is what an average over epochs rounds", async () => {
  for (const precision of ["half", "float"] as const) {
    for (const method of ["maple", "promptsrc"]) {
      assertEquals(await compared(await towerTensors(method, { name: "mini4_d3", precision }), { method }), "same");
    }
  }
  // Weights that are no half numbers, as other models have them: rounded in the checkpoint, and once only.
  const tensors = await towerTensors("maple", { name: "mini4_d3", precision: "float" });
  const conv = "image_encoder.conv1.weight";
  const within = (factor: number) => changed("visual.conv1.weight", (value) => value * (1 + factor));
  tensors.set(conv, await within(4e-4));
  assertEquals(await compared(tensors), "same");
  tensors.set(conv, await within(6e-4));
  const message =
    'its tensor "image_encoder.conv1.weight" differs by 0.06 % of its length, which is more than rounding';
  assertEquals(
    await compared(tensors),
    `FILE was not trained with mini4: ${message}. Name the model that it was trained with by --model.`,
  );
  // The averaged checkpoint of another method would be another model's.
  const averaged = await towerTensors("promptsrc", { name: "mini4_d3", precision: "half" });
  assertGreater((await compared(averaged, { method: "ivlp" })).indexOf("more than rounding"), 0);
});

sharedTest("another model's, a part of one, and one number are found, in the teacher's copy too", async () => {
  const make = () => towerTensors("promptsrc", { name: "mini4_d3", precision: "float" });
  const says = async (name: string, tensor: ReturnType<typeof inFile> | undefined, message: string, model?: string) => {
    const tensors = await make();
    if (tensor === undefined) tensors.delete(name);
    else tensors.set(name, tensor);
    const said = await compared(tensors, { model });
    assertEquals(said.includes(message), true, said);
  };
  const teacher = "prompt_learner.ZS_image_encoder.ln_post.bias";
  let first = true;
  const one = await changed("visual.ln_post.bias", (value) => first ? (first = false, value + 0.01) : value);
  await says(teacher, one, 'its tensor "ZS_image_encoder.ln_post.bias" differs by');
  await says(
    "text_encoder.ln_final.bias",
    await changed("ln_final.bias", () => NaN),
    '"text_encoder.ln_final.bias" differs by numbers that are not finite',
  );
  await says("logit_scale", inFile({ shape: [1], data: Float32Array.of(5) }, "float"), '"logit_scale" differs by');
  await says(
    "text_encoder.transformer.resblocks.3.mlp.c_fc.bias",
    undefined,
    'is not whole, CLIP\'s tensor "transformer.resblocks.3.mlp.c_fc.bias" is missing in it: download the file again',
  );
  const wide = inFile({ shape: [32, 64], data: new Float32Array(2048) }, "float");
  await says("image_encoder.proj", wide, '"image_encoder.proj" is [32, 64] and the model\'s [64, 32]');
  await says("image_encoder.ln_more.bias", wide, '"image_encoder.ln_more.bias" is none of that model');
  await says("logit_scale", await changed("logit_scale", (x) => x), "is none of that model", modelPath("mini"));
});

Deno.test("only what went through an average was rounded more than once", () => {
  assertEquals(["maple", "ivlp", "prometar", "promptsrc"].map((method) => roundingsOf(method, 20)), [1, 1, 1, 21]);
  assertThrows(() => readPublishedPrompt("none"), UserError, "does not exist");
});
