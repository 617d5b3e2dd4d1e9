/** The image tower's blocks below all learned tokens: what they give can be stored, and what that takes on disk. */
import type { ClipModel } from "../clip/model.ts";
import type { HostTensor } from "../engine/ops.ts";
import type { Values } from "../methods/method.ts";
import type { PromptSession } from "../prompt/session.ts";
import type { LowerBlocks } from "./data.ts";

/** Those of a session; undefined where its tokens are in the first block. */
export function lowerBlocks(
  { config, inputs: { model } }: { config: { values: Values }; inputs: { model: ClipModel } },
  { lower, method }: Pick<PromptSession, "lower" | "method">,
): LowerBlocks | undefined {
  if (lower === undefined) return undefined;
  const { size, patch, width } = model.config.image;
  const rows = 1 + (size / patch) ** 2;
  const flat = ({ shape: [B], data }: HostTensor) => ({ shape: [B, rows * width], data });
  return {
    count: method.shape.below!.image,
    numbers: rows * width,
    most: (config.values.lowerStore as number | undefined ?? 0) * 2 ** 30,
    encode: async (patches_BNK) => flat(await lower.rows(patches_BNK)),
    onwards: ({ shape: [B], data }) => lower.encode({ shape: [B, rows, width], data }),
  };
}

/** Bytes of the output for some views. */
export function lowerBytes({ numbers }: Pick<LowerBlocks, "numbers">, views: number): number {
  return views * numbers * 4;
}

/** What is stored of some images, or why not, in a sentence. */
export function lowerSentence(below: LowerBlocks, { images, what }: { images: number; what: string }): string {
  const bytes = lowerBytes(below, images);
  const whole = (value: number) => Math.ceil(value).toLocaleString("en-US");
  const mebibytes = (bytes: number) => `${whole(bytes / 2 ** 20)} MiB`;
  const start = `Output of the first ${below.count} blocks, ${what}: ${whole(images)} of ` +
    `${whole(below.numbers * 4 / 1024)} KiB are ${mebibytes(bytes)}`;
  return bytes <= below.most
    ? `${start} in the cache, less what is there.`
    : `${start}, more than the ${mebibytes(below.most)} of --lower-store: they are computed each time.`;
}
