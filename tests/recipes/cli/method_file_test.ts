import { assert, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { findMethod, isMethodFile, loadMethod, typedPath } from "../../../recipes/cli/method_file.ts";
import { UserError } from "../../../src/errors.ts";
import { sha256Hex } from "../../../src/files.ts";
import { learnsPrompts } from "../../../src/methods/method.ts";
import { ANCHORED, NEAREST_MEAN, writeFiles } from "../../method_files.ts";

Deno.test("methods of the kit go by name, those that a setting makes among them", async () => {
  for (const name of ["cocoop", "lp++", "kgcoop-cocoop", "coop-dept", "gda-full-val"]) {
    const { method, file } = await findMethod(name);
    assertEquals([method.name, file], [name, undefined]);
  }
  const { message } = await assertRejects(() => findMethod("cocoopp"), UserError);
  assert(message.startsWith('There is no method "cocoopp": take zeroshot, coop, coop-dept, cocoop, '), message);
  assert(message.endsWith(', or the path of a file. Did you mean "cocoop"?'), message);
  await assertRejects(() => findMethod("constructor"), UserError, "There is no method");
});

Deno.test("files go by their ending, and lie below the folder that the user stands in", () => {
  assertEquals(["coop", "./mine.ts", "mine.js", "/a/b.mts", "lp++", "ts"].map(isMethodFile), [
    false,
    true,
    true,
    true,
    false,
    false,
  ]);
  const before = Deno.env.get("INIT_CWD");
  try {
    Deno.env.set("INIT_CWD", "/far/away");
    assertEquals(typedPath("./mine.ts"), "/far/away/mine.ts");
    assertEquals(typedPath("/m/mine.ts"), "/m/mine.ts");
    Deno.env.delete("INIT_CWD");
    assertEquals(typedPath("mine.ts"), `${Deno.cwd()}/mine.ts`);
  } finally {
    if (before !== undefined) Deno.env.set("INIT_CWD", before);
  }
});

Deno.test("a file exports its method by any name or as its default, with the hash of its bytes", async () => {
  const folder = await writeFiles({
    "anchored.ts": ANCHORED,
    "nearest_mean.ts": NEAREST_MEAN,
    "both.ts":
      'export { anchored } from "./anchored.ts"; export { default } from "./nearest_mean.ts"; export const x = 1;',
  });
  try {
    const anchored = await loadMethod(`${folder}/anchored.ts`);
    assertEquals([anchored.method.name, anchored.method.label], ["anchored", "Anchored CoOp"]);
    assert(learnsPrompts(anchored.method));
    assertEquals(anchored.file, {
      path: `${folder}/anchored.ts`,
      sha256: await sha256Hex(new TextEncoder().encode(ANCHORED)),
    });
    const mean = await findMethod(`${folder}/nearest_mean.ts`);
    assertEquals([mean.method.name, learnsPrompts(mean.method)], ["nearest-mean", false]);
    assertEquals((await loadMethod(`${folder}/both.ts`)).method.name, "nearest-mean");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const COOP = 'import { coop } from "@prompt-kit/clip-prompts";\n';
const FAULTS: [what: string, text: string | undefined, says: string][] = [
  ["is not there", undefined, "There is no file FILE: check the path of the method."],
  ["is empty", "", 'FILE exports no method: see "Adding a method" in docs/methods.md.'],
  ["exports something else", "export const x = 1; export function f() {}", "FILE exports no method: see"],
  ["exports nothing as its default", "export default undefined;", "FILE exports no method (it is no object): see"],
  ["throws", 'throw new Error("at the start\\nand more");', "The method file FILE does not load: at the start"],
  ["throws what is no error", 'throw "a text";', "The method file FILE does not load: a text"],
  [
    "is no TypeScript",
    "export default { name: ",
    "The method file FILE does not load: SyntaxError: Expression expected",
  ],
  [
    "imports a name that is none",
    'import { nope } from "@prompt-kit/clip-prompts"; nope;',
    "does not load: The requested",
  ],
  [
    "imports a file that is none",
    'import "./gone.ts"; export default 1;',
    "The method file FILE does not load: Module not found",
  ],
  [
    "exports two",
    `${COOP}export const a = { ...coop, name: "a" }, b = { ...coop, name: "b" };`,
    "FILE exports 2 methods: export the one to run as its default.",
  ],
  ["has no label", `${COOP}export default { ...coop, name: "a", label: "" };`, '(its "label" is no text)'],
  [
    "has no settings",
    `${COOP}export default { ...coop, name: "a", settings: undefined };`,
    '(its "settings" is missing)',
  ],
  [
    "learns nothing",
    `${COOP}export default { ...coop, name: "a", prompt: 1 };`,
    '(it has neither "prompt" nor "learn")',
  ],
  [
    "has a setting that is none",
    `${COOP}export default { ...coop, name: "a", settings: { ...coop.settings, pull: 0.2 } };`,
    '(its setting "pull" is none: make it with decimal, wholeNumber, choice, toggle or text)',
  ],
  [
    "has a name that is a path",
    `${COOP}export default { ...coop, name: "../a" };`,
    '(its "name" is not one word, as in cocoop or lp++)',
  ],
  [
    "has the name of one of the kit's",
    `${COOP}export default { ...coop, title: "My own" };`,
    'The method in FILE is called "coop", as one of the kit\'s: give it another name.',
  ],
  [
    "has a setting of every run",
    `${COOP}export default { ...coop, name: "a", settings: { ...coop.settings, engine: coop.settings.lr } };`,
    'The method in FILE has a setting "engine", which every run has already: give it another name.',
  ],
];

for (const [what, text, says] of FAULTS) {
  Deno.test(`a method's file is refused with a sentence when it ${what}`, async () => {
    const folder = await writeFiles(text === undefined ? {} : { "mine.ts": text });
    try {
      const path = `${folder}/mine.ts`;
      const { message } = await assertRejects(() => loadMethod(path), UserError);
      assert(message.includes(says.replace("FILE", path)), message);
      assertEquals(message.split("\n").length, 1);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
