/**
 * Zero-shot CLIP: hand-written prompts, nothing learned. The base line of every comparison.
 *
 * Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021; CoOp trainers/zsclip.py.
 * EuroSAT, ViT-B/16, as published: 56.5 base / 64.1 new. The sample takes a few seconds.
 *
 * `deno task zeroshot --model ViT-B/16 --data data/eurosat --eval base,new`
 */
import type { ClassSubset } from "../src/data/few_shot.ts";
import { writeRunPage } from "../src/eval/page/write_page.ts";
import { buildReport, type Report } from "../src/eval/report.ts";
import { formatJson, writeReport } from "../src/eval/report_file.ts";
import { featureLogits, fillTemplate, zeroShotFeatures } from "../src/methods/zero_shot.ts";
import { common, type CommonConfig, readSettings } from "./cli/config.ts";
import { namedDataset } from "./cli/dataset_file.ts";
import { classifyAll, countLine, resultLine, typedCommand } from "../src/run/evaluate.ts";
import { type Inputs, openInputs } from "../src/run/inputs.ts";
import { featureEstimate, mebibytes, permissionLine, tokenLine } from "./cli/dry_run_parts.ts";
import { duration, openProgress, type Progress } from "./cli/progress.ts";
import { type RecipeInfo, runRecipe } from "./cli/recipe.ts";
import { openRunFolder } from "../src/run/folder.ts";
import { backbonePart, pathPart } from "../src/run/path.ts";
import { tellResults } from "./cli/tell.ts";
import { templatesOf } from "./cli/templates.ts";

const recipe: RecipeInfo = {
  method: "zeroshot",
  title: "Zero-shot CLIP (Radford et al., ICML 2021): hand-written prompts, nothing learned; evaluates, reports.",
  url: import.meta.url,
  settings: [
    "eval",
    "templates",
    "model",
    "data",
    "dataset",
    "split",
    "engine",
    "device",
    "threads",
    "config",
    "out",
    "dryRun",
    "json",
    "quiet",
    "debug",
    "help",
  ],
  examples: [
    "deno task zeroshot",
    "deno task zeroshot --templates ensemble --eval all",
    'deno task zeroshot --templates "a satellite photo of {}." --model ViT-B/16 --data data/eurosat',
  ],
};

if (import.meta.main) await runRecipe(recipe, main);

async function main(args: string[]): Promise<void> {
  const given = await readSettings(args, recipe.settings);
  const config = common(given);
  const kind = given.templates ?? "single";
  const progress = openProgress({ quiet: config.quiet });
  const inputs = await openInputs({ ...config, dataset: await namedDataset(config.dataset) }, progress);
  try {
    const templates = templatesOf(kind, inputs);
    const path = [config.out, inputs.on.data.name.toLowerCase(), recipe.method, kind, backbonePart(inputs.on)]
      .map((part, i) => i === 0 ? part : pathPart(part)).join("/");
    if (config.dryRun) return await tellPlan(inputs, { config, templates, folder: path });
    const folder = await openRunFolder(path);
    try {
      const reports: Report[] = [];
      for (const subset of config.eval) {
        const report = await evaluate(inputs, { subset, kind, templates, progress });
        await writeReport(folder.path, report);
        progress.finish(resultLine(report));
        reports.push(report);
      }
      await writeRunPage(folder.path, { images: inputs.images });
      await folder.finish({ templates, evaluatedOn: reports.map(({ run }) => run.evaluatedOn) });
      if (config.json) console.log(formatJson(reports.length === 1 ? reports[0] : reports, ""));
      else tellResults(reports, { model: inputs.on.model, task: recipe.method });
    } finally {
      folder.close();
    }
  } finally {
    await inputs.close();
  }
}

async function evaluate(
  inputs: Inputs,
  options: { subset: ClassSubset; kind: string; templates: readonly string[]; progress: Progress },
): Promise<Report> {
  const { subset, kind, templates, progress } = options;
  const { model, on } = inputs;
  // The few-shot images are not looked at; they only tell which classes there are.
  const sample = inputs.fewShot({ shots: 16, seed: 1, classes: subset });
  progress.say(countLine(subset, { ...sample, train: [], val: [] }));
  const features = await inputs.plain(sample.test, { what: `${subset} test images`, seed: 1 });
  const began = performance.now();
  const texts_CE = await zeroShotFeatures(model, { classNames: sample.classNames, templates });
  const outcome = await classifyAll(features, {
    classify: (batch) => Promise.resolve(featureLogits(batch, texts_CE, { logitScale: model.logitScale })),
    samples: sample.test,
    what: `evaluating on ${subset} classes`,
    progress,
  });
  return await buildReport({
    run: {
      method: recipe.method,
      preset: null,
      hyperparameters: { templates: kind },
      changed: [],
      seed: null,
      shots: null,
      trainedOn: null,
      evaluatedOn: subset,
      classNames: sample.classNames,
      prompts: sample.classNames.map((name) => templates.map((template) => fillTemplate(template, name))),
      learnedNumbers: 0,
      command: typedCommand(recipe.method),
    },
    model: on.model,
    data: { ...on.data, train: 0, val: 0 },
    engine: on.engine,
    samples: sample.test,
    outcome,
    seconds: { features: inputs.featureSeconds(), evaluation: (performance.now() - began) / 1000 },
  });
}

async function tellPlan(
  inputs: Inputs,
  { config, templates, folder }: { config: CommonConfig; templates: readonly string[]; folder: string },
): Promise<void> {
  console.log(`Run folder: ${folder}`);
  let tests = 0;
  for (const subset of config.eval) {
    const sample = inputs.fewShot({ shots: 16, seed: 1, classes: subset });
    tests += sample.test.length;
    console.log(countLine(subset, { ...sample, train: [], val: [] }));
    for (const name of sample.classNames) {
      const texts = templates.map((template) => tokenLine(fillTemplate(template, name), inputs.model));
      console.log(`  ${name}: ${texts.join(", ")}`);
    }
  }
  console.log("Learned numbers: 0.");
  console.log(permissionLine(recipe));
  const { seconds, bytes, sentence } = await featureEstimate(inputs, tests);
  console.log(sentence);
  console.log(
    `Estimate: about ${duration(seconds + 2)} and ${
      mebibytes(bytes + tests * 40 + 1e6)
    } of disk in all. Nothing was run.`,
  );
}
