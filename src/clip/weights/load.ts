/**
 * CLIP's weights from a file. Tensors have OpenAI's names whatever the file calls them, and are read and converted when
 * they are asked for, so that memory never holds the file.
 */
import type { HostTensor } from "../../engine/ops.ts";
import { UserError } from "../../errors.ts";
import { sha256Hex } from "../../files.ts";
import { type ClipConfig, inferConfig, tensorShapes } from "../config.ts";
import { DTYPE_BYTES, floatsFrom, isFloat } from "./dtype.ts";
import { headerLength, LENGTH_BYTES, parseHeader } from "./safetensors.ts";
import { openRandomAccess, type RandomAccessFile, type StoredTensor } from "./tensor_file.ts";

/** How a file holds the weights. */
export type WeightsLayout = "openai-safetensors";

/** The weights of a CLIP. */
export interface ClipWeights {
  /** Sizes, read off the shapes. */
  readonly config: ClipConfig;
  /** Of the file, in lower-case hexadecimal. */
  readonly sha256: string;
  readonly path: string;
  readonly layout: WeightsLayout;
  /** OpenAI's names of all tensors. */
  names(): string[];
  /** A tensor under OpenAI's name, float32; read anew each time. */
  tensor(name: string): HostTensor;
}

/**
 * Opens the weights of a CLIP.
 *
 * @param path a file
 * @throws {UserError} when it is missing, damaged, or does not hold a CLIP that this kit runs
 */
export async function loadWeights(path: string): Promise<ClipWeights> {
  const file = openRandomAccess(path);
  const stored = safetensorsDirectory(file);
  const config = inferConfig(new Map([...stored].map(([name, { shape }]) => [name, shape])), path);
  const names = [...tensorShapes(config).keys()];
  const sha256 = await sha256Hex(path);
  return {
    config,
    sha256,
    path,
    layout: "openai-safetensors",
    names: () => [...names],
    tensor(name) {
      const tensor = stored.get(name);
      if (tensor === undefined) throw new Error(`No tensor ${name}`);
      return readTensor(file, { name, tensor });
    },
  };
}

function safetensorsDirectory(file: RandomAccessFile): Map<string, StoredTensor> {
  const where = { fileSize: file.size, where: file.path };
  const length = headerLength(file.read(0, Math.min(LENGTH_BYTES, file.size)), where);
  return parseHeader(file.read(LENGTH_BYTES, length), where).places;
}

function readTensor(file: RandomAccessFile, { name, tensor }: { name: string; tensor: StoredTensor }): HostTensor {
  const { dtype, shape, offset } = tensor;
  if (!isFloat(dtype)) {
    throw new UserError(
      `The tensor "${name}" of ${file.path} is ${dtype}, not F16, BF16, F32 or F64: get the file anew.`,
    );
  }
  const count = shape.reduce((product, size) => product * size, 1);
  return { shape, data: floatsFrom(file.read(offset, count * DTYPE_BYTES[dtype]), dtype) };
}
