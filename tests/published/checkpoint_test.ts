import { assertEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { UserError } from "../../src/errors.ts";
import { readPublishedPrompt } from "../../src/published/checkpoint.ts";
import { ROOT } from "../tasks.ts";

const FIXTURES = `${ROOT}tests/fixtures/published/`;
const EXPECTED = JSON.parse(Deno.readTextFileSync(`${FIXTURES}expected.json`)) as {
  ends: Record<string, Record<string, [number, number]>>;
};

for (
  const [file, methods, epoch, context] of [
    ["coop.pth.tar-50", ["coop", "kgcoop", "prograd"], 50, 16],
    ["cocoop.pth.tar-10", ["cocoop"], 10, 4],
    ["tcp.pth.tar-50", ["tcp"], 50, 4],
  ] as const
) {
  Deno.test(`${file} gives its learned tensors and its epoch, and nothing of its optimiser is run`, () => {
    const prompt = readPublishedPrompt(FIXTURES + file);
    assertEquals([prompt.layout.methods, prompt.epoch, prompt.frozen], [methods, epoch, []]);
    assertEquals(prompt.params.ctx.shape, [context, 128]);
    assertEquals(prompt.suffix?.shape, [methods[0] === "tcp" ? 5 : 3, 76 - context, 128]);
    assertEquals(Object.keys(prompt.params), Object.keys(EXPECTED.ends[file]));
    for (const [name, [first, last]] of Object.entries(EXPECTED.ends[file])) {
      const { data } = prompt.params[name];
      assertEquals([data[0], data.at(-1)], [Math.fround(first), Math.fround(last)], name);
    }
  });
}

/** What `TextDecoder("latin1")` (windows-1252) gives for 0x80…0x9f, back to bytes. */
const LATIN = new Map(
  Array.from({ length: 32 }, (_, i) => [new TextDecoder("latin1").decode(Uint8Array.of(0x80 + i)), 0x80 + i] as const),
);

Deno.test("a checkpoint that would run something is refused by its name, damaged ones and others by a sentence", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const refused = (path: string, message: string) =>
      assertStringIncludes(assertThrows(() => readPublishedPrompt(path), UserError).message, message);
    refused(`${FIXTURES}hostile.pth.tar-1`, "posix.system");
    const bytes = await Deno.readFile(`${FIXTURES}coop.pth.tar-50`);
    const path = join(folder, "model.pth.tar-50");
    await Deno.writeFile(path, bytes.subarray(0, 40_000));
    refused(path, "damaged or cut off");
    await Deno.writeTextFile(path, "no archive");
    refused(path, "no zip archive");
    refused(join(folder, "none"), "does not exist");
    // A tensor of another method: a name of the same length in the pickle.
    const text = new TextDecoder("latin1").decode(bytes).replaceAll("token_suffix", "token_suffiy");
    await Deno.writeFile(path, Uint8Array.from(text, (character) => LATIN.get(character) ?? character.charCodeAt(0)));
    refused(path, '"token_suffiy", which is of no method');
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
