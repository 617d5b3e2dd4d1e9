/**
 * The recipes as people and programs run them, processes of their own on forty small images: what lies in a run folder, what
 * is used again, what stands on which stream, and what is said to every kind of wrong input.
 */
import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import Ajv from "npm:ajv@8.20.0/dist/2020.js";
import schema from "../../data/report.schema.json" with { type: "json" };
import type { Report } from "../../src/eval/report.ts";
import { assertSentence, runRecipe, smallFolder } from "../small_run.ts";
import { ROOT } from "../tasks.ts";

const validate = new Ajv.default({ allErrors: true, strictTypes: false }).compile(schema);
const ON_IMAGES = ["--data", "images", "--shots", "2"];
const QUICK = [...ON_IMAGES, "--epochs", "2", "--views", "0"];
const FOLDER = "runs/images/coop/seed-notebook+epochs=2+views=0/sample-on-images/shots2/seed1";

/** A folder with images, gone when the test is. */
async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await smallFolder();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function names(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

function withoutTiming({ timing: _, ...rest }: Report): Omit<Report, "timing"> {
  return rest;
}

Deno.test("results of several seeds are printed once, each as it comes, all of them on standard output", async () => {
  await inFolder(async (folder) => {
    const args = [...QUICK, "--train", "base", "--eval", "base,new", "--seeds", "1,2", "--engine", "onnx"];
    const result = /^coop, seed \d, .*%.*$|accuracy \d.*/;
    const script = `${ROOT}recipes/coop.ts`;
    const words = ["run", "--quiet", "--no-check", "--cached-only", "--allow-all", script, ...args];
    const both = await new Deno.Command("bash", {
      args: ["-c", '"$0" "$@" 2>&1', Deno.execPath(), ...words],
      cwd: folder,
      env: { NO_COLOR: "1" },
    }).output();
    const lines = new TextDecoder().decode(both.stdout).split("\n");
    const told = lines.filter((line) => result.test(line));
    assertEquals(told.map((line) => /^coop, seed (\d), (\w+)/.exec(line)?.slice(1).join(" ")), [
      ...["1 base", "1 new", "1 H", "2 base", "2 new", "2 H"],
    ]);
    // The first seed's stand before the second is learned.
    const second = lines.findIndex((line) => line.includes("seed 2"));
    assert(lines.indexOf(told[2]) < second, lines.join("\n"));

    const { stdout, stderr } = await runRecipe(folder, { args });
    assertEquals(stdout.split("\n").filter((line) => result.test(line)), told);
    assertEquals(stderr.split("\n").filter((line) => result.test(line)), []);
    // Where standard output is a program's, people read them beside it.
    const json = await runRecipe(folder, { args: [...args, "--json"] });
    assertEquals((JSON.parse(json.stdout) as Report[]).length, 4);
    assertEquals(json.stderr.split("\n").filter((line) => result.test(line)), told);
  });
});

Deno.test("a run leaves its files, is used again by the next, and answers for new classes too", async () => {
  await inFolder(async (folder) => {
    const train = [...QUICK, "--train", "base", "--eval", "base", "--json"];
    const first = await runRecipe(folder, { args: train });
    assertEquals(first.code, 0, first.stderr);
    const report = JSON.parse(first.stdout) as Report;
    assert(validate(report), JSON.stringify(validate.errors));
    assertEquals(await names(`${folder}/${FOLDER}`), [
      ".lock",
      "MODEL_CARD.md",
      "checkpoint-0002.safetensors",
      "config.yaml",
      "done",
      "identity.json",
      "metrics.jsonl",
      "plots",
      "predictions-base.csv",
      "report-base.json",
      "report.html",
      "time.json",
    ]);
    assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/${FOLDER}/report-base.json`)), report);
    const metrics = (await Deno.readTextFile(`${folder}/${FOLDER}/metrics.jsonl`)).trimEnd().split("\n");
    assertEquals(
      metrics.map((line) => Object.keys(JSON.parse(line))),
      metrics.map(() => ["step", "epoch", "lr", "loss"]),
    );
    assertEquals(metrics.length, report.results.training!.steps);
    // Off a terminal: a line an epoch, with loss and learning rate, and nothing that moves the cursor.
    assertEquals(
      first.stderr.match(/^training coop, seed 1 \d+\/2 steps {2}epoch [12]\/2 {2}loss \d\S+ {2}lr \S+/gm)?.length,
      2,
    );
    assert(!first.stderr.includes("\x1b") && !first.stderr.includes("\r"));

    const again = await runRecipe(folder, { args: train });
    assertEquals(again.code, 0, again.stderr);
    assertStringIncludes(again.stderr, "The prompt of seed 1 is trained");
    assertStringIncludes(again.stderr, "the image tower did not run");
    assertEquals(withoutTiming(JSON.parse(again.stdout)), withoutTiming(report));

    const both = await runRecipe(folder, { args: [...ON_IMAGES, "--eval", "new,base", "--json", "--quiet"] });
    assertEquals(both.code, 0, both.stderr);
    assertEquals(both.stderr, "");
    const reports = JSON.parse(both.stdout) as Report[];
    assertEquals(reports.map(({ run }) => run.evaluatedOn), ["new", "base"]);
    for (const one of reports) assert(validate(one), JSON.stringify(validate.errors));
    assertEquals(reports[1].results, report.results);
    const page = await Deno.readTextFile(`${folder}/${FOLDER}/report.html`);
    assertStringIncludes(page, "New classes");
    const images = page.match(/<img src="data:image\/[a-z]+;base64,/g)?.length ?? 0;
    assertEquals(images, reports.flatMap(({ results }) => results.worst).length);
    const card = await Deno.readTextFile(`${folder}/${FOLDER}/MODEL_CARD.md`);
    for (const { results } of reports) assertStringIncludes(card, results.metrics.accuracy.toFixed(1));
  });
});

Deno.test("results stand on standard output, in words or as JSON, and progress never does", async () => {
  await inFolder(async (folder) => {
    const args = [...ON_IMAGES.slice(0, 2), "--eval", "base,new"];
    const spoken = await runRecipe(folder, { recipe: "zero_shot", args });
    assertEquals(spoken.code, 0, spoken.stderr);
    assert(/^zeroshot, base: accuracy \d/.test(spoken.stdout), spoken.stdout);
    assertStringIncludes(spoken.stdout, "harmonic mean");
    assertStringIncludes(spoken.stdout, "This was the small sample model");
    assertEquals(await names(`${folder}/runs/images/zeroshot/single/sample-on-images`), [
      ".lock",
      "config.yaml",
      "done",
      "identity.json",
      "plots",
      "predictions-base.csv",
      "predictions-new.csv",
      "report-base.json",
      "report-new.json",
      "report.html",
    ]);
    const { stdout, stderr } = await runRecipe(folder, { recipe: "zero_shot", args: [...args, "--json", "--quiet"] });
    assertEquals(stderr, "");
    assertEquals((JSON.parse(stdout) as Report[]).map(({ run }) => run.evaluatedOn), ["base", "new"]);
    const dry = await runRecipe(folder, { args: [...QUICK, "--train", "base", "--dry-run", "--out", "elsewhere"] });
    assertEquals(dry.code, 0, dry.stderr);
    for (
      const part of [
        "epochs: 2",
        "Run folder: elsewhere/images/coop/",
        "Classes: Field, Forest",
        "49406 X1 X2",
        "Learned numbers: 2,048: ctx [16, 128]",
        "--allow-write=runs,.cache,elsewhere",
        "Image features: ",
        "Estimate: 2 steps",
        "of disk",
      ]
    ) assertStringIncludes(dry.stdout, part);
    assert(!(await names(folder)).includes("elsewhere"));
    for (const recipe of ["zero_shot", "gda"]) {
      const other = await runRecipe(folder, { recipe, args: ["--data", "images", "--dry-run", "--out", "elsewhere"] });
      assertEquals(other.code, 0, other.stderr);
      for (
        const part of ["Forest", " 49407]", "--allow-read=data", "Image features: ", "Nothing was run."]
      ) {
        assertStringIncludes(other.stdout, part);
      }
    }
    assert(!(await names(folder)).includes("elsewhere"));
    // What is printed is a configuration that the recipe takes.
    const one = await runRecipe(folder, { recipe: "cocoop", args: [...QUICK, "--train", "base", "--dry-run"] });
    await Deno.writeTextFile(`${folder}/printed.yaml`, one.stdout.slice(0, one.stdout.indexOf("Run folder:")));
    const other = await runRecipe(folder, { recipe: "cocoop", args: ["--config", "printed.yaml", "--dry-run"] });
    assertEquals(other.code, 0, other.stderr);
    const settled = (text: string) => text.slice(0, text.indexOf("Estimate:"));
    assertEquals(settled(other.stdout), settled(one.stdout));
    assertEquals(await names(`${folder}/runs/images`), ["zeroshot"]);
  });
});

/** Wrong inputs, and a part of the one sentence that answers each. */
const WRONG: { what: string; recipe?: string; args: string[]; says: string }[] = [
  { what: "a missing data folder", args: ["--data", "nowhere", "--train", "base"], says: "nowhere" },
  {
    what: "a file that is no split",
    args: [...QUICK, "--split", "no_split.json", "--train", "base"],
    says: "no_split.json",
  },
  {
    what: "a split of other images",
    args: [...QUICK, "--split", "other_split.json", "--train", "base"],
    says: "no image a/1.jpg",
  },
  {
    what: "an image that does not decode",
    args: ["--data", "broken", "--eval", "base"],
    recipe: "zero_shot",
    says: "keep_rgb.jpg",
  },
  {
    what: "weights that are cut off",
    args: ["--model", "cut.safetensors", ...QUICK, "--train", "base"],
    says: "cut.safetensors",
  },
  {
    what: "weights of other shapes",
    args: ["--model", "shapes.safetensors", ...QUICK, "--train", "base"],
    says: "shapes.safetensors",
  },
  {
    what: "missing weights",
    args: ["--model", "none.safetensors", ...QUICK, "--train", "base"],
    says: "none.safetensors",
  },
  { what: "new classes before any training", args: [...ON_IMAGES, "--eval", "new"], says: "--train base" },
  { what: "an unknown flag", args: ["--epoch", "1"], says: 'Did you mean "--epochs"' },
  { what: "an unknown engine", args: [...QUICK, "--engine", "onyx", "--train", "base"], says: 'Did you mean "onnx"' },
  {
    what: "an unknown preset",
    args: ["--preset", "seed-notebok", "--train", "base"],
    says: 'Did you mean "seed-notebook"',
  },
  { what: "a wrong number", args: ["--lr", "fast", "--train", "base"], says: "--lr" },
  { what: "more shots than the sample holds", args: ["--shots", "32", "--train", "base"], says: "--data" },
  { what: "an unknown method", recipe: "compare", args: ["--methods", "coop,cocop"], says: "Did you mean" },
  { what: "nothing to collect", recipe: "compare", args: ["--collect"], says: "leave --collect out" },
  {
    what: "a line that throws its own work away",
    recipe: "compare",
    args: ["--emit", "commands", "--fresh"],
    says: "--fresh",
  },
];

Deno.test("each kind of wrong input gets one sentence that says what to do, and leaves nothing behind", async (t) => {
  await inFolder(async (folder) => {
    const weights = await Deno.readFile(`${ROOT}data/sample/model.safetensors`);
    await Deno.writeFile(`${folder}/cut.safetensors`, weights.subarray(0, 1_000_000));
    await Deno.writeFile(`${folder}/shapes.safetensors`, otherShapes(weights));
    await Deno.writeTextFile(`${folder}/no_split.json`, '{"train": [["a.jpg"]]}');
    const entry = (i: number) => [`a/${i}.jpg`, 0, "a"];
    const split = { train: [entry(1)], val: [entry(2)], test: [entry(3)] };
    await Deno.writeTextFile(`${folder}/other_split.json`, JSON.stringify(split));
    await copyImages(`${folder}/images`, `${folder}/broken`);
    for (const name of ["Field", "Forest"]) {
      for (const image of ["keep_rgb.jpg", "2_keep_rgb.jpg"]) {
        await Deno.writeTextFile(`${folder}/broken/${name}/${image}`, "no picture");
      }
    }
    const before = await names(folder);
    for (const { what, recipe, args, says } of WRONG) {
      await t.step(what, async () => {
        const ended = await runRecipe(folder, { recipe, args: [...args, "--quiet"] });
        assertSentence(ended, says);
        assertEquals(ended.stdout, "");
        const left = (await names(folder)).filter((name) => !before.includes(name) && name !== ".cache");
        assertEquals(left.includes("runs") ? await reportsBelow(`${folder}/runs`) : left, []);
      });
    }
  });
});

/** Weights whose header says other shapes of the same sizes. */
function otherShapes(weights: Uint8Array): Uint8Array {
  const copy = weights.slice();
  const length = Number(new DataView(copy.buffer).getBigUint64(0, true));
  const header = new TextDecoder().decode(copy.subarray(8, 8 + length));
  const turned = header.replace(
    /("transformer\.resblocks\.1\.mlp\.c_fc\.weight":\{[^}]*"shape":\[)(\d+),(\d+)/,
    (_, head, rows, columns) => `${head}${columns},${rows}`,
  );
  assert(turned !== header && turned.length === header.length);
  copy.set(new TextEncoder().encode(turned), 8);
  return copy;
}

async function copyImages(from: string, to: string): Promise<void> {
  for (const name of await names(from)) {
    await Deno.mkdir(`${to}/${name}`, { recursive: true });
    for (const image of await names(`${from}/${name}`)) {
      await Deno.copyFile(`${from}/${name}/${image}`, `${to}/${name}/${image}`);
    }
  }
}

async function reportsBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) found.push(...await reportsBelow(`${folder}/${name}`));
    else if (/^(report|done|checkpoint)/.test(name)) found.push(`${folder}/${name}`);
  }
  return found;
}

Deno.test("started without permissions and without a terminal, a recipe names the command, and that works", async () => {
  await inFolder(async (folder) => {
    const args = [...QUICK, "--train", "base"];
    const refused = await runRecipe(folder, { args, deno: [`--config=${ROOT}deno.json`] });
    assertSentence(refused, "Run: deno run --allow-env=");
    const command = refused.stderr.slice(refused.stderr.indexOf("deno run "));
    assert(!/--allow-(all|env|sys|run)( |$)|-A /.test(command), command);
    const { code, stdout, stderr } = await new Deno.Command("bash", {
      args: ["-c", command.replace("deno run", '"$DENO" run --no-prompt --no-check --cached-only')],
      cwd: folder,
      stdin: "null",
      env: { DENO: Deno.execPath(), NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertStringIncludes(new TextDecoder().decode(stdout), "coop, seed 1, base: accuracy");
  });
});
