import { assertEquals } from "jsr:@std/assert@1.0.19";
import { factsOf } from "../../src/published/folder_names.ts";

Deno.test("the published folder names tell data set, shots, seed, classes and place of the name", () => {
  assertEquals(
    factsOf(
      "output/base2new/train_base/dtd/shots_16/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1/seed3/prompt_learner/model.pth.tar-10",
    ),
    {
      dataset: "dtd",
      train: "base",
      shots: 16,
      seeds: [3],
      classTokenPosition: undefined,
    },
  );
  assertEquals(
    factsOf("output/DescribableTextures/CoOp/rn50_4shots/nctx16_cscFalse_ctpmiddle/seed1/model.pth.tar-100"),
    {
      dataset: "dtd",
      train: "all",
      shots: 4,
      seeds: [1],
      classTokenPosition: "middle",
    },
  );
  assertEquals(Object.values(factsOf("model.pth.tar-50")).filter((fact) => fact !== undefined), []);
});
