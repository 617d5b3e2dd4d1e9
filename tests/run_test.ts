import { assertEquals } from "jsr:@std/assert@1.0.19";
import { partsOf, readCounts } from "./run.ts";

Deno.test("the counts of deno test are read, with colours or without", () => {
  assertEquals(readCounts("a ... ok (1ms)\n\nok | 12 passed (3 steps) | 0 failed | 2 ignored (3s)\n\n"), {
    passed: 12,
    failed: 0,
    ignored: 2,
  });
  assertEquals(readCounts("\x1b[0m\x1b[31mFAILED\x1b[0m | 1 passed | 4 failed \x1b[0m\x1b[38;5;245m(9ms)\x1b[0m\n"), {
    passed: 1,
    failed: 4,
    ignored: 0,
  });
});

Deno.test("a run that never came to its last line has no counts", () => {
  assertEquals(readCounts("error: Type checking failed.\n"), undefined);
  assertEquals(readCounts("a test that prints ok | 3 passed | 0 failed\n"), undefined);
});

Deno.test("every file is tested by one process, those last by name first, and the documentation's examples by another", () => {
  const files = Array.from({ length: 19 }, (_, i) => `tests/${String(i).padStart(2, "0")}_test.ts`);
  const parts = partsOf(files);
  assertEquals(parts.at(-1), ["--doc", "mod.ts", "README.md", "src"]);
  assertEquals(parts[0].slice(0, 2), ["--no-check", "tests/18_test.ts"]);
  const tested = parts.slice(0, -1).flatMap((part) => part.slice(1));
  assertEquals([tested.length, tested.toSorted()], [19, files]);
});
