/** The flags of the comparison: its own, and those that it hands on to the recipes. */
import { didYouMean } from "../../src/did_you_mean.ts";
import { UserError } from "../../src/errors.ts";
import { allMethods, METHODS, USUAL_METHODS } from "./compare_methods.ts";
import { readFlags } from "./flags.ts";
import { flagName, type GivenSettings, orList, type SettingName, SETTINGS } from "./settings.ts";

/** What `--emit` writes. */
export type Emit = "commands" | "slurm";

/** What a comparison is told to do. */
export interface CompareSettings {
  methods: string[];
  /** The methods were asked for as `all`. */
  all: boolean;
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
  "lambda",
  "promptAverage",
  "wise",
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
    placeholder: "NAME,NAME|all",
    help: "methods to compare (see below); the first is what the others are measured against",
    fallback: USUAL_METHODS.join(","),
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
  const flags = Object.entries(OWN_FLAGS)
    .map((flag) => `  ${usage(flag).padEnd(width)}  ${flag[1].help} [${flag[1].fallback}]`);
  const apart = Object.keys(METHODS).filter((name) => METHODS[name].apart !== undefined);
  return [
    ...flags,
    "",
    `Methods: ${allMethods({ withImages: false }).join(", ")};`,
    `besides, and not among all: ${apart.join(", ")} (full validation needs --data, and is among all with it).`,
    "Each takes those of the flags below that its own recipe has.",
  ].join("\n");
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
  const given = readFlags(rest, COMPARE_SETTINGS);
  const names = own.methods === undefined ? USUAL_METHODS : list(own.methods, "--methods");
  const withImages = given.data !== undefined;
  return {
    methods: [...new Set(names.flatMap((name) => name === "all" ? allMethods({ withImages }) : methodName(name)))],
    all: names.includes("all"),
    shots: list(own.shots ?? "16", "--shots").map((text) => SETTINGS.shots.parse(text, "--shots")).sort((a, b) =>
      a - b
    ),
    jobs: SETTINGS.threads.parse(own.jobs ?? "1", "--jobs"),
    emit: own.emit === undefined ? undefined : emitKind(own.emit),
    collect: own.collect !== undefined,
    given,
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
  const known = [...Object.keys(METHODS), "all"];
  throw new UserError(`There is no method "${name}": compare ${orList(known)}.${didYouMean(name, known)}`);
}

function emitKind(text: string): Emit {
  if (text === "commands" || text === "slurm") return text;
  throw new UserError(`--emit is "${text}", and can be commands or slurm.${didYouMean(text, ["commands", "slurm"])}`);
}
