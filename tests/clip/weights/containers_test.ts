/** CLIPs in containers as PyTorch, Hugging Face and open_clip write them, against PyTorch's features (tests/fixtures/weights). */
import { assertEquals } from "jsr:@std/assert@1.0.19";
import { describeWeights } from "../../../src/clip/weights/load.ts";
import { sha256Hex } from "../../../src/files.ts";
import { assertFeatures, FIXTURES } from "../fixture_features.ts";
import { ENGINES, withEngine } from "../../engine/ops_cases.ts";

for (const engine of ENGINES) {
  Deno.test(`features of each container are PyTorch's on ${engine}`, () => withEngine(engine, assertFeatures));
}

const at = (name: string) => describeWeights(`${FIXTURES}/${name}`);

Deno.test("a folder, a shard and the index are the same model, and its configuration is read", async () => {
  const folder = await at("hugging-face");
  assertEquals(folder.layout, "hugging-face-safetensors");
  const { image, text } = folder.config;
  assertEquals([image.heads, image.activation, image.epsilon], [2, "gelu", 1e-3]);
  assertEquals([text.heads, text.activation, text.epsilon], [2, "gelu", undefined]);
  assertEquals(folder.notes, [`Activation: gelu, as ${FIXTURES}/hugging-face/config.json says.`]);
  const shards = [1, 2].map((i) => `${FIXTURES}/hugging-face/model-0000${i}-of-00002.safetensors`);
  const hashes = await Promise.all(shards.map((path) => sha256Hex(path)));
  assertEquals(folder.sha256, await sha256Hex(new TextEncoder().encode(hashes.join("\n"))));
  for (
    const name of [
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
    ]
  ) {
    const other = await at(`hugging-face/${name}`);
    assertEquals([other.sha256, other.config], [folder.sha256, folder.config], name);
  }
});

Deno.test("open_clip's configuration: GELU unless it says quick_gelu, the heads' width, a narrower perceptron", async () => {
  const { config: { image, text }, layout } = await at("open-clip");
  assertEquals(layout, "openai-safetensors");
  assertEquals([image.heads, image.activation, image.hidden], [2, "gelu", 96]);
  assertEquals([text.heads, text.activation, text.hidden], [2, "gelu", 96]);
});
