/**
 * A recipe as a program: flags and YAML become settings, errors become sentences, and exit codes mean something.
 * 0 done, 1 a defect of the kit (or an image that `classify` could not read), 2 something that the user can mend.
 */
import type { DatasetDescription } from "../../src/data/description.ts";
import { UserError, visible } from "../../src/errors.ts";
import type { Report } from "../../src/eval/report.ts";
import { refusedBySystem } from "../../src/files.ts";
import { formatJson } from "../../src/eval/report_file.ts";
import { type Method, withVariants } from "../../src/methods/method.ts";
import type { Given } from "../../src/run/config.ts";
import type { Progress } from "../../src/run/progress.ts";
import type { Run } from "../../src/run/run.ts";
import { settingsOf } from "../../src/run/settings.ts";
import { readConfigFile } from "./config_file.ts";
import { namedDataset } from "./dataset_file.ts";
import { readFlags, type Settings } from "./flags.ts";
import { type HelpInfo, helpText } from "./help.ts";
import { tellInterrupts } from "./interrupt.ts";
import { shellLine } from "./jobs.ts";
import { permissionAdvice, permissionWords, RECIPE } from "./permissions.ts";
import { openProgress } from "./progress.ts";
import { linesOfReport, printLines, resultLines } from "./results.ts";
import { TERMINAL_SETTINGS, type TerminalValues } from "./terminal.ts";

/** A program of the kit, as `--help` and messages need it. */
export interface Program extends Omit<HelpInfo, "settings"> {
  /** `import.meta.url` of its file. */
  url: string;
  /** The task whose permissions it has; found by the name of its file when left out. */
  task?: string;
  /** Whose code runs, where not the kit's alone: what is wrong with it is told of all of them. */
  code?: string;
  /** What an interruption leaves, in a sentence; empty where it leaves nothing. */
  kept?: string;
  /** The settings that `--help` lists; undefined where the program tells them itself. */
  settings: Settings | undefined;
}

/** What an interruption leaves of a run. */
export const KEPT = "What is done is kept: the same command, without --fresh, goes on from there.";

/** What a method's recipe says of itself; the rest it takes from the method. */
export interface RecipeInfo<S> {
  method: Method<S>;
  /** Commands that work as they stand. */
  examples: readonly string[];
  /** The words that start it, when they are not `deno task NAME`. */
  command?: readonly string[];
  /** sha256 of the method's file, where it is the user's. */
  methodSha256?: string;
}

/** What a recipe's run shows and is told by the terminal that it was started in. */
export interface Terminal {
  /** Takes what the run tells of its way. */
  progress: Progress;
  /** The command that was typed. */
  command: string;
  /** The description that `--dataset FILE.yaml` holds. */
  description?: DatasetDescription;
  methodSha256?: string;
  /** Whether `--dry-run` was typed. */
  dryRun: boolean;
  /** Prints what a run would do, and with which permissions. */
  showPlan(run: Run): Promise<void>;
  /** Prints a result of a run as it comes: its first seed may end hours before the last. */
  onReport(report: Report): void;
  /**
   * Prints what is left to say of a run. Throws UserError where it has no results.
   */
  showResults(run: Run): void;
}

/** All settings of a method's recipe, those of the terminal among them. */
export function recipeSettings(method: Method): Settings {
  return { ...settingsOf(method), ...TERMINAL_SETTINGS };
}

/** The presets of a method and, behind them, those that only its variants have. */
function presetsOf(method: Method): Method["presets"] {
  return Object.assign({}, ...withVariants(method).map(({ presets }) => presets));
}

/** Runs a method's recipe, when its file is what was started. */
export async function runRecipe<S>(
  meta: ImportMeta,
  info: RecipeInfo<S>,
  body: (settings: Given, terminal: Terminal) => Promise<void>,
): Promise<void> {
  if (!meta.main) return;
  const { title } = info.method;
  const presets = presetsOf(info.method as Method);
  const settings = recipeSettings(info.method as Method);
  await runProgram(
    { url: meta.url, title, presets, settings, examples: info.examples, kept: KEPT },
    (args) => runMethod(meta.url, { info, args }, body),
  );
}

/** Runs a method with the flags of a command line. */
export async function runMethod<S>(
  url: string,
  { info, args }: { info: RecipeInfo<S>; args: readonly string[] },
  body: (settings: Given, terminal: Terminal) => Promise<void>,
): Promise<void> {
  const method = info.method as Method;
  const settings = recipeSettings(method);
  if (args.includes("--help") || args.includes("-h")) {
    console.log(helpText({ title: method.title, presets: presetsOf(method), settings, examples: info.examples }));
    return;
  }
  const { given, values } = await readSettings(args, settings);
  await body(given, await openTerminal(info, { given, values, args, url }));
}

/** Settings as given: the YAML file's, and over them the flags'; apart, those of the terminal. */
export async function readSettings(
  args: readonly string[],
  settings: Settings,
): Promise<{ given: Given; values: Partial<TerminalValues> }> {
  const flags = readFlags(args, settings).given;
  const { config } = flags as Partial<TerminalValues>;
  const all = config === undefined ? flags : { ...await readConfigFile(config, settings), ...flags };
  const isTerminal = (name: string) => name in TERMINAL_SETTINGS;
  const pick = (which: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => which(name)));
  return { given: pick((name) => !isTerminal(name)), values: pick(isTerminal) };
}

async function openTerminal<S>(
  info: RecipeInfo<S>,
  at: { given: Given; values: Partial<TerminalValues>; args: readonly string[]; url: string },
): Promise<Terminal> {
  const { given, values, args, url } = at;
  // From a URL there are no tasks.
  const started = url.startsWith("file:") ? ["task", info.method.name] : ["run", url];
  const words = info.command ?? ["deno", ...started];
  const dataset = await namedDataset(given.dataset);
  const progress = openProgress({ quiet: values.quiet ?? false });
  const told: Report[] = [];
  return {
    progress,
    command: shellLine([...words, ...args]),
    description: typeof dataset === "string" ? undefined : dataset,
    methodSha256: info.methodSha256,
    dryRun: values.dryRun ?? false,
    async showPlan(run) {
      for (const line of (await run.plan()).lines) console.log(visible(line));
      console.log(visible(`Permissions: ${permissionWords({ url, task: RECIPE }, args)}`));
    },
    onReport(report) {
      const lines = linesOfReport(report, told);
      // Standard output is the report's then.
      if (values.json) { for (const line of lines) progress.say(line); }
      else printLines(lines);
      told.push(report);
    },
    showResults({ config, reports, missing, folders }) {
      if (reports.length === 0) throw new UserError([...missing].join(" "));
      for (const sentence of missing) progress.say(sentence);
      if (values.json) console.log(formatJson(reports.length === 1 ? reports[0] : reports, ""));
      else printLines(resultLines(reports, { model: reports[0].on.model, config, words, args, folders, told }));
    },
  };
}

/** Runs a program. */
export async function runProgram(program: Program, body: (args: string[]) => Promise<void>): Promise<void> {
  if (program.settings !== undefined && (Deno.args.includes("--help") || Deno.args.includes("-h"))) {
    console.log(helpText({ ...program, settings: program.settings }));
    return;
  }
  tellInterrupts(program.kept ?? "");
  try {
    await body(Deno.args);
  } catch (error) {
    Deno.exitCode = report(refusedBySystem(error) ?? error, program);
  }
  // Engines keep worker threads and handles that would hold the process open.
  Deno.exit();
}

function report(error: unknown, program: Program): number {
  const advice = permissionAdvice(error, program);
  const mendable = advice !== undefined || error instanceof UserError;
  const reason = error instanceof Error ? error.message : String(error);
  const whose = program.code ?? "this kit, not of what you typed";
  console.error(visible(`error: ${mendable ? advice ?? reason : `${reason.split("\n")[0]} (a defect of ${whose})`}`));
  if (Deno.args.includes("--debug")) console.error(error);
  else if (!mendable) console.error("For a stack trace, add --debug.");
  return mendable ? 2 : 1;
}
