import { apartEngine } from "../engine/apart.ts";
import { assertDeviceSteps } from "./device_cases.ts";

for (const joinOutputs of [false, true]) {
  Deno.test(`steps on the device: read ${joinOutputs ? "in one piece" : "one by one"}`, async () => {
    const engine = await apartEngine({ joinOutputs });
    await assertDeviceSteps(engine, { tolerance: 1e-4, cuts: [1, 4, 6] });
    await engine.dispose();
  });
}
