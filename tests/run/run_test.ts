/** A run from settings to `done`, as a program that imports the kit sees it. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import Ajv from "npm:ajv@8.20.0/dist/2020.js";
import schema from "../../data/report.schema.json" with { type: "json" };
import { UserError } from "../../src/errors.ts";
import { readReport } from "../../src/eval/report_file.ts";
import { coop, gda, KIT_METHODS, tipAdapter, zeroShot } from "../../src/methods/kit.ts";
import { learnsPrompts, type Method } from "../../src/methods/method.ts";
import type { Given } from "../../src/run/config.ts";
import { lockFolder } from "../../src/run/lock.ts";
import { openRun } from "../../src/run/run.ts";
import { inFolder, runHere } from "./run_here.ts";

const validate = new Ajv.default({ allErrors: true, strictTypes: false }).compile(schema);
const ON = { engine: "onnx", threads: 1 };

Deno.test("every kind of method leaves the same files, and reports that fit their schema", async () => {
  await inFolder(async () => {
    for (const method of KIT_METHODS) {
      const has = (name: string, value: unknown) => name in method.settings ? { [name]: value } : {};
      const { reports, folders } = await runHere(method, {
        ...{ data: "images", eval: ["base"], shots: 2, ...learnsPrompts(method) ? { train: "base" as const } : {} },
        ...has("views", 1),
        ...has("epochs", 1),
      });
      const names = [...Deno.readDirSync(folders[0])].map(({ name }) => name).sort();
      assertEquals(names, [
        ".lock",
        ...learnsPrompts(method) ? ["MODEL_CARD.md", "checkpoint-0001.safetensors"] : [],
        ...["config.yaml", "done", "identity.json"],
        ...learnsPrompts(method) ? ["metrics.jsonl"] : [],
        ...["plots", "predictions-base.csv", "report-base.json", "report.html"],
        ...learnsPrompts(method) ? ["time.json"] : [],
      ], method.name);
      const report = await readReport(`${folders[0]}/report-base.json`);
      assert(validate(report), JSON.stringify(validate.errors));
      assertEquals([report.run.method, report.run.label], [method.name, method.label]);
      assertEquals(report.results, JSON.parse(JSON.stringify(reports[0].results)));
      const identity = JSON.parse(await Deno.readTextFile(`${folders[0]}/identity.json`));
      assertEquals([identity.method, identity.engine, identity.dataset], [method.name, "onnx", "images"]);
      assertEquals(identity["images-sha256"], report.run.imagesSha256);
      assertEquals(JSON.parse(await Deno.readTextFile(`${folders[0]}/done`)).evaluatedOn, ["base"]);
    }
  });
});

Deno.test("what a run is told and tells: settings complete, targets, seeds, reports, and results that cannot be", async () => {
  await inFolder(async () => {
    const given: Given = {
      ...ON,
      data: "images",
      eval: ["base", "new", "./images:all"],
      shots: 2,
      views: 0,
      seeds: [4, 2],
    };
    await using run = await openRun(tipAdapter, given);
    assertEquals([run.seeds, run.config.train, run.config.method.name], [[4, 2], "base", "tip-adapter"]);
    assertEquals(run.targets, [{ subset: "base" }, { other: "./images", subset: "all" }]);
    assertEquals(run.missing.length, 1);
    assertStringIncludes(run.missing[0], "Tip-Adapter has no result on new classes, which it has no images of: ");
    await using learned = await run.learn(4);
    assertEquals([learned.seed, learned.folder.endsWith("/shots2/seed4")], [4, true]);
    const report = await run.report(learned, run.targets[0]);
    assertEquals(run.reports, [report!]);
    assertEquals(await run.report(learned, run.targets[1]), undefined);
    assertEquals([run.missing.length, run.reports.length], [2, 1]);
    await run.finish(learned);
    assertEquals(run.missing[1].startsWith("Tip-Adapter has no result on images, all classes, "), true, run.missing[1]);
  });
});

Deno.test("what cannot be is refused before anything is opened, learned or written", async () => {
  await inFolder(async () => {
    const refused = (method: unknown, given: Given, words: string) =>
      assertRejects(() => openRun(method as Method, { ...ON, ...given }), UserError, words);
    await refused(tipAdapter, { eval: ["new"], engine: "none" }, "Tip-Adapter has no result on new classes");
    await refused(coop, { classSpecific: true, train: "base", eval: ["dtd:all"] }, "without --class-specific");
    await refused(zeroShot, { eval: ["dtd:all"] }, 'run "deno task download dtd"');
    await refused(gda, { engine: "onyx" }, 'Did you mean "onnx"?');
    assertEquals([...Deno.readDirSync(".")].map(({ name }) => name), ["images"]);
  });
});

Deno.test("a run holds its folder, whatever its method, and lets go of it when it ends or fails", async () => {
  await inFolder(async () => {
    for (
      const [method, folder] of [
        [zeroShot, "runs/images/zeroshot/single/sample-on-images"],
        [gda, "runs/images/gda/published+views=0/sample-on-images/shots2/seed1"],
      ] as const
    ) {
      const given: Given = { data: "images", eval: ["base"], shots: 2, ...method.name === "gda" ? { views: 0 } : {} };
      await Deno.mkdir(folder, { recursive: true });
      const lock = await lockFolder(folder);
      const run = () => runHere(method as unknown as Method, given);
      await assertRejects(run, UserError, `${folder} is in use by process ${Deno.pid}: wait for it to end`);
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), [".lock"]);
      lock.release();
      await run();
      (await lockFolder(folder)).release();
      // Refused, since it is of other settings by its own note.
      const identity = JSON.parse(await Deno.readTextFile(`${folder}/identity.json`));
      await Deno.writeTextFile(`${folder}/identity.json`, JSON.stringify({ ...identity, dataset: "others" }));
      await assertRejects(run, UserError, "holds results with dataset others and not images");
      (await lockFolder(folder)).release();
    }
  });
});

Deno.test("seconds are of the work that was done: features once, learning where something is learned", async () => {
  await inFolder(async () => {
    const { reports: [base, fresh] } = await runHere(zeroShot, { data: "images", eval: ["base", "new"] });
    const { seconds } = base.timing;
    assertEquals([Object.keys(seconds).sort(), "training" in fresh.timing.seconds], [
      ["evaluation", "features"],
      false,
    ]);
    // Each report's features are its own test images'; from the store they take next to nothing.
    const [again] = (await runHere(zeroShot, { data: "images", eval: ["base"] })).reports;
    assert(again.timing.seconds.features! < seconds.features!, `${again.timing.seconds.features} ${seconds.features}`);
    const [learned] = (await runHere(gda, { data: "images", eval: ["base"], shots: 2, views: 0 })).reports;
    assert(learned.timing.seconds.training! >= 0 && learned.timing.seconds.features! < seconds.features!);
  });
});

Deno.test("a prompt that is evaluated on other data sets alone has no card and no page of its own yet", async () => {
  await inFolder(async () => {
    const given: Given = { data: "images", train: "base", shots: 2, views: 0, epochs: 1, contextTokens: 2 };
    const { folders: [folder], reports } = await runHere(coop, { ...given, eval: ["./images:new"] });
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
    assertEquals(["report.html", "MODEL_CARD.md", "done"].map((name) => names.includes(name)), [false, false, true]);
    assertEquals([names.includes("report-images-new.json"), reports[0].run.trainedOnData], [true, "images"]);
    assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/done`)).evaluatedOn, []);
    assertEquals([...Deno.readDirSync(`${folder}/images-new`)].map(({ name }) => name).sort(), [
      "plots",
      "report.html",
    ]);
    await runHere(coop, { ...given, train: undefined, eval: ["new"] });
    const later = [...Deno.readDirSync(folder)].map(({ name }) => name);
    assertEquals(["report.html", "MODEL_CARD.md", "done"].map((name) => later.includes(name)), [true, true, true]);
  });
});

Deno.test("a seed that the sample lacks is refused before the one ahead of it is learned", async () => {
  await inFolder(async () => {
    const refused = () => runHere(gda, { seeds: [1, 77], eval: ["base"], ...ON });
    await assertRejects(refused, UserError, "The sample holds features for seeds 1, 2, 3 and not 77");
    await assertRejects(() => Deno.stat("runs"), Deno.errors.NotFound);
  });
});

Deno.test("class names that do not fit beside the prompt end a run before it is trained", () =>
  inFolder(async (out) => {
    const wanted = { train: "new", eval: ["base"], contextTokens: 71, shots: 1, epochs: 1, out } as const;
    await using run = await openRun(coop, { ...wanted, eval: [...wanted.eval] });
    await assertRejects(
      () => run.learn(1),
      UserError,
      'The prompt of class "Herbaceous Vegetation Land" has 78 tokens',
    );
    const path = `${out}/eurosat/coop/seed-notebook+epochs=1+context-tokens=71/sample/shots1-new/seed1`;
    const left = Array.from(Deno.readDirSync(path), ({ name }) => name);
    assertEquals(left.filter((name) => name.startsWith("checkpoint") || name === "metrics.jsonl"), []);
  }));

Deno.test("hand-written texts of new classes that do not fit end a run before anything is computed, of any kind of method", () =>
  inFolder(async (out) => {
    // 68 words around the name: with "Annual Crop Land" it fits, with "Herbaceous Vegetation Land" it does not.
    const long = `${"a ".repeat(71)}{}.`;
    const wanted = { shots: 1, seeds: [1], out, train: "new" as const, eval: ["new" as const, "base" as const] };
    const words = 'Herbaceous Vegetation Land." has 78 tokens, more than the 77 that this model reads: shorten it.';
    const said: string[] = [];
    for (const method of KIT_METHODS) {
      if (!("templates" in method.settings) || method.name === "lp++" || /^tip-adapter/.test(method.name)) continue;
      const draws = method.name === "zeroshot" ? {} : wanted;
      await using run = await openRun(method as Method, { ...wanted, ...draws, templates: long } as Given, {
        progress: { say: (line) => void said.push(line), finish: (line) => void said.push(line), update() {} },
      });
      await assertRejects(() => run.learn(run.seeds[0]), UserError, words, method.name);
    }
    assertEquals(said.filter((line) => line.includes("learned") || line.includes("classes:")), []);
  }));
