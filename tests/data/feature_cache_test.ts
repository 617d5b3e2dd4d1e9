import { assert, assertEquals, assertNotEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { type FeatureOptions, getFeatures } from "../../src/data/feature_cache.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { sha256Hex } from "../../src/files.ts";
import type { ViewRecipe } from "../../src/data/views.ts";

const NAMES = ["sampling_420.jpg", "grey.jpg", "rgb.png", "lossy.webp", "lzw.tif", "photo_size.jpg"];
const FILES = new Map(
  await Promise.all(
    NAMES.map(async (name) =>
      [name, await Deno.readFile(new URL(`../fixtures/images/${name}`, import.meta.url))] as const
    ),
  ),
);
/** More images than one chunk holds: the same few under many paths. */
const SAMPLES = Array.from({ length: 150 }, (_, i) => ({ path: `${i}/${NAMES[i % NAMES.length]}` }));
const TEST: ViewRecipe = { kind: "test" };
const train = (view: number, seed = 1): ViewRecipe => ({ kind: "train", view, seed });
const images = { read: (path: string) => Promise.resolve(FILES.get(path.split("/")[1])!) };

/** Three sums that tell images and their order apart. */
function encode({ shape: [B], data }: HostTensor): Promise<HostTensor> {
  const length = data.length / B;
  const features = Float32Array.from({ length: B * 3 }, (_, i) => {
    const image = data.subarray(Math.floor(i / 3) * length, (Math.floor(i / 3) + 1) * length);
    return image.reduce((sum, x, j) => sum + x * Math.cos(j * (1 + i % 3)), 0);
  });
  return Promise.resolve({ shape: [B, 3], data: features });
}

function get(folder: string, changes: Partial<FeatureOptions> = {}) {
  return getFeatures({
    folder,
    modelId: "0123456789abcdef",
    imageSize: 16,
    patch: 8,
    samples: SAMPLES,
    images,
    views: [TEST],
    encode,
    batch: 20,
    ...changes,
  });
}

function cacheTest(name: string, body: (folder: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await body(folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

const filesIn = (folder: string) => [...Deno.readDirSync(`${folder}/0123456789ab`)].map(({ name }) => name).sort();

cacheTest("the second time everything comes from the store, equal in every bit", async (folder) => {
  const views = [TEST, train(0), train(1)];
  const first = await get(folder, { views });
  assertEquals(first.features_VNE.shape, [3, 150, 3]);
  assertEquals([first.fromCache, first.computed, first.damaged], [0, 450, 0]);
  assertEquals(filesIn(folder).length, 6);
  const refuse = () => Promise.reject(new Error("The encoder must not be asked"));
  const second = await get(folder, { views, encode: refuse });
  assertEquals([second.fromCache, second.computed], [450, 0]);
  assertEquals(second.features_VNE, first.features_VNE);
  const plain = await get(folder, { views: [train(1)], encode: refuse });
  assertEquals(plain.features_VNE.data, first.features_VNE.data.slice(2 * 450));
});

cacheTest("features do not depend on the batch or on what was there before", async (folder) => {
  const whole = await get(`${folder}/a`, { views: [TEST, train(3)], batch: 150 });
  await get(`${folder}/b`, { samples: SAMPLES.slice(0, 128) });
  const mixed = await get(`${folder}/b`, { views: [TEST, train(3)], batch: 7 });
  assertEquals([mixed.fromCache, mixed.computed], [128, 172]);
  assertEquals(mixed.features_VNE, whole.features_VNE);
});

cacheTest("model, image size, seed, view, path of a training view and content make other features", async (folder) => {
  const samples = SAMPLES.slice(0, 3);
  const base = { samples, views: [train(0)] };
  const first = await get(folder, base);
  const variants: Partial<FeatureOptions>[] = [
    { modelId: "0123456789abcdeg" },
    { imageSize: 24 },
    { views: [train(0, 2)] },
    { views: [train(1)] },
    { views: [TEST] },
    { samples: samples.map(({ path }) => ({ path: `x${path}` })) },
    { samples: samples.toReversed() },
    { images: { read: () => Promise.resolve(FILES.get("rgb.png")!) } },
  ];
  for (const variant of variants) {
    assertEquals((await get(folder, { ...base, ...variant })).fromCache, 0, JSON.stringify(variant));
  }
  const renamed = await get(folder, { samples: samples.map(({ path }) => ({ path: `x${path}` })), views: [TEST] });
  assertEquals(renamed.fromCache, 3);
  assertEquals((await get(folder, base)).features_VNE, first.features_VNE);
});

cacheTest("a run that was cut short continues where it was, to the same bits", async (folder) => {
  const views = [TEST, train(0)];
  const expected = await get(`${folder}/whole`, { views });
  for (const limit of [0, 3, 7, 9, 12]) {
    let calls = 0;
    const failing = (patches: HostTensor) =>
      calls++ < limit ? encode(patches) : Promise.reject(new Error("The power went off"));
    await assertRejects(() => get(`${folder}/cut${limit}`, { views, encode: failing }), Error, "power");
    const finished = await get(`${folder}/cut${limit}`, { views });
    assertEquals(finished.features_VNE, expected.features_VNE);
    assertEquals(finished.fromCache, limit < 7 ? 0 : limit < 14 ? 128 : 256);
  }
});

cacheTest("damaged files are noticed and replaced", async (folder) => {
  const expected = await get(folder);
  const [name] = filesIn(folder);
  const path = `${folder}/0123456789ab/${name}`;
  const good = await Deno.readFile(path);
  const spoil: ((bytes: Uint8Array) => Uint8Array)[] = [
    (bytes) => bytes.with(bytes.length - 5, bytes[bytes.length - 5] ^ 1),
    (bytes) => bytes.slice(0, bytes.length - 4),
    (bytes) => bytes.slice(0, 4),
    () => new Uint8Array(0),
    (bytes) => bytes.map(() => 255),
  ];
  for (const spoiled of spoil) {
    await Deno.writeFile(path, spoiled(good));
    const mended = await get(folder);
    assertEquals(mended.damaged, 1);
    assertEquals(mended.features_VNE, expected.features_VNE);
    assertEquals(await Deno.readFile(path), good);
  }
});

cacheTest("a file under a wrong name is not believed", async (folder) => {
  const views = [train(0)];
  const samples = SAMPLES.slice(0, 3);
  await get(folder, { samples, views });
  const [name] = filesIn(folder);
  const other = await get(`${folder}/other`, { samples, views: [train(1)] });
  const [otherName] = filesIn(`${folder}/other`);
  await Deno.rename(`${folder}/other/0123456789ab/${otherName}`, `${folder}/0123456789ab/${name}`);
  const again = await get(folder, { samples, views });
  assertEquals(again.damaged, 1);
  assertNotEquals(again.features_VNE, other.features_VNE);
});

/** The right hashes, and who was asked to read. */
function withHashes() {
  const read: string[] = [];
  return {
    read,
    images: { read: (path: string) => (read.push(path), images.read(path)) },
    hashes: {
      hashesOf: (paths: readonly string[]) =>
        Promise.all(paths.map(async (path) => await sha256Hex(await images.read(path)))),
    },
  };
}

cacheTest("keys are those of the first version, with hashes and without", async (folder) => {
  const { images, hashes } = withHashes();
  for (const options of [{}, { images, hashes }]) {
    await Deno.remove(`${folder}/0123456789ab`, { recursive: true }).catch(() => {});
    await get(folder, { samples: SAMPLES.slice(0, 3), views: [TEST, train(0)], ...options });
    assertEquals(filesIn(folder), [
      "169acfc8fc01a58b83ef95cc6508d3d383db00d60d906668beeab3e879165c28.safetensors",
      "6341b0454d62bb8b618ae92e4bf081302b741d5be35ab2003aa42085fcebaf37.safetensors",
    ]);
  }
});

cacheTest("with hashes, stored features are found without reading an image", async (folder) => {
  const views = [TEST, train(0)];
  const first = await get(folder, { views });
  const { images, hashes, read } = withHashes();
  const second = await get(folder, { views, images, hashes });
  assertEquals([second.fromCache, second.computed, read.length], [300, 0, 0]);
  assertEquals(second.features_VNE, first.features_VNE);
  const [name] = filesIn(folder);
  await Deno.remove(`${folder}/0123456789ab/${name}`);
  const third = await get(folder, { views, images, hashes });
  assertEquals(third.computed, read.length);
  assertEquals(third.features_VNE, first.features_VNE);
});

cacheTest("an image that changed after it was hashed has its features stored by its own bytes", async (folder) => {
  const samples = SAMPLES.slice(0, 6);
  const { hashes } = withHashes();
  const changed = { read: () => images.read("0/rgb.png") };
  const first = await get(folder, { samples, images: changed, hashes });
  assertEquals(first.computed, 6);
  assertEquals((await get(folder, { samples })).fromCache, 0);
  const again = await get(folder, { samples, images: changed });
  assertEquals(again.fromCache, 6);
  assertEquals(again.features_VNE, first.features_VNE);
});

cacheTest("runs at the same time share a folder", async (folder) => {
  const views = [TEST, train(0)];
  const all = await Promise.all([1, 2, 3, 4].map(() => get(folder, { views })));
  for (const { features_VNE } of all) assertEquals(features_VNE, all[0].features_VNE);
  assertEquals(filesIn(folder).length, 4);
  assertEquals((await get(folder, { views })).computed, 0);
});

cacheTest("progress counts up to the total and tells what was there", async (folder) => {
  await get(folder, { samples: SAMPLES.slice(0, 128) });
  const seen: Parameters<NonNullable<FeatureOptions["onProgress"]>>[0][] = [];
  await get(folder, { onProgress: (progress) => seen.push(progress) });
  assertEquals(seen[0], { done: 128, total: 150, fromCache: 128 });
  assertEquals(seen.at(-1), { done: 150, total: 150, fromCache: 128 });
  assert(seen.every(({ done }, i) => i === 0 || done > seen[i - 1].done));
});

cacheTest("decoding goes on while the encoder works", async (folder) => {
  let reading = 0;
  const counted = { read: (path: string) => (reading++, images.read(path)) };
  let readAtFirst: number | undefined;
  const slow = async (patches: HostTensor) => {
    await new Promise((resolve) => setTimeout(resolve, 30));
    readAtFirst ??= reading;
    return encode(patches);
  };
  await get(folder, { images: counted, encode: slow, batch: 128 });
  assertEquals(readAtFirst, 150);
});

cacheTest("features that are not finite stop the run and name the image", async (folder) => {
  const broken = async (patches: HostTensor) => {
    const features = await encode(patches);
    if (features.shape[0] === 2) features.data[3 * 1 + 1] = NaN;
    return features;
  };
  const error = await assertRejects(() => get(folder, { encode: broken }), UserError);
  assert(error.message.includes(`the image ${SAMPLES[149].path} are not finite numbers (NaN)`), error.message);
});

cacheTest("an image that does not decode stops the run and is named", async (folder) => {
  const broken = {
    read: async (path: string) => {
      const bytes = await images.read(path);
      return path === SAMPLES[30].path ? bytes.slice(0, bytes.length / 2) : bytes;
    },
  };
  await assertRejects(() => get(folder, { images: broken }), UserError, SAMPLES[30].path);
});

Deno.test("a store that cannot be written is a user error", async () => {
  await assertRejects(() => get("/proc/nowhere"), UserError, "Cannot write the file /proc/nowhere");
});

cacheTest(
  "large files are read one at a time and not kept, to the same features; one that changes is told",
  async (folder) => {
    const samples = SAMPLES.slice(0, 140);
    const views = [TEST, train(0)];
    const usual = await get(`${folder}/usual`, { samples, views });
    // Two megabytes more behind each image: a chunk of them is more than is kept.
    const padded = new Map([...FILES].map(([name, bytes]) => {
      const longer = new Uint8Array(bytes.length + (9 << 18));
      longer.set(bytes);
      return [name, longer] as const;
    }));
    let [reading, most, reads] = [0, 0, 0];
    const images = (change?: (path: string, count: number) => boolean) => ({
      size: () => Promise.resolve(200 << 20),
      async read(path: string) {
        most = Math.max(most, ++reading);
        reads++;
        await new Promise((resolve) => setTimeout(resolve));
        reading--;
        const bytes = padded.get(path.split("/")[1])!;
        return change?.(path, reads) ? Uint8Array.from(bytes).fill(1, bytes.length - 1) : bytes;
      },
    });
    const large = await get(`${folder}/large`, { samples, views, images: images() });
    assertEquals(large.features_VNE, usual.features_VNE);
    assertEquals(most, 1);
    // Small images are decoded once for both views.
    assert(reads > samples.length && reads < 2 * samples.length, String(reads));
    reads = 0;
    const changing = images((_, count) => count > samples.length);
    await assertRejects(
      () => get(`${folder}/changing`, { samples, views, images: changing }),
      UserError,
      "has changed since it was first read: start again.",
    );
  },
);
