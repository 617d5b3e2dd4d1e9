import { assert, assertEquals, assertNotEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { SAMPLE_TEMPLATE } from "../../src/run/data.ts";
import { openStoredData, openStoredFeatures, sampleFile } from "../../src/run/stored_data.ts";
import { ROOT } from "../tasks.ts";
import { linesInto } from "./run_here.ts";

const stored = await openStoredFeatures();

Deno.test("the sample lies beside the kit's code", async () => {
  assertEquals(await sampleFile("features.safetensors"), `${ROOT}data/sample/features.safetensors`);
});

Deno.test("fewer shots are the first images of each class, and that is said once", () => {
  const said: string[] = [];
  const data = openStoredData(stored, linesInto(said));
  said.length = 0;
  const whole = data.draw({ shots: 16, seed: 2, classes: "base" });
  assertEquals([whole.train.length, whole.val.length, whole.test.length], [80, 20, 4200]);
  assertEquals(said, []);
  const two = data.draw({ shots: 2, seed: 2, classes: "base" });
  assertEquals([two.train.length, two.val.length, two.test.length], [10, 10, 4200]);
  for (const label of [0, 1, 2, 3, 4]) {
    const of = (samples: { label: number }[]) => samples.filter((sample) => sample.label === label);
    assertEquals(of(two.train), of(whole.train).slice(0, 2));
  }
  data.draw({ shots: 2, seed: 3, classes: "new" });
  assertEquals(said.length, 1);
  assert(said[0].startsWith("The sample holds the published 16-shot draw; 2 shots are its first images"), said[0]);
  data.draw({ shots: 1, seed: 3, classes: "new" });
  assert(said[1].includes("1 shot is its first image of each class"), said[1]);
  assertThrows(() => data.draw({ shots: 17, seed: 1, classes: "all" }), UserError, "--shots, or give the images");
  assertThrows(() => data.wholeVal("base"), UserError, "--data EuroSAT.zip");
});

Deno.test("features are those of the images asked for, in their order; views repeat when the sample holds fewer", async () => {
  const said: string[] = [];
  const data = openStoredData(stored, linesInto(said));
  const { train } = data.draw({ shots: 16, seed: 1, classes: "base" });
  const options = { what: "", seed: 1 };
  const [all, turned] = [await data.features(train, options), await data.features(train.toReversed(), options)];
  assertEquals(all.shape, [80, 128]);
  assertEquals(turned.data.subarray(0, 128), all.data.subarray(79 * 128));
  const few = await data.views(train, { seed: 1, count: 3 });
  assertEquals([few.count, (await few.view(2)).shape], [3, [80, 128]]);
  assertNotEquals((await few.view(0)).data, (await few.view(1)).data);
  assertNotEquals((await few.view(0)).data, all.data);
  said.length = 0;
  const { views } = stored.features.source;
  assertEquals((await data.views(train, { seed: 1, count: views + 1, leastArea: 0.5 })).count, views);
  assertEquals(
    said.map((line) => line.slice(0, 34)),
    [
      "The sample's training views are cr",
      `The sample holds ${views} training views `,
    ].map((line) => line.slice(0, 34)),
  );
});

Deno.test("what identifies its images: the file of features, and which of them in which order", async () => {
  const data = openStoredData(stored, linesInto([]));
  const { train } = data.draw({ shots: 16, seed: 1, classes: "base" });
  const hash = await data.sha256(train);
  assertEquals(hash, await openStoredData(stored, linesInto([])).sha256([...train]));
  assertNotEquals(hash, await data.sha256(train.toReversed()));
  assertNotEquals(hash, await data.sha256(train.slice(1)));
  assertNotEquals(hash, await openStoredData({ ...stored, sha256: "0" }, linesInto([])).sha256(train));
  assertEquals([data.template, data.ensemble.length, data.images], [SAMPLE_TEMPLATE, 8, undefined]);
});
