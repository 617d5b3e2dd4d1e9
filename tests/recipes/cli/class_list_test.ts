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

for (
  const [value, says] of [
    ["river,river", '--classes names "river" twice'],
    ["river", "--classes has one name"],
    [" , ", "--classes has no name"],
    ["none.txt", "There is no file none.txt with class names"],
  ]
) {
  Deno.test(`class names are refused with a sentence: ${value}`, async () => {
    await assertRejects(() => readClassNames(value), UserError, says);
  });
}
