/**
 * What is in any number of run folders, as comparisons that stand in one table: one for each data set, in a group for each model,
 * number of shots and classes learned from. What is there of other settings of a method stands beside it.
 */
import { UserError } from "../errors.ts";
import { compareReports } from "../eval/compare.ts";
import { type Comparison, type NoResult, SUBSETS } from "../eval/comparison.ts";
import { readFolder } from "../eval/page/write_page.ts";
import type { Report } from "../eval/report.ts";
import { fileError, infoOf } from "../files.ts";
import { KIT_METHODS } from "../methods/kit.ts";
import { drawsImages, type Method, withVariants } from "../methods/method.ts";
import { methodLabel, rememberLabel } from "../methods/method_label.ts";
import { flagName } from "../methods/setting.ts";
import { withoutResults } from "./comparison_runs.ts";
import { backbonePart } from "./inputs.ts";

/** What to take of what is there; all where nothing is said. */
export interface CollectOptions {
  methods?: readonly string[];
  shots?: readonly number[];
  seeds?: readonly number[];
  subsets?: readonly string[];
  /** For the record. */
  command?: string;
}

/** What was found. */
export interface Collection {
  /** Comparisons of one table each, in the order of their data sets. */
  groups: Comparison[][];
  /** Results that others have and that are not there, in sentences. */
  missing: string[];
}

interface Found {
  report: Report;
  folder: string;
}

/**
 * Collects the reports below folders.
 *
 * @throws {UserError} when there are none, one cannot be used, or two of the same run differ
 */
export async function collectRuns(folders: readonly string[], options: CollectOptions = {}): Promise<Collection> {
  const { methods, shots, seeds, subsets, command } = options;
  const isWanted = ({ report: { run } }: Found) =>
    (methods?.includes(run.method) ?? true) && (subsets?.includes(run.evaluatedOn) ?? true) &&
    (run.shots === null || (shots?.includes(run.shots) ?? true)) &&
    (run.seed === null || (seeds?.includes(run.seed) ?? true));
  const found: Found[] = [];
  for (const folder of folders) found.push(...await reportsBelow(folder));
  const wanted = withoutCopies(found.filter(isWanted));
  if (wanted.length === 0) {
    throw new UserError(
      `There is no report below ${folders.join(", ")}${
        found.length > 0 ? " that these flags ask for" : ""
      }: name folders of runs.`,
    );
  }
  const groups = [
    ...Map.groupBy(wanted, ({ report: { on } }) => `${on.model.sha256} ${backbonePart(on.model, on.data)}`).values(),
  ]
    .flatMap((ofModel) => groupsOf(ofModel.map(({ report }) => report)))
    .map((group) => comparisonsOf(withVariantNames(group), { methods, command }));
  return { groups, missing: groups.flatMap((group) => missingSentences(group, options)) };
}

/** The run folders are below, at any depth; links are followed, once around a circle. */
async function reportsBelow(folder: string, ancestors: readonly string[] = []): Promise<Found[]> {
  const names: Deno.DirEntry[] = [];
  let real: string;
  try {
    real = await Deno.realPath(folder);
    if (ancestors.includes(real)) return [];
    for await (const entry of Deno.readDir(folder)) names.push(entry);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new UserError(`There is no folder ${folder}: name folders of runs.`);
    }
    throw fileError(error, folder, "read", "the folder");
  }
  const isReport = names.some(({ name }) => SUBSETS.some((subset) => name === `report-${subset}.json`));
  const found = isReport
    ? (await readFolder(folder)).map((report) => ({ report: withoutConfusion(report), folder }))
    : [];
  found.forEach(requireOwnFolder);
  for (const { name, isDirectory, isSymlink } of names.toSorted((a, b) => a.name < b.name ? -1 : 1)) {
    const below = `${folder.replace(/\/$/, "")}/${name}`;
    // A link that leads nowhere is no folder.
    if (isDirectory || isSymlink && (await infoOf(below, "the folder"))?.isDirectory) {
      found.push(...await reportsBelow(below, [...ancestors, real]));
    }
  }
  return found;
}

/** A folder that was copied under the name of another seed would be taken for a second result, or hide one. */
function requireOwnFolder({ report: { run }, folder }: Found): void {
  const [, shots, seed] = /(?:^|\/)shots(\d+)(?:-\w+)?\/seed(\d+)$/.exec(folder) ?? [];
  if (shots === undefined || (Number(shots) === run.shots && Number(seed) === run.seed)) return;
  throw new UserError(
    `${folder} holds a report of seed ${run.seed} and --shots ${run.shots}: give the folder the name of its run, or remove it.`,
  );
}

/** Comparisons read no confusion matrix, and of 1,000 classes it is a million numbers for each report that is held. */
function withoutConfusion(report: Report): Report {
  const { results } = report;
  return { ...report, results: { ...results, metrics: { ...results.metrics, confusion: [] } } };
}

/** A run that is in two of the folders counts once. */
function withoutCopies(found: readonly Found[]): Found[] {
  const byRun = new Map<string, Found>();
  for (const one of found) {
    const { run, on, results } = one.report;
    const key = JSON.stringify([
      [on.model.sha256, backbonePart(on.model, on.data), datasetKey(one.report), run.trainedOn, run.shots, run.seed],
      [run.method, settingsOf(one.report), run.methodSha256, run.evaluatedOn],
    ]);
    const before = byRun.get(key);
    const predictions = ({ report }: Found) => report.results.predictions.predictions.join();
    if (before !== undefined && predictions(before) !== results.predictions.predictions.join()) {
      throw new UserError(
        `${before.folder} and ${one.folder} hold different results of the same run (${run.method}): leave one of them out.`,
      );
    }
    if (before === undefined) byRun.set(key, one);
  }
  return [...byRun.values()];
}

/** What learns nothing stands beside every number of shots. */
function groupsOf(reports: readonly Report[]): Report[][] {
  const drawn = Map.groupBy(
    reports.filter(({ run }) => run.shots !== null),
    ({ run }) => `${run.trainedOn} ${run.shots}`,
  );
  const fixed = reports.filter(({ run }) => run.shots === null);
  return drawn.size === 0 ? [fixed] : [...drawn.values()].map((own) => [...fixed, ...own]);
}

/** Settings that differ from the method's own, in words: `seed-notebook, epochs 2`. */
function settingsOf({ run: { preset, changed, hyperparameters } }: Report): string {
  const changes = changed.toSorted().map((name) => `${flagName(name)} ${hyperparameters[name]}`);
  return [...preset === null ? [] : [preset], ...changes].join(", ");
}

/** Where a method is there with several settings, each is a method of its own. */
function withVariantNames(reports: readonly Report[]): Report[] {
  const settings = new Map<string, Set<string>>();
  const found = reports.map((report) => ({ report, own: settingsOf(report) }));
  for (const { report: { run: { method } }, own } of found) {
    settings.set(method, (settings.get(method) ?? new Set()).add(own));
  }
  return found.map(({ report, own }) => {
    const { run } = report;
    if (settings.get(run.method)!.size < 2) return report;
    const words = own || "default";
    const label = `${run.label ?? methodLabel(run.method)} (${words})`;
    return { ...report, run: { ...run, method: `${run.method} (${words})`, label } };
  });
}

function datasetKey({ on: { data } }: Report): string {
  return `${data.name} ${data.splitSha256} ${data.images}`;
}

function comparisonsOf(
  reports: readonly Report[],
  { methods, command }: { methods?: readonly string[]; command?: string },
): Comparison[] {
  const sets = [...Map.groupBy(reports, datasetKey).values()].toSorted((a, b) =>
    a[0].on.data.name < b[0].on.data.name ? -1 : 1
  );
  const names = [...new Set(reports.map(({ run }) => run.method))];
  // On one set a method's file may have no report that says what it is called.
  for (const { run: { method: name, label } } of reports) if (label !== undefined) rememberLabel({ name, label });
  const order = inOrder([...names, ...absentOf(names, methods)], methods);
  return sets.map((own) => {
    const [{ on: { data } }] = own;
    const isTwice = sets.filter(([{ on }]) => on.data.name === data.name).length > 1;
    const comparison = compareReports(own, { methods: order, command, without: withoutOf(reports, order) });
    if (isTwice) comparison.on.dataset += ` (split ${data.splitSha256.slice(0, 8)}, ${data.images} images)`;
    return comparison;
  });
}

/** As asked for; else as the kit lists its methods, and then the user's. */
function inOrder(names: readonly string[], asked: readonly string[] = []): string[] {
  const known = [...asked, ...KIT_METHODS.flatMap(withVariants).map(({ name }) => name)];
  const place = (name: string) => {
    const at = known.findIndex((one) => name === one || name.startsWith(`${one} (`));
    return at < 0 ? known.length : at;
  };
  return names.toSorted((a, b) => place(a) - place(b));
}

/** Methods that were asked for and that have no report under any settings. */
function absentOf(names: readonly string[], asked: readonly string[] = []): string[] {
  return asked.filter((name) => !names.some((one) => isOrVaries(one, name)));
}

/** Results that methods of the kit cannot have after what they learned from. */
function withoutOf(reports: readonly Report[], names: readonly string[]): NoResult[] {
  const train = reports.find(({ run }) => run.trainedOn !== null)?.run.trainedOn ?? "base";
  return withoutNames(names, { train, subsets: SUBSETS })
    .filter(({ subset }) => reports.some(({ run }) => run.evaluatedOn === subset));
}

function withoutNames(names: readonly string[], of: Parameters<typeof withoutResults>[1]): NoResult[] {
  return names.flatMap((name) => {
    const method = kitMethod(name);
    return method === undefined ? [] : withoutResults([method], of).map((one) => ({ ...one, method: name }));
  });
}

/** The kit's method of this name, or of a name with settings behind it. */
function kitMethod(name: string): Method | undefined {
  return KIT_METHODS.flatMap(withVariants).find((one) => isOrVaries(name, one.name));
}

function isOrVaries(name: string, method: string): boolean {
  return name === method || name.startsWith(`${method} (`);
}

/** Of each method what other data sets, classes or seeds, or what was asked for, let expect. */
function missingSentences(group: readonly Comparison[], asked: CollectOptions): string[] {
  const subsets = SUBSETS.filter((subset) => group.some((one) => one.subsets.includes(subset)));
  const labels = new Map(group.flatMap(({ rows }) => rows.map(({ method, label }) => [method, label] as const)));
  const allSeeds = [...new Set([...group.flatMap((one) => one.seeds), ...asked.seeds ?? []])].sort((a, b) => a - b);
  return [...labels].flatMap(([method, label]) => {
    const kit = kitMethod(method);
    const draws = kit !== undefined
      ? drawsImages(kit)
      : group.some((one) => one.runs.some((run) => run.method === method && run.seed !== null));
    const seeds = draws ? allSeeds : [null];
    return group.flatMap((one) => {
      const lacks = subsets.filter((subset) => !one.without.some((no) => no.method === method && no.subset === subset))
        .map((subset) => ({
          subset,
          seeds: seeds.filter((seed) =>
            !one.runs.some((run) => run.method === method && run.evaluatedOn === subset && run.seed === seed)
          ),
        })).filter((lack) => lack.seeds.length > 0);
      return [...Map.groupBy(lacks, (lack) => lack.seeds.join(", "))].map(([of, alike]) => {
        const which = of === "" ? "" : `, ${alike[0].seeds.length === 1 ? "seed" : "seeds"} ${of}`;
        return `${label} on ${one.on.dataset}: ${alike.map(({ subset }) => subset).join(" and ")}${which}`;
      });
    });
  });
}
