/**
 * The sizes of a CLIP, read off the shapes of its tensors as the published code does (openai/CLIP clip/model.py:399-436).
 * Names are OpenAI's.
 */
import { UserError } from "../errors.ts";
import { HEAD_WIDTH } from "./block_weights.ts";

/** The sizes of a CLIP with a vision transformer. */
export interface ClipConfig {
  /** Numbers of an image or text feature, `E`. */
  readonly embedding: number;
  /** The image tower. */
  readonly image: {
    /** Pixels of an image's edge. */
    readonly size: number;
    /** Pixels of a patch's edge. */
    readonly patch: number;
    /** Numbers of a row. */
    readonly width: number;
    /** Residual attention blocks. */
    readonly layers: number;
    /** Attention heads, each 64 wide. */
    readonly heads: number;
  };
  /** The text tower. */
  readonly text: {
    /** Positions, those of the start and end token included. */
    readonly context: number;
    /** Number of tokens. */
    readonly vocabulary: number;
    /** Numbers of a token, `D`. */
    readonly width: number;
    /** Residual attention blocks. */
    readonly layers: number;
    /** Attention heads, each 64 wide. */
    readonly heads: number;
  };
}

/** Shapes by name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Entries of OpenAI's archives that are not weights, at the top or in a module; shapes already say the same. */
const BESIDE_THE_WEIGHTS = ["input_resolution", "context_length", "vocab_size", "attn_mask"];

/** Published image towers whose heads are wider than others' (open_clip's ViT-H, ViT-g, ViT-bigG); shapes do not show it. */
const WIDER_HEADS = [1280, 1408, 1664];

/** The tensors of one block of width `D`, without their prefix. */
const blockShapes = (D: number): Record<string, number[]> => ({
  "ln_1.weight": [D],
  "ln_1.bias": [D],
  "attn.in_proj_weight": [3 * D, D],
  "attn.in_proj_bias": [3 * D],
  "attn.out_proj.weight": [D, D],
  "attn.out_proj.bias": [D],
  "ln_2.weight": [D],
  "ln_2.bias": [D],
  "mlp.c_fc.weight": [4 * D, D],
  "mlp.c_fc.bias": [4 * D],
  "mlp.c_proj.weight": [D, 4 * D],
  "mlp.c_proj.bias": [D],
});

/** The tensors outside the blocks. */
const outerShapes = ({ embedding: E, image, text }: ClipConfig): Record<string, number[]> => ({
  "token_embedding.weight": [text.vocabulary, text.width],
  "positional_embedding": [text.context, text.width],
  "ln_final.weight": [text.width],
  "ln_final.bias": [text.width],
  "text_projection": [text.width, E],
  "logit_scale": [],
  "visual.class_embedding": [image.width],
  "visual.positional_embedding": [(image.size / image.patch) ** 2 + 1, image.width],
  "visual.conv1.weight": [image.width, 3, image.patch, image.patch],
  "visual.ln_pre.weight": [image.width],
  "visual.ln_pre.bias": [image.width],
  "visual.ln_post.weight": [image.width],
  "visual.ln_post.bias": [image.width],
  "visual.proj": [image.width, E],
});

/** The shape of every tensor of a CLIP of these sizes. */
export function tensorShapes(config: ClipConfig): Map<string, number[]> {
  const shapes = new Map(Object.entries(outerShapes(config)));
  for (const [prefix, { width, layers }] of [["", config.text], ["visual.", config.image]] as const) {
    for (let i = 0; i < layers; i++) {
      for (const [name, shape] of Object.entries(blockShapes(width))) {
        shapes.set(`${prefix}transformer.resblocks.${i}.${name}`, shape);
      }
    }
  }
  return shapes;
}

/**
 * The sizes of the CLIP that has tensors of these shapes. Throws {@linkcode UserError} when one is missing, does not
 * fit the others, or belongs to another kind of model; `where` is the file, for the message.
 */
export function inferConfig(shapes: Shapes, where: string): ClipConfig {
  refuseOtherModels(shapes, where);
  const conv1 = shapeOf(shapes, { name: "visual.conv1.weight", axes: 4, where });
  const imagePositions = shapeOf(shapes, { name: "visual.positional_embedding", axes: 2, where });
  const [context, textWidth] = shapeOf(shapes, { name: "positional_embedding", axes: 2, where });
  const [vocabulary] = shapeOf(shapes, { name: "token_embedding.weight", axes: 2, where });
  const [, embedding] = shapeOf(shapes, { name: "text_projection", axes: 2, where });
  const [imageWidth, , , patch] = conv1;
  const grid = Math.round(Math.sqrt(Math.max(0, imagePositions[0] - 1)));
  if (grid === 0 || grid ** 2 + 1 !== imagePositions[0]) {
    throw unfit(where, `"visual.positional_embedding" has ${imagePositions[0]} rows, which is not 1 and a square grid`);
  }
  const heads = (width: number, name: string) => {
    if (width % HEAD_WIDTH === 0) return width / HEAD_WIDTH;
    throw unfit(where, `"${name}" is ${width} wide, not a multiple of the ${HEAD_WIDTH} of a head`);
  };
  if (WIDER_HEADS.includes(imageWidth)) {
    throw unfit(where, `its image tower is ${imageWidth} wide, that of a ViT-H or larger, whose heads are not 64 wide`);
  }
  const config: ClipConfig = {
    embedding,
    image: {
      size: grid * patch,
      patch,
      width: imageWidth,
      layers: layersOf(shapes, "visual.transformer.resblocks."),
      heads: heads(imageWidth, "visual.conv1.weight"),
    },
    text: {
      context,
      vocabulary,
      width: textWidth,
      layers: layersOf(shapes, "transformer.resblocks."),
      heads: heads(textWidth, "positional_embedding"),
    },
  };
  checkShapes(shapes, { config, where });
  return config;
}

/** Checks every tensor's shape, and refuses tensors that no CLIP has: they would be ignored. */
function checkShapes(shapes: Shapes, { config, where }: { config: ClipConfig; where: string }): void {
  const expected = tensorShapes(config);
  for (const [name, wanted] of expected) {
    const got = shapes.get(name);
    if (got === undefined) throw missing(where, name);
    if (got.length !== wanted.length || got.some((size, axis) => size !== wanted[axis])) {
      throw unfit(where, `"${name}" is ${show(got)} where the other tensors ask for ${show(wanted)}`);
    }
  }
  for (const name of shapes.keys()) {
    if (expected.has(name) || BESIDE_THE_WEIGHTS.includes(name.slice(name.lastIndexOf(".") + 1))) continue;
    throw unfit(where, `its tensor ${JSON.stringify(name)} belongs to no CLIP with a vision transformer`);
  }
}

function refuseOtherModels(shapes: Shapes, where: string): void {
  for (const name of shapes.keys()) {
    if (!/^visual\.(layer\d+|attnpool)\./.test(name)) continue;
    throw new UserError(
      `${where} holds a CLIP with a ModifiedResNet image tower (RN50 and its like), which this kit does not run: ` +
        "take one with a vision transformer, ViT-B/16 say.",
    );
  }
}

function layersOf(shapes: Shapes, prefix: string): number {
  let layers = 0;
  while (shapes.has(`${prefix}${layers}.attn.in_proj_weight`)) layers++;
  return Math.max(layers, 1);
}

function shapeOf(shapes: Shapes, { name, axes, where }: { name: string; axes: number; where: string }) {
  const shape = shapes.get(name);
  if (shape === undefined) throw missing(where, name);
  if (shape.length !== axes || !shape.every((size) => Number.isSafeInteger(size) && size > 0)) {
    throw unfit(where, `"${name}" is ${show(shape)} and should have ${axes} axes, none of them empty`);
  }
  return shape;
}

/** A shape in a message. */
export const show = (shape: readonly number[]) => `[${shape.join(", ")}]`;

/** The error for a file that lacks a tensor. */
export const missing = (where: string, name: string) =>
  new UserError(`${where} is not a whole CLIP, its tensor "${name}" is missing: download the file again.`);

/** The error for weights of another kind of model. */
export const unfit = (where: string, why: string) =>
  new UserError(`${where} is not a CLIP that this kit can run, ${why}: give the weights of a published ViT model.`);
