import { assertEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { commandList, type Job, requireSuccess, runJobs, shellLine } from "../../../recipes/cli/jobs.ts";
import { UserError } from "../../../src/errors.ts";

const job = (title: string, ...words: string[]): Job => ({ title, words });

Deno.test("jobs run as many at a time as asked, and a failing one does not stop the others", async () => {
  let now = 0;
  let most = 0;
  const seen: string[] = [];
  const ends = await runJobs(["a", "b", "c", "d", "e"].map((title) => job(title)), {
    parallel: 2,
    start: ({ title }) => {
      most = Math.max(most, ++now);
      return {
        stop() {},
        ended: new Promise((resolve) =>
          setTimeout(() => {
            now--;
            resolve({
              code: title === "b" ? 2 : 0,
              stderr: title === "b" ? "epoch 3\nerror: No folder x.\nhint\n" : "",
            });
          }, 5)
        ),
      };
    },
    onChange: ({ last }) => last && seen.push(last.job.title),
  });
  assertEquals(most, 2);
  assertEquals(ends.map(({ job, code }) => `${job.title}${code}`), ["a0", "b2", "c0", "d0", "e0"]);
  assertEquals(seen.toSorted(), ["a", "b", "c", "d", "e"]);
  const message = assertThrows(() => requireSuccess(ends), UserError).message;
  assertStringIncludes(message, "1 of 5 runs failed");
  assertStringIncludes(message, "b: error: No folder x.");
  requireSuccess(ends.filter(({ code }) => code === 0));
});

Deno.test("a job is a process of Deno's", async () => {
  const ends = await runJobs([
    job("good", "eval", "1"),
    job("bad", "eval", "console.error('error: why'); Deno.exit(3)"),
  ], {
    parallel: 1,
  });
  assertEquals(ends.map(({ code, message }) => [code, message]), [[0, ""], [3, "error: why"]]);
});

Deno.test("what a job says on its way is told line by line", async () => {
  const script = 'console.error("one\\ntwo é"); console.log("not this"); console.error("error: three")';
  const lines: string[] = [];
  const [{ message }] = await runJobs([{ title: "a", words: ["eval", script] }], {
    parallel: 1,
    onLine: ({ title }, line) => lines.push(`${title}: ${line}`),
  });
  assertEquals(lines, ["a: one", "a: two é", "a: error: three"]);
  assertEquals(message, "error: three");
});

Deno.test("words with spaces and quotes come through a shell as they were", async () => {
  const words = ["plain", "a photo of a", "it's", "$HOME", "", "a\\b", "*"];
  const { stdout } = await new Deno.Command("bash", { args: ["-c", `printf '%s\\n' ${shellLine(words)}`] }).output();
  assertEquals(new TextDecoder().decode(stdout).split("\n").slice(0, -1), words);
});

Deno.test("a list of commands has a run a line, quoted for a shell", () => {
  const jobs = [job("one", "run", "x.ts", "--seed", "1"), job("two", "run", "x.ts", "--init-words", "it's a photo")];
  assertEquals(commandList(jobs), "deno run x.ts --seed 1\ndeno run x.ts --init-words 'it'\\''s a photo'\n");
});
