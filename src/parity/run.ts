/**
 * All stages on a folder of fixtures, row by row.
 */
import { loadModel } from "../clip/model.ts";
import { loadTokenizer, type Tokenizer } from "../clip/tokenizer.ts";
import { loadWeights } from "../clip/weights/load.ts";
import type { Engine } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { deepKinds, deepModels, deepRows } from "./deep.ts";
import { prometarRows } from "./prometar.ts";
import type { Fixtures } from "./fixtures.ts";
import { FIRST_LAYOUT, LAYOUT_FILES, layoutRows } from "./layouts.ts";
import { listRows } from "./lists.ts";
import { pixelRows } from "./pixels.ts";
import { promptRows } from "./prompts.ts";
import { rateRow } from "./rates.ts";
import { notCompared, type ParityRow } from "./row.ts";
import { tokenizerRow } from "./tokens.ts";
import { towerRows } from "./towers.ts";

/** Where the sample model is when it does not lie beside the fixtures. */
const SAMPLE = new URL("../../data/sample/model.safetensors", import.meta.url);

/** Where EuroSAT lies beside a folder of fixtures. */
export const eurosatBeside = (folder: string) => `${folder}/../datasets/eurosat`;

/**
 * The stages that no engine takes part in. `eurosat` are folders that may hold EuroSAT (images, split, few-shot lists):
 * of each the first that has it counts, and what none has is not compared.
 */
export async function* plainRows(
  fixtures: Fixtures,
  options: { eurosat?: readonly string[] } = {},
): AsyncGenerator<ParityRow> {
  yield await tokenizerRow(await loadTokenizer(), fixtures);
  const { eurosat = [eurosatBeside(fixtures.folder)] } = options;
  const archive = eurosat.map((folder) => `${folder}/EuroSAT.zip`).find(isThere);
  if (archive === undefined) yield notCompared("image files decoded", `no EuroSAT.zip in ${eurosat.join(" or ")}`);
  yield* await pixelRows(fixtures, { archive });
  const lists = eurosat.find((folder) => isThere(`${folder}/few_shot.json`));
  if (lists === undefined) yield notCompared("few-shot lists", `no few_shot.json in ${eurosat.join(" or ")}`);
  else yield* await listRows(lists);
  yield rateRow();
}

/** The stages that an engine computes, for every model of the folder. */
export async function* engineRows(
  engine: Engine,
  options: { fixtures: Fixtures; tokenizer?: Tokenizer; names?: readonly string[] },
): AsyncGenerator<ParityRow> {
  const { fixtures } = options;
  const tokenizer = options.tokenizer ?? await loadTokenizer();
  for (const name of options.names ?? modelNames(fixtures)) {
    const weights = await loadWeights(weightsPath(fixtures, name));
    const model = loadModel(weights, { engine, tokenizer });
    yield* await towerRows(model, { weights, fixtures, name });
    yield* await promptRows(model, { fixtures, name });
    await model.dispose();
    if (hasLayouts(fixtures, name)) yield* await layoutRows(engine, { fixtures, name, tokenizer });
  }
}

/** The methods inside the towers that an engine computes, for every model that their cases name. */
export async function* deepEngineRows(
  engine: Engine,
  { fixtures, names }: { fixtures: Fixtures; names?: readonly string[] },
): AsyncGenerator<ParityRow> {
  const tokenizer = await loadTokenizer();
  for (const name of names ?? await deepModels(fixtures)) {
    const model = loadModel(await loadWeights(weightsPath(fixtures, name)), { engine, tokenizer });
    for (const kind of deepKinds(fixtures)) {
      yield* kind === "prometar"
        ? await prometarRows(model, { fixtures, name })
        : await deepRows(model, { fixtures, name, kind });
    }
    await model.dispose();
  }
}

const TOWERS = ["_towers.json", "_towers.safetensors"];
const PROMPTS = ["_prompts.json", "_prompts.safetensors"];

/**
 * The models that the folder is about: every `NAME` of `NAME_towers.json` and its like. Throws {@linkcode UserError}
 * when there is none, or when one lacks a file.
 */
export function modelNames(fixtures: Fixtures): string[] {
  const endings = [...TOWERS, ...PROMPTS];
  const names = [...new Set(endings.flatMap((ending) => fixtures.names(ending)))].sort();
  if (names.length === 0 && deepKinds(fixtures).length === 0) {
    throw new UserError(`The folder ${fixtures.folder} has no NAME_towers.json: it is not one of fixtures.`);
  }
  for (const name of names) {
    const layouts = hasLayouts(fixtures, name) ? LAYOUT_FILES.map((file) => `_${file}`) : [];
    for (const ending of [...TOWERS, ...PROMPTS, ...layouts]) {
      if (fixtures.names(ending).includes(name)) continue;
      throw new UserError(
        `The fixture ${fixtures.path(name + ending)} is missing: the folder's README lists what belongs there.`,
      );
    }
    weightsPath(fixtures, name);
  }
  return names;
}

function hasLayouts(fixtures: Fixtures, name: string): boolean {
  return LAYOUT_FILES.some((file) => fixtures.names(`_${file}`).includes(name));
}

function weightsPath(fixtures: Fixtures, name: string): string {
  if (hasLayouts(fixtures, name)) return fixtures.path(`${name}_${FIRST_LAYOUT}`);
  const beside = `${fixtures.folder}/../${name}-clip/model.safetensors`;
  if (isThere(beside)) return beside;
  if (name === "sample") return decodeURIComponent(SAMPLE.pathname);
  throw new UserError(
    `There are no weights for the fixtures of "${name}": neither ${
      fixtures.path(`${name}_${FIRST_LAYOUT}`)
    } nor ${beside}.`,
  );
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
