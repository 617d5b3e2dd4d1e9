import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { readClassNames } from "../../../recipes/cli/class_list.ts";
import { UserError } from "../../../src/errors.ts";

Deno.test("class names come with commas between, or a name a line from a file", async () => {
  assertEquals(await readClassNames("river, forest,,annual crop land "), ["river", "forest", "annual crop land"]);
  const folder = await Deno.makeTempDir();
  try {
    // Names in a file may have commas.
    await Deno.writeTextFile(`${folder}/names.txt`, "river\r\n\r\nhouse, small\n");
    assertEquals(await readClassNames(`${folder}/names.txt`), ["river", "house, small"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a list that is not UTF-8 is named as what it is, and never read as other names", async () => {
  const path = await Deno.makeTempFile({ suffix: ".txt" });
  try {
    const utf16 = (text: string, little: boolean) => {
      const view = new DataView(new ArrayBuffer(2 * text.length));
      [...text].forEach((letter, i) => view.setUint16(2 * i, letter.charCodeAt(0), little));
      return new Uint8Array(view.buffer);
    };
    for (const text of ["\ufeffforest\nriver\n", "forest\nriver\n", "\ufeff森\n川\n", "森\n川\n"]) {
      for (const little of [true, false]) {
        await Deno.writeFile(path, utf16(text, little));
        await assertRejects(() => readClassNames(path), UserError, `${path} is written in UTF-16: save it as UTF-8.`);
      }
    }
    await Deno.writeFile(path, Uint8Array.from("forêt\nrivière", (letter) => letter.charCodeAt(0)));
    await assertRejects(() => readClassNames(path), UserError, "is not written in UTF-8 (a Windows code page");
    await Deno.writeTextFile(path, "\ufeffforêt\r\n森\r\n");
    assertEquals(await readClassNames(path), ["forêt", "森"]);
  } finally {
    await Deno.remove(path);
  }
});

for (
  const [value, says] of [
    ["river,river", '--classes names "river" twice'],
    ["sea_lake,forest,Sea Lake", '--classes names "Sea Lake" twice'],
    ["river", "--classes has one name"],
    [" , ", "--classes has no name"],
    ["none.txt", "Cannot read the list of class names none.txt: it does not exist"],
  ]
) {
  Deno.test(`class names are refused with a sentence: ${value}`, async () => {
    await assertRejects(() => readClassNames(value), UserError, says);
  });
}

Deno.test("a list of more names than any set of images has is refused", async () => {
  const path = await Deno.makeTempFile({ suffix: ".txt" });
  try {
    const write = (count: number) =>
      Deno.writeTextFile(path, Array.from({ length: count }, (_, i) => `c${i}`).join("\n"));
    await write(50_001);
    await assertRejects(() => readClassNames(path), UserError, "--classes has 50,001 names, and 50,000 are the most");
    await write(50_000);
    assertEquals((await readClassNames(path)).length, 50_000);
  } finally {
    await Deno.remove(path);
  }
});
