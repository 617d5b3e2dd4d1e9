/** Weights that were lost in training or conversion are refused on loading, with the tensor's name. */
import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { type FloatDtype } from "../../../src/clip/weights/dtype.ts";
import { loadWeights } from "../../../src/clip/weights/load.ts";
import { writeSafetensors } from "../../../src/clip/weights/safetensors.ts";
import { UserError } from "../../../src/errors.ts";
import { openaiNamed } from "../small_clip.ts";

/** What loading says after a tensor was changed; undefined where it loads. */
async function said(
  name: string,
  change: (data: Float32Array) => void,
  dtype: FloatDtype = "F32",
): Promise<string | undefined> {
  const path = await Deno.makeTempFile({ suffix: ".safetensors" });
  try {
    const tensors = openaiNamed();
    const { shape, data } = tensors.get(name)!;
    const changed = data.slice();
    change(changed);
    tensors.set(name, { shape, data: changed });
    await Deno.writeFile(path, writeSafetensors([...tensors].map(([name, tensor]) => [name, { dtype, ...tensor }])));
    await loadWeights(path);
    return undefined;
  } catch (error) {
    const { message } = await assertRejects(() => Promise.reject(error), UserError);
    return message.replace(path, "FILE");
  } finally {
    await Deno.remove(path);
  }
}

const TAKE = "take another checkpoint, or save it again in float32, whose numbers do not overflow.";

Deno.test("NaN and infinite numbers are refused with the tensor's name, one row of an unused token too", async () => {
  for (const dtype of ["F32", "F16", "BF16", "F64"] as const) {
    assertEquals(
      await said("token_embedding.weight", (data) => data[17 * 128 + 5] = NaN, dtype),
      `The tensor "token_embedding.weight" of FILE holds NaN in row (token) 17 alone: ${TAKE}`,
    );
  }
  assertEquals(
    await said("visual.transformer.resblocks.1.mlp.c_fc.weight", (data) => data.set([1e30, -1e30], 64), "F16"),
    `The tensor "visual.transformer.resblocks.1.mlp.c_fc.weight" of FILE holds an infinite number in row 1 alone: ${TAKE}`,
  );
  assertEquals(
    await said("visual.proj", (data) => [0, 40].forEach((at) => data[at] = -Infinity)),
    `The tensor "visual.proj" of FILE holds an infinite number in 2 of 64 rows, row 0 first: ${TAKE}`,
  );
  assertEquals(
    await said("ln_final.bias", (data) => data.fill(NaN)),
    `The tensor "ln_final.bias" of FILE holds NaN: ${TAKE}`,
  );
  assertEquals(
    await said("logit_scale", (data) => data.fill(NaN)),
    `The tensor "logit_scale" of FILE holds NaN: ${TAKE}`,
  );
  // The last number of a tensor that is no multiple of what is looked at at once.
  assertEquals(
    await said("visual.positional_embedding", (data) => data[data.length - 1] = NaN),
    `The tensor "visual.positional_embedding" of FILE holds NaN in row 4 alone: ${TAKE}`,
  );
});

Deno.test("a logit scale whose exponential is infinite is refused", async () => {
  assertEquals(
    await said("logit_scale", (data) => data.fill(89)),
    'The tensor "logit_scale" of FILE is 89, the logarithm of an infinite scale (CLIP\'s ends at ln 100, 4.6): take ' +
      "another checkpoint.",
  );
  assertEquals(await said("logit_scale", (data) => data.fill(88)), undefined);
});

Deno.test("a tensor that is zero all over is refused, but not a bias", async () => {
  for (const name of ["visual.proj", "ln_final.weight", "visual.class_embedding"]) {
    assertEquals(
      await said(name, (data) => data.fill(0)),
      `The tensor "${name}" of FILE is zero all over, as of a model that was never trained or loaded: give the file that was ` +
        "trained.",
    );
  }
  for (const name of ["ln_final.bias", "transformer.resblocks.0.attn.in_proj_bias", "logit_scale"]) {
    assertEquals(await said(name, (data) => data.fill(0)), undefined);
  }
  // Large numbers of both signs add up to no NaN.
  assertEquals(await said("visual.proj", (data) => data.set([3e38, 3e38, -3e38, -3e38])), undefined);
});
