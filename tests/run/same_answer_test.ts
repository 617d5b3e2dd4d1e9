/** What a run says of a classifier that calls every image the same. */
import { assertEquals } from "jsr:@std/assert@1.0.19";
import type { HostTensor } from "../../src/engine/ops.ts";
import type { TextSettings } from "../../src/methods/feature_settings.ts";
import type { FeatureLearning } from "../../src/methods/method.ts";
import { zeroShot } from "../../src/methods/zero_shot.ts";
import { runHere } from "./run_here.ts";

/** Calls every image its second class, but the last of a batch its first where it is told to. */
function constant({ butOne }: { butOne: boolean }): FeatureLearning<TextSettings> {
  return {
    ...zeroShot,
    name: "constant",
    label: "Constant",
    learn({ classNames: { length: C } }) {
      const logits = ({ shape: [N] }: HostTensor) => {
        const data = Float32Array.from({ length: N * C }, (_, i) => i % C === 1 ? 1 : 0);
        if (butOne) data[(N - 1) * C] = 2;
        return { shape: [N, C], data };
      };
      return { chosen: {}, logits, newClasses: { impossible: "it knows none" } };
    },
  };
}

Deno.test("one class for every image is told while it runs and in the report; one image of another class ends that", async () => {
  const out = await Deno.makeTempDir();
  try {
    const words =
      "Constant calls every one of the 3,900 test images Permanent Crop Land: it tells nothing apart, and its accuracy is " +
      "the share of that class.";
    const same = await runHere(constant({ butOne: false }), { eval: ["new"], engine: "cpu", out });
    const found = (same.reports[0].warnings ?? []).filter(({ kind }) => kind === "collapse");
    assertEquals(found, [{ kind: "collapse", method: "constant", seed: null, text: words }]);
    assertEquals(same.said.includes(`warning: ${words}`), true);
    const other = await runHere(constant({ butOne: true }), { eval: ["new"], engine: "cpu", out: `${out}/other` });
    assertEquals((other.reports[0].warnings ?? []).filter(({ kind }) => kind === "collapse"), []);
  } finally {
    await Deno.remove(out, { recursive: true });
  }
});
