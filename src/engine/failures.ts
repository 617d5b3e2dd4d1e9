/**
 * Turns what engines throw into one clear sentence where the user can do something about it.
 */
import { messageOf, UserError } from "../errors.ts";

const OUT_OF_MEMORY =
  /out of memory|OOM|RESOURCE_EXHAUSTED|bad_alloc|cannot enlarge memory|not enough memory|failed to allocate|allocation (failed|size)|max(imum)? (storage )?buffer|max_buffer_size/i;
const DEVICE_LOST =
  /device (was |is |has been )?(lost|destroyed)|devicelost|invalid device|removed device|CUDA_ERROR|cudaError|CUBLAS_STATUS|CUDNN_STATUS|GPU is lost/i;

/** Where an engine failed. */
export interface FailurePlace {
  /** The engine's name, with its device where it has several: `webgpu`, `onnx on cuda`. */
  engine: string;
  /** The program that ran. */
  program: string;
}

/**
 * The error to throw for what an engine threw: a {@linkcode UserError} when the device is lost or out of memory,
 * otherwise an error that names engine and program. The kit never continues on another engine by itself.
 */
export function engineFailure(error: unknown, { engine, program }: FailurePlace): Error {
  if (error instanceof UserError) return error;
  const text = messageOf(error);
  if (OUT_OF_MEMORY.test(text)) {
    return new UserError(
      `The engine ${engine} ran out of memory in ${program}: use a smaller --batch-size, or another --engine.`,
    );
  }
  if (DEVICE_LOST.test(text)) {
    const line = text.split("\n")[0].trim();
    const reason = line.length > 160 ? `${line.slice(0, 157)}...` : line;
    return new UserError(
      `The engine ${engine} lost its device in ${program} (${reason.replace(/\.$/, "")}): ` +
        "run the same command again to continue the run, or use --engine onnx.",
    );
  }
  return new Error(`The engine ${engine} failed in ${program}: ${text}`, { cause: error });
}
