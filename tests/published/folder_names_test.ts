import { assertEquals } from "jsr:@std/assert@1.0.19";
import { factsOf } from "../../src/published/folder_names.ts";
import { TRAINER_NAMES } from "../../src/published/trainer.ts";

/** What a path tells, without what it does not. */
function told(path: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(factsOf(path, TRAINER_NAMES)).filter(([, value]) => value !== undefined));
}

Deno.test("the published folder names tell trainer, data set, shots, seed, classes and place of the name", () => {
  const cases: [string, Record<string, unknown>][] = [
    [
      "output/base2new/train_base/dtd/shots_16/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1/seed3/prompt_learner/model.pth.tar-10",
      { trainer: "CoCoOp", dataset: "dtd", train: "base", shots: 16, seeds: [3] },
    ],
    [
      "output/DescribableTextures/CoOp/rn50_4shots/nctx16_cscFalse_ctpmiddle/seed1/model.pth.tar-100",
      { trainer: "CoOp", dataset: "dtd", train: "all", shots: 4, seeds: [1], classTokenPosition: "middle" },
    ],
    [
      "outputs/coop_dept/train_base/ExtrasLinearProbeCoOp/oxford_pets/shots16/vit_b16_ep10_bs4_lr35/seed2/PromptLearner",
      { trainer: "ExtrasLinearProbeCoOp", dataset: "oxford_pets", train: "base", shots: 16, seeds: [2] },
    ],
    // KgCoOp's and TCP's scripts add their weight to the shots.
    [
      "output_temp/base2new/train_base/eurosat/shots_4_8.0/KgCoOp/rn50_ep100/seed2/prompt_learner/model.pth.tar-100",
      { trainer: "KgCoOp", dataset: "eurosat", train: "base", shots: 4, seeds: [2], lambda: 8 },
    ],
    [
      "output_1108_4/base2new/train_base/ucf101/shots_16_0.5/TCP/vit_b16_ep100_ctxv1/seed1",
      { trainer: "TCP", dataset: "ucf101", train: "base", shots: 16, seeds: [1], lambda: 0.5 },
    ],
    [
      "output/imagenet/MaPLe/vit_b16_c2_ep5_batch4_2ctx_cross_datasets_16shots/seed2/MultiModalPromptLearner/model.pth.tar-2",
      { trainer: "MaPLe", dataset: "imagenet", train: "all", shots: 16, seeds: [2] },
    ],
    // The repository's own folder is not the trainer, and of two data sets the nearer one counts.
    [
      "imagenet/CoOp/output/base2new/train_base/oxford_pets/shots_1/ProGrad/rn50/seed1",
      { trainer: "ProGrad", dataset: "oxford_pets", train: "base", shots: 1, seeds: [1] },
    ],
    // A trainer that nobody has heard of stands where trainers stand.
    ["CoOp/output/train_base/eurosat/shots_16/LASP/vit/seed1", {
      trainer: "LASP",
      dataset: "eurosat",
      train: "base",
      shots: 16,
      seeds: [1],
    }],
    ["output/eurosat/LASP/vit_8shots/seed1", {
      trainer: "LASP",
      dataset: "eurosat",
      train: "all",
      shots: 8,
      seeds: [1],
    }],
    ["shots_16/seed1/model.pth.tar-5", { shots: 16, seeds: [1] }],
    ["eurosat_16shots/seed1/model.pth.tar-5", { train: "all", shots: 16, seeds: [1] }],
    ["KgCoOp\\seed4\\model.pth.tar-5", { trainer: "KgCoOp", seeds: [4] }],
    ["VLPromptLearner/model.pth.tar-20", {}],
    ["model.pth.tar-50", {}],
  ];
  for (const [path, facts] of cases) assertEquals(told(path), facts, path);
});

Deno.test("a folder of a user's own that is called like a method is no trainer", () => {
  assertEquals(told("/home/me/coop/tcp/fixtures/model.pth.tar-50").trainer, undefined);
  assertEquals(told("/home/me/coop/output/CoOp/mine/model.pth.tar-50").trainer, "CoOp");
});
