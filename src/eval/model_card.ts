/** `MODEL_CARD.md` for a prompt that is passed on: what it is, what was measured, and its limits. */
import { markdownText } from "./markdown.ts";
import { hOf } from "./metrics.ts";
import { methodLabel } from "../methods/method_label.ts";
import type { Report } from "./report.ts";

interface ModelCardOptions {
  file: string;
  /** Of the file. */
  sha256: string;
}

/** Tokens whose nearest words a card shows. */
const MOST_TOKENS = 16;

/** The card of a trained prompt, in Markdown, from the evaluations of the run that trained it; at least one. */
export function modelCard(reports: readonly Report[], options: ModelCardOptions): string {
  const [{ run, on, results }] = reports;
  const lines = [
    "---",
    "library_name: clip-prompts",
    "pipeline_tag: zero-shot-image-classification",
    `tags: [prompt-learning, clip, ${JSON.stringify(run.method)}]`,
    "---",
    "",
    `# ${markdownText(run.label ?? methodLabel(run.method))} prompt for ${markdownText(on.data.name)}`,
    "",
    `A learned prompt for a frozen CLIP: ${
      count(run.learnedNumbers)
    } numbers in \`${options.file}\` (sha256 \`${options.sha256}\`).`,
    `It works with one model only: ${
      markdownText(on.model.name)
    }, weights with sha256 \`${on.model.sha256}\`, activation ${on.model.activation ?? "quickgelu"}.`,
    "",
    ...(on.model.sample
      ? ["**This model is the kit's small sample. The prompt is for trying the kit, not for work.**", ""]
      : []),
    "## How to use it",
    "",
    `\`deno task classify --prompt ${options.file}${
      on.model.sample ? "" : " --model FILE"
    } image.jpg\` names the image; other classes are given with \`--classes "river,forest"\`.`,
    "",
    "## What it was measured to do",
    "",
    "| classes | test images | accuracy, % | macro-F1, % |",
    "|---|---:|---:|---:|",
    ...reports.map(({ run, results: { metrics } }) =>
      `| ${run.evaluatedOn} | ${count(metrics.total)} | ${metrics.accuracy.toFixed(1)} | ${
        metrics.macroF1.toFixed(1)
      } |`
    ),
    "",
    ...harmonic(reports),
    ...weakest(reports),
    ...doubts(reports),
    `One seed (${run.seed}). On classes it was not trained on, prompts of other seeds can be tens of points better or worse.`,
    "",
    "## How it was trained",
    "",
    ...(run.importedFrom === undefined
      ? []
      : [`By the published code: imported from ${code(run.importedFrom)}. What is not listed here is not known.`, ""]),
    `- Method: ${markdownText(run.label ?? methodLabel(run.method))}, preset ${
      run.preset ?? (run.importedFrom === undefined ? "none" : "not known")
    }${run.changed.length > 0 ? `, changed: ${run.changed.join(", ")}` : ""}`,
    `- Data: ${markdownText(on.data.name)}, ${run.trainedOn} classes, ${run.shots} images a class (${
      count(on.data.train)
    } in all), few-shot sample of seed ${run.seed}`,
    `- Split: ${markdownText(on.data.splitOrigin)}, sha256 \`${on.data.splitSha256}\``,
    ...Object.entries(run.hyperparameters).map(([name, value]) =>
      `- ${name}: ${markdownText(String(value) === "" ? "(empty)" : String(value))}`
    ),
    `- Command: ${code(run.command)}`,
    `- Made with: kit ${on.versions.kit}, Deno ${on.versions.deno}, ${markdownText(on.engine.device)}`,
    "",
    "## Classes",
    "",
    ...reports.flatMap(({ run }) => [`${run.evaluatedOn}: ${run.classNames.map(markdownText).join(", ")}`, ""]),
    ...words(results.nearestWords),
    "## Limits",
    "",
    "- It inherits what the CLIP model knows and does not know, its biases included.",
    "- It tells apart the classes that it is given, and always names one of them: an image of anything else gets a wrong name.",
    "- Few images were used. Accuracy on images from elsewhere (other sensors, places, cameras) is unknown.",
    "- Not for decisions about people.",
    "",
    "## Licence",
    "",
    "Prompt: not stated. The model and the data have licences of their own.",
    "",
  ];
  return lines.join("\n");
}

function harmonic(reports: readonly Report[]): string[] {
  const of = (subset: string) => reports.find(({ run }) => run.evaluatedOn === subset)?.results.metrics;
  const h = hOf(of("base"), of("new"));
  return h === undefined ? [] : [`H (harmonic mean of base and new): ${h.toFixed(1)} %.`, ""];
}

function doubts(reports: readonly Report[]): string[] {
  const texts = new Set(reports.flatMap(({ warnings = [] }) => warnings.map((warning) => warning.text)));
  return [...texts].flatMap((one) => [`Warning: ${markdownText(one)}`, ""]);
}

/** The class that a user should watch most. */
function weakest(reports: readonly Report[]): string[] {
  const all = reports.flatMap(({ results }) => results.metrics.perClass).flatMap(({ name, accuracy }) =>
    accuracy === null ? [] : [{ name, accuracy }]
  );
  const [worst] = all.toSorted((a, b) => a.accuracy - b.accuracy);
  return worst ? [`Weakest class: ${markdownText(worst.name)}, ${worst.accuracy.toFixed(1)} % right.`, ""] : [];
}

function words(found: Report["results"]["nearestWords"]): string[] {
  if (found === null || found.length === 0) return [];
  return [
    "## What the learned tokens resemble",
    "",
    "Nearest words by Euclidean distance: a hint, no translation.",
    "",
    ...found.slice(0, MOST_TOKENS).map(({ token, className, words }) =>
      `- ${className === null ? "" : `${markdownText(className)}, `}token ${token}: ${
        words.map(({ word, distance }) => `${markdownText(word)} (${distance.toFixed(3)})`).join(", ")
      }`
    ),
    ...(found.length > MOST_TOKENS ? [`- and ${found.length - MOST_TOKENS} more`] : []),
    "",
  ];
}

/** Code with as many quotes as its own need. */
function code(value: string): string {
  const longest = Math.max(0, ...(value.match(/`+/g) ?? []).map((run) => run.length));
  const quote = "`".repeat(longest + 1);
  return longest === 0 ? `${quote}${value}${quote}` : `${quote} ${value} ${quote}`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
