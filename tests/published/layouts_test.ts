import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import type { ArchiveTensor } from "../../bench/torch_archive.ts";
import { UserError } from "../../src/errors.ts";
import { readPublishedPrompt } from "../../src/published/checkpoint.ts";
import { ones, withCheckpoint } from "./tower_files.ts";

const D = 64;
const CTX = { ctx: ones(4, D) };
const META = {
  "meta_net.linear1.weight": ones(2, 32),
  "meta_net.linear1.bias": ones(2),
  "meta_net.linear2.weight": ones(D, 2),
  "meta_net.linear2.bias": ones(D),
};
const TCP = { ...META, "meta_net.linear2.weight": ones(4 * D, 2), "meta_net.linear2.bias": ones(4 * D) };
const HEAD = {
  "film_lp_img.scale": ones(32),
  "film_lp_img.bias": ones(32),
  "film_lp_text.scale": ones(32),
  "film_lp_text.bias": ones(32),
  "linear_probe_proj.weight": ones(3, 32),
  "linear_probe_proj.bias": ones(3),
};
const VPT = "image_encoder.VPT";
const deep = (tower: string, block: number) => `${tower}_encoder.transformer.resblocks.${block}.VPT_shallow`;

const read = (tensors: Record<string, ArchiveTensor>) =>
  withCheckpoint(new Map(Object.entries(tensors)), readPublishedPrompt);

Deno.test("tensors tell which trainers left them, which of them were learned, and lengths and depths", async () => {
  const cases: [Record<string, ArchiveTensor>, string[], string[], Record<string, unknown>][] = [
    [CTX, ["coop", "kgcoop", "prograd"], ["ctx"], { contextTokens: 4, classSpecific: false }],
    [{ ctx: ones(3, 5, D) }, ["coop", "kgcoop", "prograd"], ["ctx"], { contextTokens: 5, classSpecific: true }],
    [{ ...CTX, ...META }, ["cocoop"], ["ctx", ...Object.keys(META)], { contextTokens: 4 }],
    // KgCoOp's code stores a net and a vector that it never uses.
    [
      {
        ...CTX,
        bias_vectors: ones(1, D),
        "meta_net.linear1.weight": ones(D, D),
        "meta_net.linear1.bias": ones(D),
      },
      ["kgcoop"],
      ["ctx"],
      { contextTokens: 4, classSpecific: false },
    ],
    [
      {
        "prompt_learner.ctx": ones(2, D),
        "prompt_learner.proj.weight": ones(96, D),
        "prompt_learner.proj.bias": ones(96),
        "prompt_learner.compound_prompts_text.0": ones(2, D),
        "prompt_learner.compound_prompt_projections.0.weight": ones(96, D),
        "prompt_learner.compound_prompt_projections.0.bias": ones(96),
      },
      ["maple"],
      [
        "ctx",
        "proj.weight",
        "proj.bias",
        "compound_prompts_text.0",
        "compound_prompt_projections.0.weight",
        "compound_prompt_projections.0.bias",
      ],
      { contextTokens: 2, depth: 2 },
    ],
    [
      { "module.prompt_learner.ctx": ones(2, D), "module.prompt_learner.proj.weight": ones(96, D) },
      ["maple"],
      ["ctx", "proj.weight"],
      { contextTokens: 2, depth: 1 },
    ],
    [
      {
        "prompt_learner.ctx": ones(5, D),
        [VPT]: ones(3, 96),
        [deep("image", 1)]: ones(3, 96),
        [deep("text", 3)]: ones(5, D),
      },
      ["ivlp", "promptsrc", "prometar"],
      ["ctx", VPT, deep("image", 1), deep("text", 3)],
      { textTokens: 5, textDepth: 4, imageTokens: 3, imageDepth: 2 },
    ],
    [{ ...CTX, ...TCP }, ["tcp"], ["ctx", ...Object.keys(TCP)], { contextTokens: 4, classBlock: 8, lambda: 8 }],
    // DePT saves the whole model; its KgCoOp what that makes and never uses.
    [
      { "prompt_learner.ctx": ones(4, D), "image_encoder.proj": ones(96, 32), logit_scale: ones(), ...HEAD },
      ["coop-dept"],
      ["ctx", ...Object.keys(HEAD)],
      { contextTokens: 4, classSpecific: false },
    ],
    [{ ...CTX, ...META, ...HEAD }, ["cocoop-dept"], ["ctx", ...Object.keys(META), ...Object.keys(HEAD)], {
      contextTokens: 4,
    }],
    [
      {
        "prompt_learner.ctx": ones(4, D),
        "prompt_learner.bias_vectors": ones(1, 512),
        "prompt_learner.meta_net.linear1.weight": ones(512, 512),
        "meta_net.linear1.weight": ones(512, 512),
        "adapter.fc.0.weight": ones(128, 512),
        ...HEAD,
      },
      ["kgcoop-dept"],
      ["ctx", ...Object.keys(HEAD)],
      { contextTokens: 4, classSpecific: false },
    ],
    // The teacher's image tower, and what else is computed anew.
    [
      {
        "prompt_learner.ctx": ones(4, D),
        "prompt_learner.ZS_image_encoder.proj": ones(96, 32),
        "prompt_learner.fixed_embeddings": ones(3, 32),
        "vnet.linear_text_gamma.0.0.weight": ones(2, 2),
        [deep("text", 1)]: ones(4, D),
      },
      ["promptsrc", "prometar"],
      ["ctx", deep("text", 1)],
      { textTokens: 4, textDepth: 2, imageDepth: 0 },
    ],
  ];
  for (const [tensors, methods, learned, settings] of cases) {
    const { layout, params } = await read(tensors);
    assertEquals([layout.methods, Object.keys(params)], [methods, learned]);
    assertEquals(layout.settings(params), settings);
  }
});

Deno.test("checkpoints of methods that are not imported are named for what they are", async () => {
  const refused = (tensors: Record<string, ArchiveTensor>, message: string) =>
    assertRejects(() => read(tensors), UserError, message);
  await refused(
    { ctx: ones(2, D), ...TCP },
    "holds TCP's tokens of a class, and another number of them in its context: prompts of that method are not imported",
  );
  await refused({ ...CTX, ...HEAD, "proj.weight": ones(96, D) }, "holds DePT's head beside MaPLe's tokens");
  await refused(
    { [VPT]: ones(4, 96), "image_encoder.proj": ones(96, 32) },
    "VPT's tokens, which are in the image tower",
  );
  await refused({ "classifier.weight": ones(3, 32) }, 'no prompt that is imported: it has no tensor "ctx"');
  await refused({ ...CTX, "adapter.weight": ones(3, 32) }, '"adapter.weight", which is of no method');
});
