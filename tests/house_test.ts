/** The house: which room may look into which, and that every file has a reader. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { dirname, join, relative } from "node:path";
import { ROOT } from "./tasks.ts";

/** Rooms from the top down; a file may import from its own room and from those below it. */
const FLOORS: readonly (readonly string[])[] = [
  ["recipes"],
  ["recipes/cli"],
  ["recipes/tensorflow"],
  ["recipes/packages"],
  ["mod.ts"],
  ["src/parity"],
  ["src/run"],
  ["src/eval/page"],
  ["src/train", "src/eval", "src/published"],
  ["src/prompt"],
  ["src/methods"],
  ["src/optim"],
  ["src/data"],
  ["src/clip", "src/clip/weights", "src/clip/ftfy"],
  ["src/engine"],
  ["src"],
];

/** Files that are started and not imported. */
const isProgram = (path: string) => /^recipes\/\w+\.ts$/.test(path) || path === "mod.ts";

const LONGEST = 400;

interface Import {
  from: string;
  to: string;
  /** Whether only types are imported. */
  types: boolean;
}

async function sources(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(ROOT + folder)) {
    if (isDirectory) found.push(...await sources(`${folder}/${name}`));
    else if (name.endsWith(".ts")) found.push(`${folder}/${name}`);
  }
  return found.sort();
}

/** The imports and re-exports of a file within the repository. */
export function importsOf(path: string, text: string): Import[] {
  const statements = text.matchAll(/^(import|export)\s+(type\s+)?([^;"]*?)\s*from\s*"(\.[^"]+)"/gms);
  return [...statements].map(([, , type, names, to]) => {
    const named = /^\{(.*)\}$/s.exec(names.trim())?.[1].split(",").map((name) => name.trim()).filter((name) =>
      name !== ""
    );
    return {
      from: path,
      to: relative(ROOT, join(ROOT, dirname(path), to)),
      types: type !== undefined || (named !== undefined && named.every((name) => name.startsWith("type "))),
    };
  });
}

function floorOf(path: string): number {
  const room = path === "mod.ts" ? path : dirname(path);
  const floor = FLOORS.findIndex((rooms) => rooms.includes(room));
  assert(floor >= 0, `${path} is in no room of tests/house_test.ts`);
  return floor;
}

const files = [...await sources("src"), ...await sources("recipes"), "mod.ts"];
const texts = new Map(
  await Promise.all(files.map(async (path) => [path, await Deno.readTextFile(ROOT + path)] as const)),
);
const imports = files.flatMap((path) => importsOf(path, texts.get(path)!)).filter(({ to }) => to.endsWith(".ts"));

/** A path that leads from a file back to it, along these arrows. */
export function circle(arrows: readonly Pick<Import, "from" | "to">[]): string[] | undefined {
  const next = Map.groupBy(arrows, ({ from }) => from);
  const done = new Set<string>();
  const walk = (path: string, way: string[]): string[] | undefined => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (done.has(path)) return undefined;
    for (const { to } of next.get(path) ?? []) {
      const found = walk(to, [...way, path]);
      if (found) return found;
    }
    done.add(path);
    return undefined;
  };
  for (const path of next.keys()) {
    const found = walk(path, []);
    if (found) return found;
  }
  return undefined;
}

Deno.test("the reader of imports sees what there is, and finds circles", () => {
  assert(imports.length > 500 && imports.some(({ types }) => types) && imports.some(({ types }) => !types));
  const text =
    'import { type A } from "./a.ts";\nimport type { B } from "../b.ts";\nexport {\n  type C,\n  d,\n} from "./d.ts";\n';
  assertEquals(importsOf("src/run/x.ts", text), [
    { from: "src/run/x.ts", to: "src/run/a.ts", types: true },
    { from: "src/run/x.ts", to: "src/b.ts", types: true },
    { from: "src/run/x.ts", to: "src/run/d.ts", types: false },
  ]);
  const arrows = [["a", "b"], ["b", "c"], ["c", "b"], ["d", "a"]].map(([from, to]) => ({ from, to }));
  assertEquals(circle(arrows), ["b", "c", "b"]);
  assertEquals(circle(arrows.slice(0, 2)), undefined);
});

Deno.test("arrows lead downwards", () => {
  const upward = imports.filter(({ from, to }) =>
    floorOf(to) < floorOf(from) || (to === "mod.ts" && from.startsWith("src/"))
  );
  assertEquals(upward.map(({ from, to }) => `${from} → ${to}`), []);
});

Deno.test("no imports lead in a circle, neither of values nor of types", () => {
  assertEquals(circle(imports.filter(({ types }) => !types)), undefined);
  assertEquals(circle(imports), undefined);
});

Deno.test(`no file has more than ${LONGEST} lines`, async () => {
  const tests = await sources("tests");
  const bench = await sources("bench");
  const long: string[] = [];
  for (const path of [...files, ...tests, ...bench]) {
    const lines = (texts.get(path) ?? await Deno.readTextFile(ROOT + path)).split("\n").length - 1;
    if (lines > LONGEST) long.push(`${path}: ${lines} lines`);
  }
  assertEquals(long, []);
});

Deno.test("every file is imported by another one of the product, or is a program", () => {
  const read = new Set(imports.map(({ to }) => to));
  assertEquals(files.filter((path) => !read.has(path) && !isProgram(path)), []);
});

Deno.test("tests mirror src and recipes, folder by folder", async () => {
  const rooms = new Set(files.map((path) => dirname(path).replace(/^src\/?/, "")));
  const own = ["", "bench", "fixtures", "fuzz_parts", "stand_ins"];
  const strange = new Set<string>();
  for (const path of await sources("tests")) {
    const folder = dirname(path).replace(/^tests\/?/, "");
    if (!rooms.has(folder) && !own.includes(folder.split("/")[0])) strange.add(folder);
  }
  assertEquals([...strange], []);
});
