import { assertEquals, assertNotEquals } from "jsr:@std/assert@1.0.19";
import { namedStream } from "../../src/data/random.ts";
import { epochBatches, stepsPerEpoch } from "../../src/optim/batch_order.ts";

Deno.test("an epoch shows each image at most once, in an order of its own", () => {
  const random = namedStream(1, "batch-order");
  const first = epochBatches(10, { batchSize: 4, random });
  const second = epochBatches(10, { batchSize: 4, random });
  assertEquals(first.map((batch) => batch.length), [4, 4]);
  assertEquals(new Set(first.flat()).size, 8);
  assertNotEquals(first, second);
  assertEquals(stepsPerEpoch(80, 4), 20);
  assertEquals(stepsPerEpoch(80, 32), 2);
});

Deno.test("fewer images than a batch holds are one smaller batch", () => {
  const batches = epochBatches(3, { batchSize: 32, random: namedStream(1, "batch-order") });
  assertEquals(batches.length, 1);
  assertEquals(batches[0].toSorted(), [0, 1, 2]);
});
