/** One file of the feature store: safetensors with its own key and checksum, used only when both are right. */
import { readSafetensors, toFloat32, writeSafetensors } from "../clip/weights/safetensors.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { readIfThere, sha256Hex } from "../files.ts";

const FORMAT = "clip-features 1";

/** The bytes of a file with features [n, E]. */
export async function writeChunk(key: string, features: HostTensor): Promise<Uint8Array> {
  const { shape, data } = features;
  return writeSafetensors([["features", { dtype: "F32", shape, data }]], {
    format: FORMAT,
    key,
    sha256: await sha256Hex(bytesOf(data)),
  });
}

/** Reads a file of features; they are undefined when it is missing or damaged, and `damaged` tells which. */
export async function readChunk(
  path: string,
  expected: { key: string; rows: number },
): Promise<{ features?: Float32Array; damaged: boolean }> {
  const bytes = await readIfThere(path, "the stored features");
  if (bytes === undefined) return { damaged: false };
  const features = await trustedFeatures(bytes, { path, ...expected });
  return { features, damaged: features === undefined };
}

async function trustedFeatures(
  bytes: Uint8Array,
  expected: { path: string; key: string; rows: number },
): Promise<Float32Array | undefined> {
  try {
    const { entries, metadata } = readSafetensors(bytes, expected.path);
    const entry = entries.get("features");
    const right = metadata.format === FORMAT && metadata.key === expected.key && entry?.dtype === "F32" &&
      entry.shape.length === 2 && entry.shape[0] === expected.rows;
    if (!right) return undefined;
    const features = toFloat32(entry);
    return metadata.sha256 === await sha256Hex(bytesOf(features)) ? features : undefined;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
