/** A classifier as one ONNX file: images in, probabilities out. */
import { imageTower } from "../clip/image_tower.ts";
import type { ClipModel } from "../clip/model.ts";
import { DEVIATION, MEAN } from "../data/views.ts";
import { frozenNumbers } from "../engine/onnx.ts";
import { MOST_BYTES, onnxFile } from "../engine/onnx_file.ts";
import type { Ops } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import type { ClassifierFunctions } from "../prompt/functions.ts";

/** How an image becomes what the file takes. */
export function preprocessing(size: number): string {
  return `Decode to RGB of 8 bits. Resize the smaller edge to ${size} as Pillow's Image.resize(BICUBIC) does (cubic with ` +
    `a = -0.5, widened when shrinking), the longer edge to a whole number, rounded down. Cut ${size}x${size} from the ` +
    "middle. Give the bytes as they are, channels last: dividing and normalising is inside.";
}

/**
 * The file's bytes, one part after the other. Its input `images` is uint8 [N, size, size, 3], its output `probabilities`
 * float32 [N, C], for any N. The model has to be open on ONNX Runtime.
 *
 * @throws {UserError} when it is larger than such a file can be, or the classifier cannot be written as a graph
 */
export function onnxClassifier(
  model: ClipModel,
  { encode, logits }: ClassifierFunctions,
  { label, metadata, most = MOST_BYTES }: {
    /** As people write the method. */
    label: string;
    metadata: Readonly<Record<string, string>>;
    /** Bytes. */
    most?: number;
  },
): Uint8Array[] {
  if (logits === undefined) {
    throw new UserError(
      `${label} cannot be exported: its logits are no function of tensors that a graph is written of, and its reports ` +
        'alone have its answers (a method of your own on features gives that function as "graph").',
    );
  }
  const { image: { size, patch } } = model.config;
  function classifier<T>(ops: Ops<T>, patches_BNK: T): T {
    const features_BE = encode === undefined
      ? imageTower(ops, model.image(), patches_BNK).features
      : encode(ops, patches_BNK);
    return ops.softmax(logits!(ops, features_BE));
  }
  const parts = onnxFile(classifier, {
    name: "classifier",
    images: { size, patch, mean: MEAN, deviation: DEVIATION },
    output: "probabilities",
    metadata,
    numbers: frozenNumbers,
  });
  const bytes = parts.reduce((sum, { length }) => sum + length, 0);
  if (bytes <= most) return parts;
  const [wanted, limit] = [bytes, most].map((count) => Math.ceil(count / 2 ** 20).toLocaleString("en-US"));
  throw new UserError(
    `The file would have ${wanted} MiB, and ${limit} are the most in one ONNX file: take a smaller model, such as ViT-L/14.`,
  );
}
