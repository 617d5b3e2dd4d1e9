/** What lies beside weights and says of them what their tensors do not: Hugging Face's and open_clip's configurations. */
import { dirname, join } from "node:path";
import { UserError } from "../../errors.ts";
import { MOST_TEXT_BYTES, parseJson, readIfThere } from "../../files.ts";
import type { Activation, ToldConfig, ToldTower } from "../config.ts";

type Fields = Readonly<Record<string, unknown>>;

/** `hidden_act` of transformers. */
const HIDDEN_ACT: Readonly<Record<string, Activation>> = { quick_gelu: "quickgelu", gelu: "gelu" };

/** Fields of open_clip that make towers compute something else, and the values that do not. */
const OPEN_CLIP_USUAL: Readonly<Record<"vision_cfg" | "text_cfg", Readonly<Record<string, readonly unknown[]>>>> = {
  vision_cfg: {
    timm_model_name: [],
    global_average_pool: [false],
    attentional_pool: [false],
    pool_type: ["tok"],
    input_patchnorm: [false],
    no_ln_pre: [false],
    qk_norm: [false],
  },
  text_cfg: {
    hf_model_name: [],
    hf_tokenizer_name: [],
    pool_type: ["argmax"],
    no_causal_mask: [false],
    embed_cls: [false],
    qk_norm: [false],
  },
};

/** CLIP's channel means and deviations, as files round them. */
const MEAN = [0.4815, 0.4578, 0.4082];
const DEVIATION = [0.2686, 0.2613, 0.2758];

/**
 * What the configuration beside a file of weights says; undefined where there is none. A file in Hugging Face's names is
 * described by `config.json` first, others by `open_clip_config.json`.
 *
 * @throws {UserError} when it describes another kind of model
 */
export async function readBeside(file: string, naming: "openai" | "hugging-face"): Promise<ToldConfig | undefined> {
  const folder = dirname(file);
  const read = async (name: string, tell: (fields: Fields, from: string) => ToldConfig | undefined) => {
    const from = join(folder, name);
    const bytes = await readIfThere(from, "the model's configuration", MOST_TEXT_BYTES);
    if (bytes === undefined) return undefined;
    return tell(
      fieldsOf(parseJson(bytes, { path: from, what: "the model's configuration", unique: true })) ?? {},
      from,
    );
  };
  const readers = [() => read("config.json", huggingFace), () => read("open_clip_config.json", openClip)];
  const [first, second] = naming === "hugging-face" ? readers : readers.toReversed();
  const told = await first() ?? await second();
  if (told !== undefined) {
    await read("preprocessor_config.json", (fields, from) => {
      requireUsualPixels(fields.image_mean, fields.image_std, from);
      return undefined;
    });
  }
  return told;
}

const fieldsOf = (value: unknown): Fields | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as Fields : undefined;

function huggingFace(fields: Fields, from: string): ToldConfig | undefined {
  const [vision, text] = [fieldsOf(fields.vision_config), fieldsOf(fields.text_config)];
  const type = fields.model_type;
  if (type === undefined && (vision === undefined || text === undefined)) return undefined;
  if (type !== undefined && type !== "clip") {
    throw new UserError(
      `${from} says that the model beside it is a "${type}", which this kit does not run: take a CLIP ("clip").`,
    );
  }
  const tower = (fields: Fields | undefined): ToldTower => {
    const reader = numbersOf(fields ?? {}, from);
    const act = fields?.hidden_act;
    // What a configuration leaves out is transformers' default.
    const activation = act === undefined ? "quickgelu" : HIDDEN_ACT[String(act)];
    if (activation === undefined) throw unknown(from, "hidden_act", act);
    return {
      activation,
      ...reader({ heads: "num_attention_heads", epsilon: "layer_norm_eps", width: "hidden_size" }),
      ...reader({ layers: "num_hidden_layers" }),
    };
  };
  return { from, image: { ...tower(vision), ...imageSize(vision, from) }, text: tower(text) };
}

function openClip(fields: Fields, from: string): ToldConfig | undefined {
  const model = fieldsOf(fields.model_cfg) ?? fields;
  const [vision, text] = [fieldsOf(model.vision_cfg), fieldsOf(model.text_cfg)];
  if (vision === undefined || text === undefined) return undefined;
  for (const [part, told] of [["vision_cfg", vision], ["text_cfg", text]] as const) {
    for (const [name, usual] of Object.entries(OPEN_CLIP_USUAL[part])) {
      if (told[name] === undefined || told[name] === null || usual.includes(told[name])) continue;
      throw unknown(from, `${part}.${name}`, told[name]);
    }
    const kwargs = fieldsOf(told.act_kwargs);
    if (kwargs !== undefined && Object.keys(kwargs).length > 0) throw unknown(from, `${part}.act_kwargs`, "set");
  }
  const pixels = fieldsOf(fields.preprocess_cfg) ?? {};
  requireUsualPixels(pixels.mean, pixels.std, from);
  const activation: Activation = model.quick_gelu === true ? "quickgelu" : "gelu";
  const of = (told: Fields) => ({
    activation,
    ...numbersOf(told, from)({ width: "width", layers: "layers", heads: "heads" }),
    ...numbersOf(fieldsOf(told.norm_kwargs) ?? {}, from)({ epsilon: "eps" }),
  });
  const { width, head_width: headWidth } = vision;
  const heads = typeof width === "number" && typeof headWidth === "number" ? { heads: width / headWidth } : {};
  return { from, image: { ...of(vision), ...heads, ...imageSize(vision, from) }, text: of(text) };
}

/** Reads numbers under their names in the file; what is not there is left out. */
function numbersOf(fields: Fields, from: string) {
  return (names: Readonly<Partial<Record<keyof ToldTower, string>>>): ToldTower =>
    Object.fromEntries(
      Object.entries(names).filter(([, name]) => fields[name] !== undefined).map(([key, name]) => {
        const value = fields[name];
        if (typeof value === "number" && value > 0) return [key, value];
        throw unknown(from, name, value);
      }),
    );
}

/** One number, or two of a rectangle. */
function imageSize(fields: Fields | undefined, from: string): { size?: number } {
  const value = fields?.image_size;
  if (value === undefined) return {};
  const [height, width] = Array.isArray(value) ? value : [value, value];
  if (typeof height === "number" && height === width) return { size: height };
  throw new UserError(
    `${from} tells of images of ${
      JSON.stringify(value)
    } pixels, a rectangular grid, and this kit runs models of square ` +
      "images: take one of those.",
  );
}

function requireUsualPixels(mean: unknown, deviation: unknown, from: string): void {
  for (const [told, usual] of [[mean, MEAN], [deviation, DEVIATION]] as const) {
    if (told === undefined) continue;
    const same = Array.isArray(told) && told.length === 3 &&
      usual.every((value, i) => Math.abs(value - told[i]) < 1e-3);
    if (same) continue;
    throw new UserError(
      `${from} tells of images normalised with ${JSON.stringify(told)}, and this kit normalises them as CLIP was ` +
        `published, with ${JSON.stringify(usual)}: take a model that does.`,
    );
  }
}

const unknown = (from: string, name: string, value: unknown) =>
  new UserError(
    `${from} says "${name}": ${JSON.stringify(value)}, which this kit does not compute: take a CLIP as OpenAI or ` +
      "open_clip build it.",
  );
