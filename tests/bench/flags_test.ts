/** Benchmarks answer what the user can mend in one sentence, as recipes do. */
import { assertEquals } from "jsr:@std/assert@1.0.19";
import { ROOT } from "../tasks.ts";

const CASES: { script: string; args: string[]; says: string }[] = [
  { script: "step", args: ["--epochs", "3"], says: "bench:step does not know --epochs: --help lists its flags." },
  {
    script: "step",
    args: ["--cpu", "--threads", "2"],
    says: "bench:step --cpu would count threads that wait: add --threads 1.",
  },
  { script: "eval", args: ["--rounds", "0"], says: "--rounds is 0: give a whole number from 1 up." },
  {
    script: "towers",
    args: ["--method", "maple"],
    says: "bench:towers does not know --method: --help lists its flags.",
  },
  {
    script: "tricks",
    args: ["--pytorch"],
    says: "bench:tricks compares the kit with itself: leave --pytorch out.",
  },
];

for (const { script, args, says } of CASES) {
  Deno.test(`bench:${script} ${args.join(" ")} ends with a sentence and code 2`, async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-all", `${ROOT}bench/${script}.ts`, ...args],
      stdin: "null",
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(new TextDecoder().decode(stderr), `error: ${says}\n`);
    assertEquals(new TextDecoder().decode(stdout), "");
    assertEquals(code, 2);
  });
}
