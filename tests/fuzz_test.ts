import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { UserError } from "../src/errors.ts";
import { fuzz } from "./fuzz.ts";
import { mutate } from "./fuzz_parts/mutate.ts";
import { type Target, TARGETS } from "./fuzz_parts/targets.ts";

/** `deno task fuzz` has eight hundred for each. */
const INPUTS = 30;

for (const target of TARGETS) {
  Deno.test(`${INPUTS} damaged ${target.name}: read or refused in a sentence, nothing else`, async () => {
    const { failures, refused } = await fuzz(target, { seed: 1, inputs: INPUTS });
    assertEquals(failures, []);
    assert(refused > 0, "no input was damaged enough to be refused");
  });
}

/** A reader that ends as told. */
const reader = (read: Target["read"]): Target => ({
  name: "test files",
  ending: ".bin",
  corpus: () => Promise.resolve({ files: [new Uint8Array(32)] }),
  read: async (path) => {
    if ((await Deno.readFile(path)).every((byte) => byte === 0)) return;
    await read(path);
  },
  mostBytes: (fileBytes) => fileBytes + 1000,
});

Deno.test("the fuzz sees what a reader must not do", async () => {
  const failure = async (read: Target["read"]) => {
    const { failures } = await fuzz(reader(read), { seed: 1, inputs: 8 });
    assert(failures.length > 0);
    return failures[0];
  };
  assertStringIncludes(await failure(() => Promise.reject(new TypeError("x is undefined"))), "throws TypeError");
  assertStringIncludes(await failure(() => Promise.reject(new UserError("No."))), "does not name the file");
  assertStringIncludes(await failure((path) => Promise.reject(new UserError(path))), "is no sentence");
  assertStringIncludes(await failure(async (path) => void await Deno.readFile(`${path}/../../secret.jpg`)), "touched");
  assertStringIncludes(await failure((path) => Deno.writeFile(`${path}.more`, new Uint8Array())), "Deno.writeFile");
  assertStringIncludes(await failure(() => Promise.resolve(void new Uint8Array(1e6))), "took 1000000 bytes");
  assertStringIncludes(
    await failure(() => Promise.resolve(void new Deno.Command("true"))),
    "A reader started a program",
  );
});

Deno.test("the same seed damages in the same way, another in another", () => {
  const corpus = { files: [Uint8Array.from({ length: 200 }, (_, i) => i)] };
  const some = (seed: number) => Array.from({ length: 20 }, (_, number) => mutate(corpus, { seed, number }));
  assertEquals(some(1), some(1));
  assert(JSON.stringify(some(1)) !== JSON.stringify(some(2)));
});
