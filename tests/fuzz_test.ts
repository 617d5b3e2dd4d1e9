import process from "node:process";
import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { UserError } from "../src/errors.ts";
import { readBytes } from "../src/files.ts";
import { fuzz } from "./fuzz.ts";
import { mutate } from "./fuzz_parts/mutate.ts";
import { type Target, TARGETS } from "./fuzz_parts/targets.ts";

/** `deno task fuzz` has four thousand for each. */
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
    if ((await readBytes(path, "the file", 1000)).every((byte) => byte === 0)) return;
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

Deno.test("the fuzz sees a reader that takes time or memory, or takes for whole what must be refused", async () => {
  const failures = async (read: Target["read"], corpus = {}) => {
    const files = [new Uint8Array(32)];
    const target = { ...reader(read), corpus: () => Promise.resolve({ files, ...corpus }) };
    return (await fuzz(target, { seed: 1, inputs: 1 })).failures;
  };
  const refuse = (path: string) => Promise.reject(new UserError(`No ${path}.`));
  assertEquals(await failures(refuse), []);
  // Pieces that are small each.
  const kept: Uint8Array[] = [];
  const greedy = await failures((path) => {
    for (let i = 0; i < 400_000 && kept.length < 400_000; i++) kept.push(new Uint8Array(1000).fill(1));
    return refuse(path);
  });
  assert(greedy.some((failure) => failure.includes("let the process grow by")), greedy.join("\n"));
  kept.length = 0;
  const slow = await failures((path) => {
    const start = process.cpuUsage();
    while (process.cpuUsage(start).user < 3.1e6);
    return refuse(path);
  });
  assert(slow.length === 1 && slow[0].includes("ms of the processor"), slow.join("\n"));
  const trusting = await failures(() => Promise.resolve(), { refused: [new Uint8Array(3)] });
  assertEquals(trusting, ["test files, file 0 to be refused: was read"]);
});

Deno.test("the fuzz sees a reader that takes the square of a list's length, and lets one pass after another be", async () => {
  const failures = async (check: (names: readonly string[]) => boolean) => {
    const target: Target = {
      ...reader(() => Promise.resolve()),
      corpus: () => Promise.resolve({ files: [new Uint8Array(32)] }),
      growing: (items) => ({ names: new TextEncoder().encode(Array.from({ length: items }, (_, i) => i).join("\n")) }),
      async read(path) {
        const names = new TextDecoder().decode(await readBytes(path, "the file", 1e6)).split("\n");
        if (!check(names)) throw new UserError(`${path} has a name twice.`);
      },
    };
    return (await fuzz(target, { seed: 1, inputs: 0 })).failures.filter((failure) => failure.includes("one pass"));
  };
  assertEquals(await failures((names) => new Set(names).size === names.length), []);
  const square = await failures((names) => names.every((name, i) => names.indexOf(name) === i));
  assertEquals(square.length, 1);
  assertStringIncludes(square[0], "40000 names, names: took");
});

Deno.test("the same seed damages in the same way, another in another", () => {
  const corpus = { files: [Uint8Array.from({ length: 200 }, (_, i) => i)] };
  const some = (seed: number) => Array.from({ length: 20 }, (_, number) => mutate(corpus, { seed, number }));
  assertEquals(some(1), some(1));
  assert(JSON.stringify(some(1)) !== JSON.stringify(some(2)));
});
