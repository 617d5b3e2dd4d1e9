/**
 * The sizes of a CLIP, read off the shapes of its tensors as the published code does (openai/CLIP clip/model.py:399-436).
 * Names are OpenAI's.
 */
import { UserError } from "../errors.ts";

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
    /** Attention heads; 64 numbers each but in the largest models. */
    readonly heads: number;
    /** The perceptron's width; four times the rows' when left out. */
    readonly hidden?: number;
    /** The perceptron's activation; QuickGELU when left out. */
    readonly activation?: "quickgelu" | "gelu";
    /** LayerNorm's; 1e-5 when left out. */
    readonly epsilon?: number;
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
    /** Attention heads; 64 numbers each but in the largest models. */
    readonly heads: number;
    /** The perceptron's width; four times the rows' when left out. */
    readonly hidden?: number;
    /** The perceptron's activation; QuickGELU when left out. */
    readonly activation?: "quickgelu" | "gelu";
    /** LayerNorm's; 1e-5 when left out. */
    readonly epsilon?: number;
  };
}

/** A perceptron's activation. */
export type Activation = NonNullable<ClipConfig["image"]["activation"]>;

/** What a tower computes and its tensors do not show. */
export type TowerRules = Pick<ClipConfig["text"], "heads" | "activation" | "epsilon">;

const USUAL_EPSILON = 1e-5;

/** Numbers of a head in nearly all published models. */
const HEAD_WIDTH = 64;

/** LayerNorm's epsilon in a tower. */
export const epsilonOf = ({ epsilon }: Pick<TowerRules, "epsilon">): number => epsilon ?? USUAL_EPSILON;

/** The activation of a model, in a word: `quickgelu`, `gelu`, or which tower has which. */
export function activationOf({ image, text }: ClipConfig): string {
  const [seeing, reading] = [image, text].map(({ activation = "quickgelu" }) => activation);
  return seeing === reading ? seeing : `${seeing} in the image tower, ${reading} in the text tower`;
}

/** What else a model computes otherwise than most, so that its features are not those of the same tensors: `""` for most. */
export function unusual({ image, text }: ClipConfig): string {
  return Object.entries({ image, text }).flatMap(([tower, { width, heads, epsilon }]) => [
    ...(heads * HEAD_WIDTH === width ? [] : [`${heads} ${tower} heads`]),
    ...(epsilon === undefined || epsilon === USUAL_EPSILON ? [] : [`${tower} epsilon ${epsilon}`]),
  ]).join(", ");
}

/** Shapes by name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/**
 * Tensors that change no result: entries of OpenAI's archives, at the top or in a module, that say what shapes say; and
 * the bias of all logits, which adds the same to each class.
 */
const BESIDE_THE_WEIGHTS = ["input_resolution", "context_length", "vocab_size", "attn_mask", "logit_bias"];

/** Widths of published image towers whose heads are wider than 64 (open_clip's ViT-H, g, bigG, e); shapes do not show it. */
const WIDER_HEADS = [1280, 1408, 1664, 1792];

/** What a configuration file says of a tower; what it does not say is absent. */
export interface ToldTower extends Partial<TowerRules> {
  /** Edge of the images, in pixels. */
  size?: number;
  width?: number;
  layers?: number;
}

/** What a configuration file beside the weights says. */
export interface ToldConfig {
  /** Its path. */
  from: string;
  image: ToldTower;
  text: ToldTower;
}

/** The tensors of one block of width `D` and perceptron `F`, without their prefix. */
const blockShapes = (D: number, F: number): Record<string, number[]> => ({
  "ln_1.weight": [D],
  "ln_1.bias": [D],
  "attn.in_proj_weight": [3 * D, D],
  "attn.in_proj_bias": [3 * D],
  "attn.out_proj.weight": [D, D],
  "attn.out_proj.bias": [D],
  "ln_2.weight": [D],
  "ln_2.bias": [D],
  "mlp.c_fc.weight": [F, D],
  "mlp.c_fc.bias": [F],
  "mlp.c_proj.weight": [D, F],
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
  for (
    const [prefix, { width, layers, hidden = 4 * width }] of [["", config.text], ["visual.", config.image]] as const
  ) {
    for (let i = 0; i < layers; i++) {
      for (const [name, shape] of Object.entries(blockShapes(width, hidden))) {
        shapes.set(`${prefix}transformer.resblocks.${i}.${name}`, shape);
      }
    }
  }
  return shapes;
}

/**
 * The sizes of the CLIP that has tensors of these shapes, and of `told`, what lies beside them, the rest. Throws
 * {@linkcode UserError} when a tensor is missing, does not fit the others or what is told, or belongs to another kind of
 * model; `where` is the file, for the message.
 */
export function inferConfig(shapes: Shapes, where: string, told?: ToldConfig): ClipConfig {
  const [imageWidth, , patchRows, patch] = shapeOf(shapes, { name: "visual.conv1.weight", axes: 4, where });
  const [positions] = shapeOf(shapes, { name: "visual.positional_embedding", axes: 2, where });
  const [context, textWidth] = shapeOf(shapes, { name: "positional_embedding", axes: 2, where });
  const [vocabulary] = shapeOf(shapes, { name: "token_embedding.weight", axes: 2, where });
  const [, embedding] = shapeOf(shapes, { name: "text_projection", axes: 2, where });
  const grid = Math.round(Math.sqrt(Math.max(0, positions - 1)));
  if (grid === 0 || grid ** 2 + 1 !== positions) {
    throw unfit(
      where,
      `"visual.positional_embedding" has ${positions} rows, those of a rectangular grid of patches (a square one has 1 ` +
        "row and a square number more)",
    );
  }
  if (patchRows !== patch) throw unfit(where, `its patches are ${patchRows} by ${patch} pixels and not square`);
  if (WIDER_HEADS.includes(imageWidth) && told?.image.heads === undefined) {
    throw unfit(
      where,
      `its image tower is ${imageWidth} wide, that of a ViT-H or larger, whose heads its tensors do not show`,
      "put its config.json or open_clip_config.json beside it",
    );
  }
  const config: ClipConfig = {
    embedding,
    image: {
      size: grid * patch,
      patch,
      width: imageWidth,
      ...towerOf(shapes, {
        prefix: "visual.",
        width: imageWidth,
        name: "visual.conv1.weight",
        told: told?.image,
        where,
      }),
    },
    text: {
      context,
      vocabulary,
      width: textWidth,
      ...towerOf(shapes, { prefix: "", width: textWidth, name: "positional_embedding", told: told?.text, where }),
    },
  };
  checkShapes(shapes, { config, where });
  if (told !== undefined) checkTold(config, { told, where });
  return config;
}

/** A tower's blocks: how many, and what they compute. */
function towerOf(
  shapes: Shapes,
  at: { prefix: string; width: number; name: string; told?: ToldTower; where: string },
): Pick<ClipConfig["text"], "layers" | "hidden"> & TowerRules {
  const { prefix, width, name, told = {}, where } = at;
  const { heads = width / HEAD_WIDTH, activation, epsilon } = told;
  if (!Number.isInteger(heads)) {
    throw unfit(where, `"${name}" is ${width} wide, not a multiple of the ${HEAD_WIDTH} of a head`);
  }
  if (width % heads !== 0) throw unfit(where, `${heads} heads cannot share the ${width} numbers of "${name}"`);
  const hidden = shapes.get(`${prefix}transformer.resblocks.0.mlp.c_fc.weight`)?.[0];
  return {
    layers: layersOf(shapes, `${prefix}transformer.resblocks.`),
    heads,
    ...(hidden === undefined || hidden === 4 * width ? {} : { hidden }),
    ...(activation === "gelu" ? { activation } : {}),
    ...(epsilon === undefined || epsilon === USUAL_EPSILON ? {} : { epsilon }),
  };
}

/** A file that lies beside the weights by chance would tell of another model. */
function checkTold(config: ClipConfig, { told, where }: { told: ToldConfig; where: string }): void {
  for (const tower of ["image", "text"] as const) {
    const found: ToldTower = config[tower];
    for (const [name, unit] of Object.entries({ size: "pixels", width: "numbers of a row", layers: "layers" })) {
      const key = name as "size" | "width" | "layers";
      if (told[tower][key] === undefined || told[tower][key] === found[key]) continue;
      throw new UserError(
        `${told.from} tells of another model than ${where}: of ${
          told[tower][key]
        } ${unit} in the ${tower} tower and not ` +
          `${found[key]}. Put the model's own beside it, or remove it.`,
      );
    }
  }
}

/** Checks every tensor's shape, and refuses tensors that no CLIP has: they would be ignored. */
function checkShapes(shapes: Shapes, { config, where }: { config: ClipConfig; where: string }): void {
  const expected = tensorShapes(config);
  for (const [name, wanted] of expected) {
    const got = shapes.get(name);
    if (got === undefined) throw missing(where, name, shapes.keys());
    if (got.length !== wanted.length || got.some((size, axis) => size !== wanted[axis])) {
      throw unfit(where, `"${name}" is ${show(got)} where the other tensors ask for ${show(wanted)}`);
    }
  }
  for (const name of shapes.keys()) {
    if (expected.has(name) || BESIDE_THE_WEIGHTS.includes(name.slice(name.lastIndexOf(".") + 1))) continue;
    throw unfit(where, `its tensor ${JSON.stringify(name)} belongs to no CLIP with a vision transformer`);
  }
}

function layersOf(shapes: Shapes, prefix: string): number {
  let layers = 0;
  while (shapes.has(`${prefix}${layers}.attn.in_proj_weight`)) layers++;
  return Math.max(layers, 1);
}

function shapeOf(shapes: Shapes, { name, axes, where }: { name: string; axes: number; where: string }) {
  const shape = shapes.get(name);
  if (shape === undefined) throw missing(where, name, shapes.keys());
  if (shape.length !== axes || !shape.every((size) => Number.isSafeInteger(size) && size > 0)) {
    throw unfit(where, `"${name}" is ${show(shape)} and should have ${axes} axes, none of them empty`);
  }
  return shape;
}

/** A shape in a message. */
export const show = (shape: readonly number[]) => `[${shape.join(", ")}]`;

/** The error for a file that lacks a tensor; `names` are those that it has. */
export function missing(where: string, name: string, names: Iterable<string>): UserError {
  const all = [...names];
  const few = all.slice(0, 3).map((one) => JSON.stringify(one)).join(", ");
  return new UserError(
    `${where} is not a whole CLIP that this kit can run, its tensor "${name}" is missing (it has ${
      all.length === 0 ? "none" : all.length <= 3 ? few : `${all.length}: ${few}, …`
    }): give the weights of a published ViT model, both towers in one file.`,
  );
}

/** The error for weights of another kind of model. */
export const unfit = (where: string, why: string, advice = "give the weights of a published ViT model") =>
  new UserError(`${where} is not a CLIP that this kit can run, ${why}: ${advice}.`);
