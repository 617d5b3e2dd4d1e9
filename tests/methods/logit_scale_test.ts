import { assertEquals } from "jsr:@std/assert@1.0.19";
import { clipAdapter } from "../../src/methods/clip_adapter.ts";
import { gda } from "../../src/methods/gda.ts";
import type { Method } from "../../src/methods/method.ts";
import { tipAdapter, tipAdapterF } from "../../src/methods/tip_adapter.ts";
import type { Given } from "../../src/run/config.ts";
import { openRun } from "../../src/run/run.ts";
import { SILENT } from "../../src/run/progress.ts";

Deno.test("methods whose published code has the literal 100 say in run and report which scale they have", async () => {
  const out = await Deno.makeTempDir({ prefix: "clip-prompts-" });
  const said: string[] = [];
  const recorded = async <S>(method: Method<S>, given: Given & Partial<S> = {} as Given & Partial<S>) => {
    const progress = { ...SILENT, finish: (line: string) => void said.push(line) };
    const options = { eval: ["base"], engine: "cpu", out, ...given } as Given & Partial<S>;
    await using run = await openRun(method, options, { progress });
    await using learned = await run.learn(1);
    return (await run.report(learned, run.targets[0]))!.run.hyperparameters.logitScale;
  };
  try {
    for (const method of [gda, tipAdapter]) assertEquals(await recorded(method), 19.9682);
    assertEquals(await recorded(tipAdapterF, { epochs: 1 }), 19.9682);
    const words = "logit scale 19.9682, the model's own (100 in the published code)";
    assertEquals(said.filter((line) => line.includes(words)).length, 3);
    assertEquals(await recorded(clipAdapter, { epochs: 1 }), undefined);
  } finally {
    await Deno.remove(out, { recursive: true });
  }
});
