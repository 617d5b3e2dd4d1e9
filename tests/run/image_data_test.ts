import { assert, assertEquals, assertNotEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import type { HostTensor } from "../../src/engine/ops.ts";
import { imageView, normalizeToPatches } from "../../src/data/views.ts";
import { UserError } from "../../src/errors.ts";
import { openInputs } from "../../src/run/inputs.ts";
import type { Progress } from "../../src/run/progress.ts";
import { inFolder, linesInto } from "./run_here.ts";

Deno.test("features of images are those of the image tower, computed once, in the order that is asked for", async () => {
  await inFolder(async () => {
    const said: string[] = [];
    const counts: Parameters<Progress["update"]>[0][] = [];
    const progress = { ...linesInto(said), update: (count: typeof counts[number]) => void counts.push(count) };
    const inputs = await openInputs({ engine: "onnx", threads: 1, data: "images" }, { progress });
    const { data, model } = inputs;
    const { test } = data.draw({ shots: 1, seed: 1, classes: "all" });
    const found = await data.features(test, { what: "all test images", seed: 1 });
    assertEquals(found.shape, [12, 128]);
    assertEquals(said.slice(1), [
      "Image features, all test images: 12 computed, 0 from the cache in .cache/features.",
    ]);
    const { what, done, total, unit } = counts.findLast((count) => count.what.startsWith("image features"))!;
    assertEquals([what, done, total, unit], ["image features, all test images", 12, 12, "images"]);

    // By hand: one image through the test transform and the tower.
    const { size, patch } = model.config.image;
    const bytes = await data.images!.read(test[3].path);
    const rgb = await imageView(bytes, { size, recipe: { kind: "test" }, path: test[3].path });
    const patches = new Float32Array(3 * size * size);
    normalizeToPatches(rgb, { size, patch, target: patches });
    const alone = await model.encodeImages({ shape: [1, (size / patch) ** 2, 3 * patch ** 2], data: patches });
    const row = ({ data }: HostTensor, n: number) => data.subarray(128 * n, 128 * (n + 1));
    const scale = Math.max(...row(found, 3).map(Math.abs));
    row(found, 3).forEach((value, e) => assert(Math.abs(value - alone.data[e]) < 1e-4 * scale, `${e}`));

    assertEquals(await data.features(test, { what: "again", seed: 7 }), found);
    assertEquals(
      said[2],
      "Image features, again: all 12 from the cache in .cache/features, the image tower did not run.",
    );
    const turned = await data.features(test.toReversed(), { what: "turned", seed: 1 });
    row(turned, 0).forEach((value, e) => assert(Math.abs(value - row(found, 11)[e]) < 1e-4 * scale, `${e}`));
    await inputs.close();
  });
});

Deno.test("features with another activation are others, and are stored apart", async () => {
  await inFolder(async () => {
    const of = async (activation?: "quickgelu" | "gelu") => {
      const said: string[] = [];
      const inputs = await openInputs({ engine: "onnx", threads: 1, data: "images", activation }, {
        progress: linesInto(said),
      });
      const { test } = inputs.data.draw({ shots: 1, seed: 1, classes: "all" });
      const { data } = await inputs.data.features(test, { what: "test", seed: 1 });
      await inputs.close();
      return { data, computed: said.at(-1)!.includes("12 computed"), model: inputs.on.model };
    };
    const [usual, gelu] = [await of(), await of("gelu")];
    assertEquals([usual.computed, usual.model.activation, usual.model.sample], [true, "quickgelu", true]);
    assertEquals([gelu.computed, gelu.model.activation, gelu.model.sample], [true, "gelu", false]);
    assertNotEquals(gelu.data, usual.data);
    for (const [again, first] of [[await of("quickgelu"), usual], [await of("gelu"), gelu]]) {
      assertEquals([again.computed, again.data], [false, first.data]);
    }
    // What is stored with the sample was computed with QuickGELU.
    await assertRejects(
      () => openInputs({ engine: "onnx", threads: 1, activation: "gelu" }, { progress: linesInto([]) }),
      UserError,
      "The stored features belong to the sample model, not to other activations: give the images with --data",
    );
  });
});

Deno.test("training views are random crops of their seed: as many as asked for, the same on every run", async () => {
  await inFolder(async () => {
    const inputs = await openInputs({ engine: "onnx", threads: 1, data: "images" }, { progress: linesInto([]) });
    const { data } = inputs;
    const { train } = data.draw({ shots: 1, seed: 1, classes: "all" });
    const two = await data.views(train, { seed: 1, count: 2 });
    assertEquals([two.count, (await two.view(1)).shape], [2, [4, 128]]);
    assertNotEquals((await two.view(0)).data, (await two.view(1)).data);
    const one = await data.views(train, { seed: 1, count: 1 });
    assertEquals((await one.view(0)).data, (await two.view(0)).data);
    for (const other of [{ seed: 2, count: 1 }, { seed: 1, count: 1, leastArea: 0.9 }]) {
      assertNotEquals((await (await data.views(train, other)).view(0)).data, (await one.view(0)).data);
    }
    await inputs.close();
  });
});

Deno.test("a part of the features that the disk cannot hold is refused before it is computed", async () => {
  await inFolder(async () => {
    const inputs = await openInputs({ engine: "onnx", threads: 1, data: "images" }, { progress: linesInto([]) });
    const { data } = inputs;
    const { test: samples } = data.draw({ shots: 1, seed: 1, classes: "all" });
    const encode = () => Promise.reject(new Error("It is computed."));
    const below = { count: 1, numbers: 2 ** 50, most: Infinity, encode, onwards: encode };
    await assertRejects(
      () => data.store!.fill([{ samples, views: [{ kind: "test" }], below }], { what: "part 3/16" }),
      UserError,
      "The features of part 3/16 take 50,331,648 GiB of disk in .cache/features, and ",
    );
    await inputs.close();
  });
});
