import { assert, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { patchesOf } from "../../src/data/batches.ts";
import { getFeatures } from "../../src/data/feature_cache.ts";
import type { ViewRecipe } from "../../src/data/views.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { UserError } from "../../src/errors.ts";

const FOLDER = new URL("../fixtures/images/", import.meta.url);
const NAMES = ["sampling_420.jpg", "grey.jpg", "rgb.png", "lossy.webp", "lzw.tif"];
const FILES = new Map(
  await Promise.all(NAMES.map(async (name) => [name, await Deno.readFile(new URL(name, FOLDER))] as const)),
);
const files = { read: (path: string) => Promise.resolve(FILES.get(path.split("/").at(-1)!)!) };
const SIZES = { size: 16, patch: 8 };

/** The patches that the store's encoder gets. */
async function storePatches(samples: readonly { path: string }[], recipe: ViewRecipe): Promise<HostTensor> {
  const folder = await Deno.makeTempDir({ prefix: "clip-prompts-" });
  let seen: HostTensor | undefined;
  try {
    await getFeatures({
      ...{ folder, modelId: "0123456789abcdef", imageSize: SIZES.size, patch: SIZES.patch },
      ...{ samples, images: files, views: [recipe], batch: samples.length },
      encode: (patches) => {
        seen = patches;
        return Promise.resolve({ shape: [samples.length, 1], data: new Float32Array(samples.length) });
      },
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return seen!;
}

Deno.test("a step's patches are those of which the store has the features: same view, same crop, same bits", async () => {
  const samples = NAMES.map((name, i) => ({ path: `${i}/${name}` }));
  const recipes: ViewRecipe[] = [
    { kind: "test" },
    { kind: "train", view: 0, seed: 1 },
    { kind: "train", view: 3, seed: 2 },
  ];
  const found = [];
  for (const recipe of recipes) {
    const patches = await patchesOf(samples, { images: files, recipe, ...SIZES });
    assertEquals(patches, await storePatches(samples, recipe));
    assertEquals(patches.shape, [5, 4, 192]);
    found.push(patches.data);
    // In any order and any company.
    const one = await patchesOf([samples[3]], { images: files, recipe, ...SIZES });
    assertEquals(one.data, patches.data.subarray(3 * 4 * 192, 4 * 4 * 192));
  }
  assertEquals(new Set(found.map((data) => data.join())).size, recipes.length);
});

Deno.test("however many images a step has, a few are open at once", async () => {
  const samples = Array.from({ length: 100 }, (_, i) => ({ path: `${i}/${NAMES[i % NAMES.length]}` }));
  let [open, most, reads] = [0, 0, 0];
  const counted = {
    async read(path: string) {
      most = Math.max(most, ++open);
      reads++;
      await new Promise((resolve) => setTimeout(resolve, 1));
      open--;
      return await files.read(path);
    },
  };
  const patches = await patchesOf(samples, { images: counted, recipe: { kind: "test" }, ...SIZES });
  assertEquals([patches.shape[0], reads], [100, 100]);
  assert(most > 1 && most <= 8, `${most} at once`);
  const [first, again] = [patches.data.subarray(0, 768), patches.data.subarray(5 * 768, 6 * 768)];
  assertEquals(first, again);
});

Deno.test("an image that is missing or does not decode is named in a sentence", async () => {
  const recipe = { kind: "test" } as const;
  const broken = { read: (path: string) => path === "b.png" ? Promise.resolve(new Uint8Array(9)) : files.read(path) };
  const samples = [{ path: "rgb.png" }, { path: "b.png" }, ...NAMES.map((path) => ({ path }))];
  await assertRejects(() => patchesOf(samples, { images: broken, recipe, ...SIZES }), UserError, "b.png");
  const missing = { read: (path: string) => Promise.reject(new UserError(`There is no image ${path}.`)) };
  await assertRejects(() => patchesOf(samples, { images: missing, recipe, ...SIZES }), UserError, "no image rgb.png");
  assertEquals((await patchesOf([], { images: files, recipe, ...SIZES })).shape, [0, 4, 192]);
});

Deno.test("an error is thrown when the images that are under way have ended, and no more are begun", async () => {
  let [begun, ended] = [0, 0];
  const slow = {
    async read(path: string) {
      begun++;
      try {
        if (begun === 3) throw new UserError("The third is broken.");
        await new Promise((resolve) => setTimeout(resolve, 20));
        return await files.read(path);
      } finally {
        ended++;
      }
    },
  };
  const samples = Array.from({ length: 100 }, (_, i) => ({ path: `${i}/${NAMES[i % NAMES.length]}` }));
  const recipe = { kind: "test" } as const;
  await assertRejects(() => patchesOf(samples, { images: slow, recipe, ...SIZES }), UserError, "The third is broken.");
  assertEquals(ended, begun);
  assert(begun <= 8, `${begun}`);
});
