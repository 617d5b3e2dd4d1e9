import { assertEquals } from "jsr:@std/assert@1.0.19";
import { duration } from "../../src/run/progress.ts";

Deno.test("durations are told in the two units that matter, rounded, never as 60 of one", () => {
  const told = [0, 0.4, 59.4, 59.6, 185, 3599.4, 3599.6, 7620, 172_799, 172_800, 360_000].map(duration);
  assertEquals(told, [
    "0 s",
    "0 s",
    "59 s",
    "1 min 00 s",
    "3 min 05 s",
    "59 min 59 s",
    "1 h 00 min",
    "2 h 07 min",
    "47 h 59 min",
    "2 days 0 h",
    "4 days 4 h",
  ]);
});
