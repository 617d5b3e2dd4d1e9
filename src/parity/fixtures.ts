/**
 * A folder of fixtures: what the published PyTorch code produced.
 */
import { readSafetensors, type SafetensorEntry, toFloat32 } from "../clip/weights/safetensors.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { parseJson, readIfThere } from "../files.ts";

/** Reads the files of one folder. */
export interface Fixtures {
  readonly folder: string;
  /** Base names of the files that end in `suffix`, sorted: `mini_towers.json` with suffix `_towers.json` is `mini`. */
  names(suffix: string): string[];
  path(file: string): string;
  json(file: string): Promise<unknown>;
  tensors(file: string): Promise<Tensors>;
}

/** The tensors of one safetensors file. */
export interface Tensors {
  names(): string[];
  float(name: string): HostTensor;
  integers(name: string): { shape: readonly number[]; data: number[] };
  bytes(name: string): { shape: readonly number[]; data: Uint8Array };
}

/** Opens a folder. Throws {@linkcode UserError} when it is not there. */
export function openFixtures(folder: string): Fixtures {
  const path = (file: string) => `${folder}/${file}`;
  let files: string[];
  try {
    files = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError(
      `There is no folder ${folder} with fixtures: numbers of the published PyTorch code, which do not ship with the kit. ` +
        "Give a folder that has them (deno task parity DIR); the smaller ones in tests/fixtures are compared by deno task test.",
    );
  }
  async function bytes(file: string): Promise<Uint8Array> {
    const found = await readIfThere(path(file), "the fixture");
    if (found !== undefined) return found;
    throw new UserError(`The fixture ${path(file)} is missing: the folder's README lists what belongs there.`);
  }
  return {
    folder,
    path,
    names: (suffix) => files.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length)),
    json: async (file) => parseJson(await bytes(file), { path: path(file), what: "the fixture" }),
    async tensors(file) {
      const { entries } = readSafetensors(await bytes(file), path(file));
      const entry = (name: string): SafetensorEntry => {
        const found = entries.get(name);
        if (found === undefined) throw new UserError(`The fixture ${path(file)} holds no tensor "${name}".`);
        return found;
      };
      return {
        names: () => [...entries.keys()],
        float: (name) => ({ shape: entry(name).shape, data: toFloat32(entry(name)) }),
        integers(name) {
          const { bytes, shape, dtype } = entry(name);
          if (dtype !== "I64") throw new UserError(`The tensor "${name}" of ${path(file)} is ${dtype}, not I64.`);
          const whole = bytes.slice();
          return { shape, data: Array.from(new BigInt64Array(whole.buffer, 0, whole.length / 8), Number) };
        },
        bytes: (name) => ({ shape: entry(name).shape, data: entry(name).bytes }),
      };
    },
  };
}
