/** What lies beside weights: activation, heads and epsilon are read, and what this kit does not compute is refused. */
import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import type { Activation } from "../../../src/clip/config.ts";
import { loadWeights } from "../../../src/clip/weights/load.ts";
import { writeSafetensors } from "../../../src/clip/weights/safetensors.ts";
import { UserError } from "../../../src/errors.ts";
import { type Pickled, scriptModules, writeTorchArchive } from "../../../bench/torch_archive.ts";
import { archiveTensors, huggingFaceNamed, openaiNamed, SMALL } from "../small_clip.ts";
import { ROOT } from "../../tasks.ts";

/** Loads the small CLIP from a folder with these files beside it. */
async function load(
  files: Record<string, unknown>,
  { hugging = false, script, activation }: { hugging?: boolean; script?: string; activation?: Activation } = {},
) {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/clip.${script ? "pt" : "safetensors"}`;
  try {
    const named = hugging ? huggingFaceNamed() : openaiNamed();
    if (script) {
      const tensors = archiveTensors(named);
      const root = scriptModules(tensors) as { object: string; state: Map<Pickled, Pickled> };
      writeTorchArchive(path, { root: { ...root, object: script }, tensors, script: true });
    } else {
      await Deno.writeFile(
        path,
        writeSafetensors([...named].map(([name, tensor]) => [name, { dtype: "F32", ...tensor }])),
      );
    }
    for (const [name, content] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, typeof content === "string" ? content : JSON.stringify(content));
    }
    const { config, notes } = await loadWeights(path, { activation });
    return { config, notes: notes.map((note) => note.replaceAll(folder, "HERE")) };
  } catch (error) {
    if (error instanceof UserError) throw new UserError(error.message.replaceAll(folder, "HERE"));
    throw error;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const hf = (more: object = {}, vision: object = {}, text: object = {}) => ({
  "config.json": { model_type: "clip", vision_config: vision, text_config: text, ...more },
});
const openClip = (more: object = {}, vision: object = {}, text: object = {}) => ({
  "open_clip_config.json": { model_cfg: { vision_cfg: vision, text_cfg: text, ...more } },
});
const activations = (
  { config: { image, text } }: Awaited<ReturnType<typeof load>>,
) => [image.activation, text.activation];
const ASSUMED =
  "Activation: nothing beside HERE/clip.safetensors tells which one it was trained with; QuickGELU is assumed, " +
  "as of OpenAI's models. Most of open_clip's others were trained with the plain GELU: for those, add --activation gelu.";

Deno.test("the activation: as asked, else as told, else OpenAI's own; else assumed, and that is said", async () => {
  assertEquals(await load({}), { config: SMALL, notes: [ASSUMED] });
  assertEquals(await load({}, { hugging: true }), { config: SMALL, notes: [ASSUMED] });
  assertEquals(await load({}, { script: "__torch__.clip.model.CLIP" }), { config: SMALL, notes: [] });
  const scripted = await load({}, { script: "__torch__.open_clip.model.CLIP" });
  assertEquals(scripted, { config: SMALL, notes: [ASSUMED.replace(".safetensors", ".pt")] });
  assertEquals((await loadWeights(`${ROOT}data/sample/model.safetensors`)).notes, []);
  const gelu = await load({}, { activation: "gelu" });
  assertEquals([activations(gelu), gelu.notes], [["gelu", "gelu"], []]);
  assertEquals(await load({}, { activation: "quickgelu" }), { config: SMALL, notes: [] });
  // Transformers' own default is QuickGELU, open_clip's is GELU.
  assertEquals(await load(hf(), { hugging: true }), { config: SMALL, notes: [] });
  assertEquals(await load(hf({}, { hidden_act: "quick_gelu" }, { hidden_act: "quick_gelu" })), {
    config: SMALL,
    notes: [],
  });
  assertEquals(await load(openClip({ quick_gelu: true })), { config: SMALL, notes: [] });
  const plain = await load(openClip());
  assertEquals([activations(plain), plain.notes], [["gelu", "gelu"], [
    "Activation: gelu, as HERE/open_clip_config.json says.",
  ]]);
  const half = await load(hf({}, { hidden_act: "gelu" }), { hugging: true });
  assertEquals(activations(half), ["gelu", undefined]);
  assertEquals(half.notes, [
    "Activation: gelu in the image tower, quickgelu in the text tower, as HERE/config.json says.",
  ]);
  const over = await load(hf({}, { hidden_act: "gelu" }, { hidden_act: "gelu" }), { activation: "quickgelu" });
  assertEquals([over.config, over.notes], [SMALL, [
    "--activation quickgelu goes over HERE/config.json, which says gelu.",
  ]]);
});

Deno.test("each naming asks its own configuration first; a file that tells of no CLIP is passed over", async () => {
  const both = { ...hf(), ...openClip() };
  assertEquals(activations(await load(both, { hugging: true })), [undefined, undefined]);
  assertEquals(activations(await load(both)), ["gelu", "gelu"]);
  assertEquals((await load({ "config.json": { dataset: "mine" } })).notes, [ASSUMED]);
  assertEquals((await load({ "open_clip_config.json": [1] })).notes, [ASSUMED]);
  await assertRejects(
    () => load({ "config.json": "{" }),
    UserError,
    "The model's configuration HERE/config.json is not valid JSON",
  );
});

Deno.test("heads and epsilon as told", async () => {
  const { config: { image, text } } = await load(
    hf({}, { num_attention_heads: 4, layer_norm_eps: 1e-6 }, {
      num_attention_heads: 2,
      hidden_size: 128,
      num_hidden_layers: 1,
    }),
    { hugging: true },
  );
  assertEquals(image, { ...SMALL.image, heads: 4, epsilon: 1e-6 });
  assertEquals(text, SMALL.text);
  const other = await load(
    openClip({ quick_gelu: true }, { width: 64, head_width: 32, image_size: 16 }, {
      heads: 8,
      norm_kwargs: { eps: 1e-6 },
    }),
  );
  assertEquals(other.config.image, { ...SMALL.image, heads: 2 });
  assertEquals(other.config.text, { ...SMALL.text, heads: 8, epsilon: 1e-6 });
});

const REFUSED: [files: Record<string, unknown>, says: string][] = [
  [
    hf({ model_type: "siglip" }),
    'HERE/config.json says that the model beside it is a "siglip", which this kit does not run: take a CLIP ("clip").',
  ],
  [
    hf({}, { hidden_act: "gelu_pytorch_tanh" }),
    'HERE/config.json says "hidden_act": "gelu_pytorch_tanh", which this kit does not compute',
  ],
  [hf({}, { num_attention_heads: "many" }), 'says "num_attention_heads": "many"'],
  [hf({}, { num_attention_heads: 5 }), '5 heads cannot share the 64 numbers of "visual.conv1.weight"'],
  [
    hf({}, { image_size: [16, 32] }),
    "tells of images of [16,32] pixels, a rectangular grid, and this kit runs models of square images",
  ],
  [
    hf({}, { image_size: 224 }),
    "HERE/config.json tells of another model than HERE/clip.safetensors: of 224 pixels in the image tower and not 16.",
  ],
  [
    hf({}, {}, { hidden_size: 512 }),
    "of 512 numbers of a row in the text tower and not 128. Put the model's own beside it, or remove it.",
  ],
  [openClip({}, { layers: 24 }), "of 24 layers in the image tower and not 2"],
  [openClip({}, { timm_model_name: "vit_base" }), 'says "vision_cfg.timm_model_name": "vit_base"'],
  [openClip({}, { pool_type: "avg" }), 'says "vision_cfg.pool_type": "avg"'],
  [openClip({}, {}, { no_causal_mask: true }), 'says "text_cfg.no_causal_mask": true'],
  [openClip({}, {}, { pool_type: "last" }), 'says "text_cfg.pool_type": "last"'],
  [openClip({}, { act_kwargs: { approximate: "tanh" } }), 'says "vision_cfg.act_kwargs"'],
  [
    {
      "open_clip_config.json": {
        model_cfg: { vision_cfg: {}, text_cfg: {} },
        preprocess_cfg: { mean: [0.5, 0.5, 0.5] },
      },
    },
    "tells of images normalised with [0.5,0.5,0.5], and this kit normalises them as CLIP was published",
  ],
  [
    { ...hf(), "preprocessor_config.json": { image_std: [0.5, 0.5, 0.5] } },
    "HERE/preprocessor_config.json tells of images normalised with [0.5,0.5,0.5]",
  ],
];

for (const [files, says] of REFUSED) {
  Deno.test(`refused: ${says.slice(0, 90)}`, () => assertRejects(() => load(files), UserError, says).then(() => {}));
}
