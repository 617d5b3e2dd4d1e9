import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { dirname, join } from "node:path";
import { UserError } from "../../src/errors.ts";
import { findModel } from "../../src/data/models.ts";

Deno.test("a model is found by its path or by its name, and the command is named when it is missing", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await assertRejects(() => findModel("vit-b/16", { folder }), UserError, '"deno task download ViT-B/16"');
    await Deno.mkdir(join(folder, "models"));
    const path = join(folder, "models/ViT-B-16.pt");
    await Deno.writeTextFile(path, "weights");
    assertEquals(await findModel("vit-b/16", { folder }), { path, name: "ViT-B/16" });
    assertEquals(await findModel(path, { folder }), { path, name: "ViT-B-16" });
    const plain = join(folder, "models/model.safetensors");
    await assertRejects(() => findModel(plain), UserError, "check the path");
    await Deno.writeTextFile(plain, "weights");
    assertEquals(await findModel(plain), { path: plain, name: "models" });
    for (
      const [path, name] of [
        ["models", "models"],
        ["CLIP-B.16", "CLIP-B.16"],
        ["CLIP-B.16/model.safetensors.index.json", "CLIP-B.16"],
        ["CLIP-B.16/model-00001-of-00002.safetensors", "CLIP-B.16"],
        ["models--laion--CLIP-ViT-B-32/snapshots/0123", "CLIP-ViT-B-32"],
        ["models--laion--CLIP-ViT-B-32/snapshots/0123/open_clip_model.safetensors", "CLIP-ViT-B-32"],
      ]
    ) {
      const whole = join(folder, path);
      await Deno.mkdir(/\.(json|safetensors)$/.test(path) ? dirname(whole) : whole, { recursive: true });
      if (/\.(json|safetensors)$/.test(path)) await Deno.writeTextFile(whole, "weights");
      assertEquals(await findModel(whole), { path: whole, name });
    }
    await assertRejects(() => findModel("ViT-B/61"), UserError, 'Did you mean "ViT-B/');
    await assertRejects(() => findModel("eurosat"), UserError, "There is no model eurosat");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
