import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { SMALL_RUN, smallFolder, startRecipe } from "../../small_run.ts";

Deno.test({
  name: "Ctrl-C says what is kept, ends with the code of a shell, and the same command goes on from there",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await smallFolder();
    try {
      for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
        const child = startRecipe(folder, { args: [...SMALL_RUN, "--epochs", "4000"] });
        const seen = child.stderr.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
        let stderr = "";
        // A run that goes on begins after the epochs that are kept, so any three epochs will do.
        while ((stderr.match(/epoch \d+\/4000/g) ?? []).length < 3) {
          const { value, done } = await seen.next();
          assert(!done, stderr);
          stderr += value;
        }
        child.kill(signal);
        for (let next = await seen.next(); !next.done; next = await seen.next()) stderr += next.value;
        await child.stdout.cancel();
        assertEquals((await child.status).code, code, stderr);
        assertEquals(
          stderr.trimEnd().split("\n").at(-1),
          "Stopped. What is done is kept: the same command, without --fresh, goes on from there.",
        );
        assertEquals(stderr.includes("its work is taken up"), signal === "SIGTERM", stderr);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
