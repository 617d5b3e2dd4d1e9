/** Models that are none that this kit runs: each is named for what it is, with what to do. */
import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import type { Dtype } from "../../../src/clip/weights/dtype.ts";
import { DTYPE_BYTES } from "../../../src/clip/weights/dtype.ts";
import { loadWeights } from "../../../src/clip/weights/load.ts";
import { writeSafetensors } from "../../../src/clip/weights/safetensors.ts";
import { UserError } from "../../../src/errors.ts";
import { FIXTURES } from "../fixture_features.ts";
import { huggingFaceNamed, openaiNamed } from "../small_clip.ts";

const ANOTHER = "which this kit does not run: take a CLIP with a vision transformer of OpenAI's kind, ViT-B/16 say.";

/** What loading a file of these tensors says, without the file's path. */
async function said(tensors: Record<string, Dtype>, prefix = ""): Promise<string> {
  const path = await Deno.makeTempFile({ suffix: ".safetensors" });
  try {
    await Deno.writeFile(
      path,
      writeSafetensors(
        Object.entries(tensors).map(([name, dtype]) => [
          prefix + name,
          { dtype, shape: [2], data: new Uint8Array(2 * DTYPE_BYTES[dtype]) },
        ]),
      ),
    );
    const { message } = await assertRejects(() => loadWeights(path), UserError);
    assertEquals(message.includes("download"), false, message);
    return message.replace(path, "FILE");
  } finally {
    await Deno.remove(path);
  }
}

const named = (...names: string[]) => Object.fromEntries(names.map((name): [string, Dtype] => [name, "F32"]));
const TOWERS = ["visual.conv1.weight", "token_embedding.weight", "positional_embedding"];

const CASES: [name: string, tensors: Record<string, Dtype>, says: string][] = [
  [
    "SigLIP of transformers",
    named("vision_model.head.probe", "text_model.head.weight", "logit_scale", "logit_bias"),
    `FILE holds a SigLIP, whose towers and loss are not CLIP's, ${ANOTHER}`,
  ],
  [
    "SigLIP of open_clip",
    named(
      "visual.trunk.pos_embed",
      "visual.trunk.blocks.0.attn.qkv.weight",
      "text.token_embedding.weight",
      "logit_bias",
    ),
    `FILE holds a SigLIP, whose image tower is a trunk of timm's (visual.trunk), ${ANOTHER}`,
  ],
  [
    "EVA02-CLIP of open_clip",
    named("visual.trunk.pos_embed", "visual.trunk.blocks.0.attn.q_bias", "text.token_embedding.weight"),
    `FILE holds an EVA-CLIP, whose image tower is a trunk of timm's (visual.trunk), ${ANOTHER}`,
  ],
  [
    "a timm trunk",
    named("visual.trunk.stem.0.weight", "visual.head.proj.weight", "text.token_embedding.weight"),
    `FILE holds a CLIP whose image tower is a trunk of timm's (visual.trunk), ${ANOTHER}`,
  ],
  [
    "EVA-CLIP of its authors",
    named(
      "visual.cls_token",
      "visual.patch_embed.proj.weight",
      "visual.blocks.0.attn.q_bias",
      "text.positional_embedding",
    ),
    `FILE holds an EVA-CLIP (visual.blocks), ${ANOTHER}`,
  ],
  [
    "CustomTextCLIP",
    named(
      "visual.conv1.weight",
      "visual.proj",
      "text.token_embedding.weight",
      "text.transformer.resblocks.0.ln_1.weight",
    ),
    `FILE holds a CustomTextCLIP of open_clip, whose text tower is a module of its own (text.…), ${ANOTHER}`,
  ],
  [
    "CoCa",
    named(
      "visual.conv1.weight",
      "visual.attn_pool.query",
      "text.token_embedding.weight",
      "text_decoder.ln_final.weight",
    ),
    `FILE holds a CoCa, or another model with attentional pooling, ${ANOTHER}`,
  ],
  [
    "Long-CLIP",
    named(...TOWERS, "positional_embedding_res"),
    `FILE holds a Long-CLIP, whose text tower has a second, residual table of positions, ${ANOTHER}`,
  ],
  [
    "ModifiedResNet",
    named("visual.layer1.0.conv1.weight", "visual.attnpool.positional_embedding"),
    "FILE holds a CLIP with a ModifiedResNet image tower (RN50 and its like), which this kit does not run: take one with " +
    "a vision transformer, ViT-B/16 say.",
  ],
  [
    "a learned prompt",
    named("prompt_learner.ctx", "prompt_learner.token_prefix"),
    "FILE holds a learned prompt and not the CLIP that it was learned for, which this kit does not run: import it with " +
    "deno task import, and give the CLIP with --model.",
  ],
  [
    "LoRA",
    named("base.visual.q_proj.lora_A.weight"),
    "FILE holds LoRA's matrices, to be added to the weights, which this kit does not run: merge them in " +
    "Python (merge_and_unload) and save the whole model.",
  ],
  [
    "a text tower alone",
    named("text_model.embeddings.token_embedding.weight", "text_model.final_layer_norm.weight"),
    "FILE holds the text tower of a CLIP alone, without the vision tower: give a file with both.",
  ],
  [
    "fp8",
    { ...named(...TOWERS), "visual.proj": "F8_E4M3" },
    'FILE holds fp8 weights (its tensor "visual.proj" is F8_E4M3), eight bits a number, which this kit does not read: ' +
    "convert them to half precision, or take the model's file in fp16 or fp32.",
  ],
  [
    "quantised weights",
    { ...named(...TOWERS), "transformer.resblocks.0.mlp.c_fc.weight": "I8" },
    'FILE holds quantised weights (its tensor "transformer.resblocks.0.mlp.c_fc.weight" is I8), which this kit does not ' +
    "read: save the model in half precision or float32.",
  ],
  [
    "another model",
    named("backbone.weight", "fc.weight", "fc.bias", "norm.weight"),
    'FILE is not a whole CLIP that this kit can run, its tensor "visual.conv1.weight" is missing (it has 4: ' +
    '"backbone.weight", "fc.weight", "fc.bias", …): give the weights of a published ViT model, both towers in one file.',
  ],
];

for (const [name, tensors, says] of CASES) {
  Deno.test(`refused by name: ${name}`, async () => {
    for (const prefix of ["", "module."]) {
      assertEquals(await said(tensors, prefix), says);
    }
  });
}

Deno.test("a CLIP's own names are taken for no other model", async () => {
  for (const tensors of [openaiNamed(), huggingFaceNamed()]) {
    const path = await Deno.makeTempFile({ suffix: ".safetensors" });
    await Deno.writeFile(
      path,
      writeSafetensors([...tensors].map(([name, tensor]) => [name, { dtype: "F32", ...tensor }])),
    );
    assertEquals((await loadWeights(path)).config.embedding, 32);
    await Deno.remove(path);
  }
});

const WHOLE = "is a whole model object as torch.save(model) writes it (it asks for its class";
const STATE =
  'and no code of a file is run here: load it in Python, and give what torch.save(model.state_dict(), "clip.pt") writes.';

Deno.test("what PyTorch saves and this kit does not read is named: a whole model, one among other things, fp8", async () => {
  const fixture = async (name: string) => {
    const { message } = await assertRejects(() => loadWeights(`${FIXTURES}/${name}`), UserError);
    return message.replace(`${FIXTURES}/`, "");
  };
  assertEquals(await fixture("whole_model.pt"), `whole_model.pt ${WHOLE} __main__.CLIP), ${STATE}`);
  assertEquals(
    await fixture("whole_model_in_a_dictionary.pt"),
    `whole_model_in_a_dictionary.pt ${WHOLE} torch.nn.parallel.data_parallel.DataParallel), ${STATE}`,
  );
  const eight =
    "eight bits a number, which this kit does not read: convert them to half precision, or take the model's file in fp16 or fp32.";
  assertEquals(
    await fixture("fp8.pt"),
    `fp8.pt holds fp8 weights (its pickle asks for torch._utils._rebuild_tensor_v3), ${eight}`,
  );
  assertEquals(
    await fixture("fp8.safetensors"),
    `fp8.safetensors holds fp8 weights (its tensor "visual.proj" is F8_E4M3), ${eight}`,
  );
});
