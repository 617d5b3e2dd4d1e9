import { assert, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { coop } from "../../src/methods/kit.ts";
import { UserError } from "../../src/errors.ts";
import { TAKES_DAYS } from "../../src/run/plan.ts";
import { SILENT } from "../../src/run/progress.ts";
import { requireRoom } from "../../src/run/room.ts";
import { openRun } from "../../src/run/run.ts";
import { inFolder } from "./run_here.ts";

const advice = "take fewer --views";

Deno.test("what disk or memory cannot hold is refused with both numbers; what fits or is stored already is not", async () => {
  const folder = await Deno.makeTempDir();
  const at = { folder: `${folder}/store`, what: "The features", advice };
  try {
    const { message } = await assertRejects(() => requireRoom({ ...at, bytes: 2 ** 60, inMemory: false }), UserError);
    const [, free] =
      /^The features take 1,073,741,824 GiB of disk in \S+, and ([\d.,]+) GiB are free: free some space, or take fewer --views\.$/
        .exec(message) ?? [];
    assert(Number(free.replaceAll(",", "")) > 0, message);
    await assertRejects(
      () => requireRoom({ ...at, bytes: 2 ** 60, inMemory: true }),
      UserError,
      "take 1,073,741,824 GiB of memory, and this machine has ",
    );
    await requireRoom({ ...at, bytes: 1, inMemory: true });
    // Sparse: a store of these very bytes.
    await Deno.mkdir(`${at.folder}/model`, { recursive: true });
    await Deno.writeFile(`${at.folder}/model/a`, new Uint8Array());
    await Deno.truncate(`${at.folder}/model/a`, 2 ** 43);
    await requireRoom({ ...at, bytes: 2 ** 43, inMemory: false });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a training of days says so before its first step, and one of seconds does not", async () => {
  const said: string[] = [];
  const learn = async (epochs: number) => {
    said.length = 0;
    const progress = {
      ...SILENT,
      update() {
        if (epochs > 1) throw new UserError("It trains.");
      },
      say(text: string) {
        said.push(text);
        if (text.startsWith(TAKES_DAYS)) throw new UserError("Stopped here.");
      },
    };
    const given = { epochs, seeds: [1, 2, 3], eval: ["base" as const], train: "base" as const, shots: 16 };
    await using run = await openRun(coop, { ...given, engine: "onnx", threads: 1, batchSize: 1 }, { progress });
    await using _learned = await run.learn(1);
  };
  await inFolder(async () => {
    await assertRejects(() => learn(1_000_000), UserError, "Stopped here.");
    const numbers =
      /: 80,000,000 steps of \d+ ms and 4,200 test images for each of 3 seeds; about .* and [\d,]+ MiB of disk in all, less /;
    assert(numbers.test(said.at(-1)!), said.at(-1));
    await learn(1);
    assertEquals(said.filter((text) => text.startsWith(TAKES_DAYS)), []);
  });
});
