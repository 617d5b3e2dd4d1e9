/** What one would type after a run: a command that works as it stands. */
import config from "../../deno.json" with { type: "json" };
import { drawsImages, learnsPrompts } from "../../src/methods/method.ts";
import { flagName } from "../../src/methods/setting.ts";
import { type RunConfig, whyNotOn } from "../../src/run/config.ts";
import { settingsOf, VALIDATION } from "../../src/run/settings.ts";
import { isSwitch, type Settings, settingsByFlag } from "./flags.ts";
import { shellLine } from "./jobs.ts";
import { TERMINAL_SETTINGS } from "./terminal.ts";

/** How a run was started, and what it was. */
export interface Started {
  config: RunConfig;
  /** The words that start the recipe, without flags. */
  words: readonly string[];
  /** The flags that were typed. */
  args: readonly string[];
}

/** Settings of a single call. */
const ONCE = ["fresh", "json", "quiet", "debug", "dryRun"];
/** What `compare` decides itself, or has under another name. */
const NOT_COMPARED = ["checkpointEvery", "exactCheck"];

/** The next command and what it is for; undefined where there is nothing to say. */
export function nextStep({ config: run, words, args }: Started): { what: string; command: string } | undefined {
  const { method, asked, train = "base", eval: evaluated, seeds, transfers } = run;
  const subsets = evaluated.filter((subset) => subset !== VALIDATION);
  const rest = (...without: string[]) => withoutFlags(args, recipeFlags(run), [...ONCE, ...without]);
  const draws = drawsImages(method);
  if (subsets.length === 0 && evaluated.length > 0) {
    return { what: "the test images", command: shellLine([...words, ...rest("eval"), "--eval", train]) };
  }
  const other = train === "base" ? "new" : "base";
  const isOpen = draws && train !== "all" && transfers.length === 0 && subsets.includes(train) &&
    !subsets.includes(other) &&
    whyNotOn(method, { train, subset: other }) === undefined;
  if (isOpen) {
    const task = `${asked.name}:${other}`;
    const isPlain = words[1] === "task" && task in config.tasks && rest("train", "eval").length === 0;
    const command = isPlain ? ["deno", "task", task] : [...words, ...rest("eval"), "--eval", other];
    return { what: `the ${other} classes`, command: shellLine(command) };
  }
  if (draws && seeds.length === 1) {
    // Of other seeds there may be no prompt yet.
    const training = learnsPrompts(method) && run.train === undefined ? ["--train", train] : [];
    const command = shellLine([...words, ...rest("seeds"), ...training, "--seeds", "1,2,3"]);
    return { what: "other seeds, as one says little", command };
  }
  // From a URL there are no tasks; a configuration may hold what a comparison does not take.
  if (words[1] !== "task" || args.some((arg) => /^--config(=|$)/.test(arg))) return undefined;
  const name = words[2] === "run" ? words[3] : method.name;
  const methods = name === "zeroshot" ? "zeroshot,coop" : `zeroshot,${name}`;
  const isOfTests = transfers.length === 0 && subsets.length === evaluated.length;
  const handedOn = rest(...NOT_COMPARED, ...Object.keys(asked.variants ?? {}), ...isOfTests ? [] : ["eval"]);
  return {
    what: "against another method",
    command: shellLine(["deno", "task", "compare", "--methods", methods, ...handedOn]),
  };
}

/** All flags of a method's recipe. */
export function recipeFlags({ asked }: Pick<RunConfig, "asked">): Settings {
  return { ...settingsOf(asked), ...TERMINAL_SETTINGS };
}

/** Typed words without these settings and their values; of a flag that is given twice the last stays, or all where all count. */
export function withoutFlags(args: readonly string[], settings: Settings, names: readonly string[]): string[] {
  const byFlag = settingsByFlag(settings);
  const kept = new Map<string, string[]>();
  for (let i = 0; i < args.length; i++) {
    const [flag, inline] = args[i].split(/=(.*)/s);
    const name = byFlag.get(flag.replace(/^--/, ""));
    const words = [args[i]];
    if (name !== undefined && inline === undefined && !isSwitch(settings[name])) words.push(args[++i]);
    if (name !== undefined && names.includes(name)) continue;
    const before = name !== undefined && settings[name].pairs ? kept.get(name) ?? [] : [];
    kept.set(name ?? args[i], [...before, ...words]);
  }
  return [...kept.values()].flat();
}

/** The variant of a method as flags: `--over cocoop`. */
export function variantFlags({ asked, method }: RunConfig): string[] {
  return Object.entries(asked.variants ?? {}).flatMap(([name, byValue]) =>
    Object.keys(byValue).filter((value) => byValue[value] === method).flatMap((value) => [`--${flagName(name)}`, value])
  );
}
