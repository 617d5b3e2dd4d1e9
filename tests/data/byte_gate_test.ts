import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { byteGate } from "../../src/data/byte_gate.ts";

Deno.test("work waits while what is held would be too much; what is larger than all goes alone", async () => {
  const within = byteGate(100);
  let [held, most] = [0, 0];
  const ended: number[] = [];
  const work = (bytes: number) =>
    within(bytes, async () => {
      held += bytes;
      most = Math.max(most, held);
      await new Promise((resolve) => setTimeout(resolve, 1));
      held -= bytes;
      ended.push(bytes);
    });
  await Promise.all([40, 40, 40, 500, 10, 60, 30].map(work));
  assertEquals(most, 500);
  assertEquals([held, ended.length], [0, 7]);
  most = 0;
  await Promise.all([40, 60, 40, 10, 60, 30].map(work));
  assertEquals(most, 100);
});

Deno.test("work that fails lets the next go", async () => {
  const within = byteGate(1);
  const failed = within(9, () => Promise.reject(new Error("no")));
  const next = within(9, () => Promise.resolve("done"));
  await assertRejects(() => failed, Error, "no");
  assertEquals(await next, "done");
});
