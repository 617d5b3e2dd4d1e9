import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { namedDataset, readDescription } from "../../../recipes/cli/dataset_file.ts";
import { className } from "../../../src/data/class_names.ts";
import { UserError } from "../../../src/errors.ts";

async function reading(content: string | Uint8Array, name = "mine.yaml") {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, name);
    await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    return await readDescription(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const utf16 = (text: string, mark: number[]) =>
  Uint8Array.from([...mark, ...Array.from(text, (c) => [c.charCodeAt(0), 0]).flat()]);

Deno.test("the description in docs/data.md is one, of under ten lines", async () => {
  const page = Deno.readTextFileSync(new URL("../../../docs/data.md", import.meta.url));
  const text = /```yaml\n(.*?)```/s.exec(page)![1];
  assertEquals(text.trim().split("\n").length, 9);
  const { name, split, classNames } = await reading(text);
  assertEquals([name, split.kind, className("083.great_tit", classNames)], ["My birds", "file", "great tit"]);
});

Deno.test("a byte-order mark, dates and line ends of Windows are read", async () => {
  const { name, images, source } = await reading("\ufeffname: Mine\r\nimages: 2024-05-01\r\nsource: yes\r\n");
  assertEquals([name, images, source], ["Mine", "2024-05-01", "yes"]);
});

const FAULTS: [string, string | Uint8Array, string][] = [
  ["no end", "name: [", "unexpected end of the stream within a flow collection at line 2, column 1): correct it."],
  ["a key twice", "name: x\nname: y\n", "duplicated key at line 2, column 1)"],
  ["an unknown tag", "name: !bird x\n", "unknown tag !<!bird> at line 1, column 14)"],
  ["a tag that would be code", "name: !!js/function x\n", "unknown tag !<tag:yaml.org,2002:js/function>"],
  ["two documents", "name: x\n---\nname: y\n", "expected a single document at line 2, column 1)"],
  ["nothing", "# to be written\n", "is not usable: it is not a table of keys"],
  ["UTF-16 with its mark", utf16("name: x\n", [0xff, 0xfe]), "is written in UTF-16: save it as UTF-8."],
  ["UTF-16 without", utf16("name: x\n", []), "is written in UTF-16: save it as UTF-8."],
  [
    "Latin-1",
    Uint8Array.of(0x6e, 0x3a, 0x20, 0xe9),
    "is not written in UTF-8 (a Windows code page, perhaps): save it as UTF-8.",
  ],
  ["a number for a text", "name: x\nimages: 2750\n", "images is 2750, not a text; put it in quotes."],
];

for (const [what, content, sentence] of FAULTS) {
  Deno.test(`a data set's YAML is refused with a sentence: ${what}`, async () => {
    const error = await assertRejects(() => reading(content), UserError, sentence);
    assertEquals(/^The data set description \S+mine\.yaml is /.test(error.message), true, error.message);
  });
}

Deno.test("--dataset takes a name, or the path of a YAML file", async () => {
  assertEquals(await namedDataset(undefined), undefined);
  assertEquals(await namedDataset("eurosat"), "eurosat");
  await assertRejects(() => namedDataset("/nowhere/x.YML"), UserError, "/nowhere/x.YML: it does not exist");
});
