/** Methods inside the towers, killed at random moments: all that their steps read is in the checkpoint. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { decodeCheckpoint } from "../../src/train/checkpoint.ts";
import type { TrainingState } from "../../src/train/training.ts";
import { resultsOf, smallFolder } from "../small_run.ts";
import { clear, endsTheSame, killAt } from "./kills.ts";

const KILLS = 12;
const COMMON = "--data images --train base --eval base,new --shots 4 --batch-size 2 --epochs 6 --views 2 " +
  "--checkpoint-every 3 --engine onnx --threads 1";
const TWO_LAYERS = "--text-depth 2 --image-depth 2";

/** The folder of a run whose changes from its preset stand in its name. */
const folderOf = (method: string, preset: string, changes: string) =>
  `runs/images/${method}/${preset}+epochs=6+batch-size=2+views=2+${changes}/sample-on-images/shots4/seed1`;

const RUNS = [
  { recipe: "tcp", flags: "--class-block 2", runFolder: folderOf("tcp", "tcp-cvpr24", "class-block=2") },
  { recipe: "maple", flags: "--depth 2", runFolder: folderOf("maple", "maple-cvpr23", "depth=2") },
  {
    recipe: "promptsrc",
    flags: `${TWO_LAYERS} --prompt-average 3,1`,
    runFolder: folderOf("promptsrc", "promptsrc-iccv23", "prompt-average=3-1+text-depth=2+image-depth=2"),
  },
  {
    recipe: "prometar",
    flags: TWO_LAYERS,
    runFolder: folderOf("prometar", "prometar-cvpr24", "text-depth=2+image-depth=2"),
  },
  {
    recipe: "mmrl",
    flags: "--token-width 1024",
    runFolder: folderOf("mmrl", "mmrl-cvpr25", "token-width=1024"),
  },
];

for (const { recipe, flags, runFolder } of RUNS) {
  Deno.test(`${recipe} killed at ${KILLS} random moments and started again ends with the same bits`, async () => {
    const run = { recipe, args: `${COMMON} ${flags}`.split(" ") };
    const killedAfter = await endsTheSame({ run, runFolder, kills: KILLS, holds: ["checkpoint-0006.safetensors"] });
    assert(killedAfter.some((line) => line.startsWith("training")), killedAfter.join("\n"));
  });
}

/** The state that a run leaves that is killed in its fourth epoch. */
async function cutState(recipe: string): Promise<{ state: TrainingState; final: TrainingState }> {
  const { flags, runFolder } = RUNS.find((run) => run.recipe === recipe)!;
  const run = { recipe, args: `${COMMON} ${flags}`.split(" ") };
  const folder = await smallFolder();
  const stateOf = async (name: string) =>
    decodeCheckpoint(await Deno.readFile(`${folder}/${runFolder}/${name}`), name).state;
  try {
    assertEquals(await killAt(folder, undefined, run), undefined);
    const final = await stateOf("checkpoint-0006.safetensors");
    const expected = await resultsOf(`${folder}/${runFolder}`);
    await clear(folder);
    const last = await killAt(folder, { line: 3, of: "training", milliseconds: 10 }, run);
    assert(last !== undefined, "it had ended");
    const state = await stateOf("checkpoint.safetensors");
    assertEquals(await killAt(folder, undefined, run), undefined);
    assertEquals([...await resultsOf(`${folder}/${runFolder}`)], [...expected]);
    return { state, final };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("every checkpoint of TCP holds both of Adam's means", async () => {
  const { state, final } = await cutState("tcp");
  assert(state.step > 0 && state.step < 24, `${state.step}`);
  for (const { params, velocity, squares } of [state, final]) {
    assertEquals(
      [velocity, squares!].map((means) => Object.keys(means).sort()),
      Array(2).fill(Object.keys(params).sort()),
    );
  }
});

Deno.test("a checkpoint of PromptSRC holds the running average of its epochs, the last one the average alone", async () => {
  const { state, final } = await cutState("promptsrc");
  assert(state.step >= 4 && state.step < 24, `${state.step}`);
  assertEquals(Object.keys(state.average!).sort(), Object.keys(state.params).sort());
  assertEquals([final.average, final.step], [undefined, 24]);
});

Deno.test("a checkpoint of ProMetaR holds the net, its momentum and where its draws are, the last one none of them", async () => {
  const { state, final } = await cutState("prometar");
  const { maps, velocity, stream } = state.meta!;
  // Two maps for each of the two layers of both towers.
  assertEquals(Object.keys(maps).length, 8);
  assertEquals(Object.keys(velocity).sort(), Object.keys(maps).sort());
  assert(stream.length > 0 && state.order.length > 0);
  assertEquals(final.meta, undefined);
});
