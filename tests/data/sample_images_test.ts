import { assertEquals } from "jsr:@std/assert@1.0.19";
import { readSampleFeatures } from "../../src/data/sample_features.ts";
import { sampleImagePaths, storedZip } from "../../src/data/sample_images.ts";
import { openImages } from "../../src/data/source.ts";
import { sharedPath, sharedTest } from "../shared.ts";
import { ROOT } from "../tasks.ts";

const SAMPLE = `${ROOT}data/sample`;

async function stored() {
  return readSampleFeatures(await Deno.readFile(`${SAMPLE}/features.safetensors`), "features.safetensors");
}

/** The archive as `deno task sample` writes it, of images from somewhere. */
async function written(archive: string, prefix = ""): Promise<Uint8Array> {
  const images = await openImages(archive);
  try {
    const files = [];
    for (const path of sampleImagePaths(await stored())) files.push({ path, bytes: await images.read(prefix + path) });
    return storedZip(files);
  } finally {
    await images.close();
  }
}

Deno.test("the sample's images are the few-shot ones of seeds 1 to 3 and 100 test images of each class, and no others", async () => {
  const { source, split } = await stored();
  assertEquals([source.seeds, source.shots, source.classNames.length], [[1, 2, 3], 16, 10]);
  const images = await openImages(`${SAMPLE}/images.zip`);
  try {
    assertEquals([...images.paths].sort(), sampleImagePaths({ source, split }));
    for (const seed of source.seeds) {
      const { train, val, test } = split(seed);
      assertEquals([train.length, val.length, test.length], [160, 40, 8100]);
      assertEquals([...train, ...val].filter(({ path }) => !images.has(path)), []);
      const there = Map.groupBy(test.filter(({ path }) => images.has(path)), ({ label }) => label);
      assertEquals([...there.values()].map(({ length }) => length), Array(10).fill(100));
      // The first of each class.
      for (const [label, samples] of there) {
        assertEquals(samples, test.filter((sample) => sample.label === label).slice(0, 100));
      }
    }
  } finally {
    await images.close();
  }
});

Deno.test("the archive of the sample's images is written again to the same bytes, and takes at most 6 MB", async () => {
  const shipped = await Deno.readFile(`${SAMPLE}/images.zip`);
  const again = await written(`${SAMPLE}/images.zip`);
  assertEquals(again.length, shipped.length);
  assertEquals(again.every((byte, i) => byte === shipped[i]), true);
  assertEquals(shipped.length < 6e6, true);
});

sharedTest("EuroSAT's archive gives the same bytes", async () => {
  const archive = sharedPath("datasets/eurosat/EuroSAT.zip");
  const images = await openImages(archive);
  const prefix = images.paths[0].slice(0, -images.paths[0].split("/").slice(-2).join("/").length);
  await images.close();
  const shipped = await Deno.readFile(`${SAMPLE}/images.zip`);
  const again = await written(archive, prefix);
  assertEquals(again.length === shipped.length && again.every((byte, i) => byte === shipped[i]), true);
});

Deno.test("an archive without files is one, and paths keep their letters", async () => {
  const folder = await Deno.makeTempDir({ prefix: "clip-prompts-" });
  try {
    assertEquals(storedZip([]).length, 22);
    const path = "Küste/a b.jpg";
    await Deno.writeFile(`${folder}/a.zip`, storedZip([{ path, bytes: Uint8Array.of(1, 2, 3) }]));
    const images = await openImages(`${folder}/a.zip`);
    assertEquals([images.paths, await images.read(images.paths[0])], [[path], Uint8Array.of(1, 2, 3)]);
    await images.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
