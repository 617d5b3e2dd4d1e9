/** The flags of the comparison: its own, and those that it hands on to the recipes. */
import { didYouMean } from "../../src/did_you_mean.ts";
import { UserError } from "../../src/errors.ts";
import { readFlags } from "./flags.ts";
import { flagName, type GivenSettings, orList, type SettingName, SETTINGS } from "./settings.ts";

/** A method that can be compared. */
export interface ComparableMethod {
  /** Its recipe, beside `compare.ts`. */
  script: string;
  /** False for methods that learn nothing: no shots, no seeds. */
  learns: boolean;
}

/** The methods by the name that users write. */
export const METHODS: Readonly<Record<string, ComparableMethod>> = {
  zeroshot: { script: "zero_shot.ts", learns: false },
  coop: { script: "coop.ts", learns: true },
  cocoop: { script: "cocoop.ts", learns: true },
};

/** What `--emit` writes. */
export type Emit = "commands" | "slurm";

/** What a comparison is told to do. */
export interface CompareSettings {
  methods: string[];
  shots: number[];
  /** Processes at a time. */
  jobs: number;
  emit?: Emit;
  /** Take what is there, run nothing. */
  collect: boolean;
  /** Everything that recipes know too. */
  given: GivenSettings;
}

const ON_WHAT = ["model", "data", "dataset", "split"] as const;
const COMPUTING = ["engine", "device", "threads", "out"] as const;

/** Settings that every recipe takes. */
export const SHARED_SETTINGS: readonly SettingName[] = [...ON_WHAT, ...COMPUTING, "debug"];

/** Settings of methods that learn. */
export const LEARNING_SETTINGS: readonly SettingName[] = [
  "train",
  "preset",
  "config",
  "views",
  "epochs",
  "batchSize",
  "lr",
  "momentum",
  "weightDecay",
  "warmupEpochs",
  "warmupLr",
  "contextTokens",
  "initWords",
  "classTokenPosition",
  "classSpecific",
  "fresh",
];

/** All settings of the recipes that a comparison takes, in the order of `--help`. */
export const COMPARE_SETTINGS: readonly SettingName[] = (Object.keys(SETTINGS) as SettingName[]).filter((name) =>
  [...SHARED_SETTINGS, ...LEARNING_SETTINGS, "eval", "seeds", "templates", "dryRun", "json", "quiet", "help"].includes(
    name,
  )
);

interface OwnFlag {
  placeholder: string;
  help: string;
  fallback: string;
}

const OWN_FLAGS: Readonly<Record<string, OwnFlag>> = {
  methods: {
    placeholder: Object.keys(METHODS).join(","),
    help: "methods to compare; the first is what the others are measured against",
    fallback: "all of these",
  },
  shots: { placeholder: "1,2,4,8,16", help: "training images a class; several give a curve", fallback: "16" },
  jobs: { placeholder: "N", help: "runs at a time, each a process of its own", fallback: "1" },
  emit: {
    placeholder: "commands|slurm",
    help: "print what is missing as a list of commands or as an array job, and run nothing",
    fallback: "run here",
  },
  collect: { placeholder: "", help: "run nothing: compare what is there", fallback: "run what is missing" },
};

/** The comparison's own flags, for `--help`. */
export function ownFlagsHelp(): string {
  const usage = ([name, { placeholder }]: [string, OwnFlag]) => `--${name} ${placeholder}`.trim();
  const width = Math.max(...Object.entries(OWN_FLAGS).map((flag) => usage(flag).length));
  return Object.entries(OWN_FLAGS)
    .map((flag) => `  ${usage(flag).padEnd(width)}  ${flag[1].help} [${flag[1].fallback}]`)
    .join("\n");
}

/**
 * Reads the command line of a comparison.
 *
 * @throws {UserError} for an unknown flag or method, or a missing or wrong value
 */
export function readCompareFlags(args: readonly string[]): CompareSettings {
  const own: Record<string, string> = {};
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const [flag, ...inline] = args[i].split("=");
    const name = flag.replace(/^--/, "");
    if (!flag.startsWith("--") || !Object.hasOwn(OWN_FLAGS, name)) {
      requireKnown(flag);
      rest.push(args[i]);
    } else if (name === "collect") own[name] = "true";
    else if (inline.length > 0) own[name] = inline.join("=");
    else if (args[i + 1] === undefined || args[i + 1].startsWith("--")) {
      throw new UserError(`${flag} needs a value: ${flag} ${OWN_FLAGS[name].placeholder}.`);
    } else own[name] = args[++i];
  }
  return {
    methods: own.methods === undefined ? Object.keys(METHODS) : list(own.methods, "--methods").map(methodName),
    shots: list(own.shots ?? "16", "--shots").map((text) => SETTINGS.shots.parse(text, "--shots")).sort((a, b) =>
      a - b
    ),
    jobs: SETTINGS.threads.parse(own.jobs ?? "1", "--jobs"),
    emit: own.emit === undefined ? undefined : emitKind(own.emit),
    collect: own.collect !== undefined,
    given: readFlags(rest, COMPARE_SETTINGS),
  };
}

/** Flags of neither kind get a suggestion among both. */
function requireKnown(flag: string): void {
  if (!flag.startsWith("--")) return;
  const known = [...Object.keys(OWN_FLAGS), ...COMPARE_SETTINGS.map(flagName), "seed"].map((name) => `--${name}`);
  if (known.includes(flag)) return;
  throw new UserError(`There is no flag ${flag}.${didYouMean(flag, known) || " --help lists all flags."}`);
}

function list(text: string, flag: string): string[] {
  const items = [...new Set(text.split(",").map((item) => item.trim()).filter((item) => item !== ""))];
  if (items.length === 0) throw new UserError(`${flag} is empty: give one value or several with commas between.`);
  return items;
}

function methodName(name: string): string {
  if (Object.hasOwn(METHODS, name)) return name;
  const known = Object.keys(METHODS);
  throw new UserError(`There is no method "${name}": compare ${orList(known)}.${didYouMean(name, known)}`);
}

function emitKind(text: string): Emit {
  if (text === "commands" || text === "slurm") return text;
  throw new UserError(`--emit is "${text}", and can be commands or slurm.${didYouMean(text, ["commands", "slurm"])}`);
}
