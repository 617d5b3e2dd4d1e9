import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { readSafetensors, toFloat32 } from "../../../src/clip/weights/safetensors.ts";
import { loadWeights } from "../../../src/clip/weights/load.ts";
import { UserError } from "../../../src/errors.ts";
import { sha256Hex } from "../../../src/files.ts";

const SAMPLE = new URL("../../../data/sample/model.safetensors", import.meta.url).pathname;

Deno.test("The sample model's tensors come out as its file holds them, with sizes and hash", async () => {
  const weights = await loadWeights(SAMPLE);
  const bytes = await Deno.readFile(SAMPLE);
  const { entries } = readSafetensors(bytes, SAMPLE);
  assertEquals(weights.layout, "openai-safetensors");
  assertEquals(weights.sha256, await sha256Hex(bytes));
  assertEquals(weights.names().sort(), [...entries.keys()].sort());
  for (const name of weights.names()) {
    const { shape, data } = weights.tensor(name);
    assertEquals(shape, entries.get(name)!.shape);
    assertEquals(data, toFloat32(entries.get(name)!));
  }
});

Deno.test("A missing file, a folder and a file that changed meanwhile are told", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await assertRejects(() => loadWeights(`${folder}/none.safetensors`), UserError, "none.safetensors");
    await assertRejects(() => loadWeights(folder), UserError, "folder");
    const path = `${folder}/model.safetensors`;
    await Deno.copyFile(SAMPLE, path);
    const weights = await loadWeights(path);
    await Deno.truncate(path, 100_000);
    await assertRejects(async () => await weights.tensor("visual.proj"), UserError, "has changed");
    await assertRejects(() => loadWeights(path), UserError, path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
