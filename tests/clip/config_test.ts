import { assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { type ClipConfig, inferConfig, tensorShapes } from "../../src/clip/config.ts";
import { UserError } from "../../src/errors.ts";

const SIZES: Record<string, ClipConfig> = {
  "ViT-B/32": {
    embedding: 512,
    image: { size: 224, patch: 32, width: 768, layers: 12, heads: 12 },
    text: { context: 77, vocabulary: 49408, width: 512, layers: 12, heads: 8 },
  },
  "ViT-B/16": {
    embedding: 512,
    image: { size: 224, patch: 16, width: 768, layers: 12, heads: 12 },
    text: { context: 77, vocabulary: 49408, width: 512, layers: 12, heads: 8 },
  },
  "ViT-L/14": {
    embedding: 768,
    image: { size: 224, patch: 14, width: 1024, layers: 24, heads: 16 },
    text: { context: 77, vocabulary: 49408, width: 768, layers: 12, heads: 12 },
  },
  "ViT-L/14@336px": {
    embedding: 768,
    image: { size: 336, patch: 14, width: 1024, layers: 24, heads: 16 },
    text: { context: 77, vocabulary: 49408, width: 768, layers: 12, heads: 12 },
  },
};

for (const [name, config] of Object.entries(SIZES)) {
  Deno.test(`The sizes of ${name} are read off its shapes`, () => {
    assertEquals(inferConfig(tensorShapes(config), "model.pt"), config);
  });
}

Deno.test("What OpenAI's archives hold beside the weights is passed over", () => {
  const shapes = tensorShapes(SIZES["ViT-B/16"]);
  for (const name of ["input_resolution", "visual.input_resolution", "context_length", "vocab_size"]) {
    shapes.set(name, []);
  }
  assertEquals(inferConfig(shapes, "model.pt"), SIZES["ViT-B/16"]);
});

Deno.test("Shapes that do not fit one another are refused, naming file and tensor", () => {
  const cases: [change: (shapes: Map<string, number[]>) => void, says: string][] = [
    [(s) => s.delete("ln_final.bias"), '"ln_final.bias" is missing'],
    [(s) => s.delete("visual.conv1.weight"), '"visual.conv1.weight" is missing'],
    [(s) => s.delete("transformer.resblocks.3.attn.in_proj_weight"), "transformer.resblocks.3"],
    [(s) => s.delete("transformer.resblocks.0.attn.in_proj_weight"), "transformer.resblocks.0.attn.in_proj_weight"],
    [(s) => s.set("visual.positional_embedding", [198, 768]), "198 rows"],
    [(s) => s.set("visual.positional_embedding", [1, 768]), "1 rows"],
    [(s) => s.set("visual.proj", [768, 500]), '"visual.proj" is [768, 500] where the other tensors ask for [768, 512]'],
    [(s) => s.set("visual.conv1.weight", [768, 3, 16]), "[768, 3, 16]"],
    [(s) => s.set("visual.conv1.weight", [768, 3, 14, 16]), "14 by 16 pixels and not square"],
    [(s) => s.set("visual.conv1.weight", [100, 3, 16, 16]), "100 wide"],
    [(s) => s.set("text_projection", [512, 0]), "[512, 0]"],
    [(s) => s.set("visual.transformer.resblocks.0.ls_1.gamma", [768]), "ls_1.gamma"],
  ];
  for (const [change, says] of cases) {
    const shapes = tensorShapes(SIZES["ViT-B/16"]);
    change(shapes);
    const error = assertThrows(() => inferConfig(shapes, "some/model.pt"), UserError, says);
    assertEquals(error.message.includes("some/model.pt"), true);
  }
});

Deno.test("Towers whose heads are wider than 64 are refused: their shapes do not tell", () => {
  const config = SIZES["ViT-L/14"];
  const shapes = tensorShapes({ ...config, image: { ...config.image, width: 1280, heads: 20 } });
  assertThrows(() => inferConfig(shapes, "ViT-H-14.safetensors"), UserError, "1280 wide");
});
