import { ENGINES, withEngine } from "../engine/ops_cases.ts";
import { assertOptimizers } from "./on_device_cases.ts";

for (const name of ENGINES) {
  Deno.test(`SGD, Adam and AdamW as a program of ${name} are the host's but for rounding`, () =>
    withEngine(name, assertOptimizers));
}
