/** A CLIP of two layers a tower, and three ways to a gradient: by hand, tfjs's own autodiff, central differences. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { randomClip } from "../../bench/random_clip.ts";
import { type ClipModel, loadModel } from "../../src/clip/model.ts";
import type { ClipConfig } from "../../src/clip/config.ts";
import type { Tokenizer } from "../../src/clip/tokenizer.ts";
import type { ClipWeights } from "../../src/clip/weights/load.ts";
import { loadTfjs, loadTfjsBackendCpu, TFJS_VERSION } from "../../src/deps.ts";
import type { Engine, HostTensor, Ops } from "../../src/engine/ops.ts";
import { tfjsOps } from "../../src/engine/tfjs_ops.ts";
import { randomTensor } from "../engine/ops_cases.ts";

export const TWO_LAYERS: ClipConfig = {
  embedding: 24,
  image: { size: 16, patch: 8, width: 64, layers: 2, heads: 1 },
  text: { context: 20, vocabulary: 50, width: 128, layers: 2, heads: 2 },
};

/** One layer more: with prompts in the first two, there is a block in which they flow on. */
export const THREE_LAYERS: ClipConfig = {
  ...TWO_LAYERS,
  image: { ...TWO_LAYERS.image, layers: 3 },
  text: { ...TWO_LAYERS.text, layers: 3 },
};

/** Random weights of {@linkcode TWO_LAYERS}. */
export const twoLayers = (): ClipWeights => gentleClip(TWO_LAYERS);

/**
 * Random weights. Embeddings are a good deal larger than a real model's, so that LayerNorm's slope is gentle enough for
 * differences.
 */
export function gentleClip(config: ClipConfig): ClipWeights {
  const weights = randomClip(config);
  const large = /embedding|logit_scale/;
  return {
    ...weights,
    tensor(name) {
      const tensor = weights.tensor(name);
      if (name === "logit_scale") return { shape: [], data: Float32Array.of(Math.log(10)) };
      return large.test(name) ? { ...tensor, data: tensor.data.map((x) => 20 * x) } : tensor;
    },
  };
}

/** Letters are tokens; the full stop is one as well. */
export const letters: Tokenizer = {
  encode: (text) =>
    Array.from(text.replaceAll(" ", ""), (letter) => letter === "." ? 2 : 3 + letter.charCodeAt(0) % 45),
  startToken: 48,
  endToken: 49,
  size: 50,
  word: (id) => `w${id}`,
};

/** The model on an engine. */
export const twoLayerModel = (engine: Engine): ClipModel => loadModel(twoLayers(), { engine, tokenizer: letters });

/** A function of tensors with its hand-written pull-back to the first one. */
export type WithPullback = <T>(ops: Ops<T>, inputs: readonly T[]) => { y: T; pullback(dy: T): T };

const CORE = new URL(
  `../../node_modules/.deno/@tensorflow+tfjs-core@${TFJS_VERSION}/node_modules/@tensorflow/tfjs-core/dist/`,
  import.meta.url,
);
let registered: Promise<void> | undefined;

/**
 * Registers tfjs's own gradients. The package's bundle leaves them out, and its modules name each other without `.js`,
 * which only bundlers resolve: a copy that names them in full is imported. Registry and engine are global, so that the
 * gradients serve the bundle as well.
 */
function registerGradients(): Promise<void> {
  return registered ??= (async () => {
    const folder = await Deno.makeTempDir({ prefix: "clip-prompts-" });
    const dist = fileURLToPath(CORE);
    const require = createRequire(CORE);
    const copied = new Set<string>();
    const inFull = (specifier: string, from: string): string => {
      if (!specifier.startsWith(".")) return pathToFileURL(require.resolve(specifier)).href;
      const at = join(dirname(from), specifier);
      copy(`${at}.js`);
      return `file://${folder}/${at}.js`;
    };
    const copy = (name: string): void => {
      if (copied.has(name)) return;
      copied.add(name);
      const text = Deno.readTextFileSync(dist + name).replace(
        /^((?:import|export)\b(?:[^;'"]*?\bfrom)?\s*)['"]([^'"]+)['"]/gm,
        (_, head, specifier) => `${head}"${inFull(specifier, name)}"`,
      );
      Deno.mkdirSync(dirname(join(folder, name)), { recursive: true });
      Deno.writeTextFileSync(join(folder, name), text);
    };
    Deno.writeTextFileSync(`${folder}/package.json`, '{"type":"module"}');
    copy("register_all_gradients.js");
    await import(`file://${folder}/register_all_gradients.js`);
    await Deno.remove(folder, { recursive: true });
  })();
}

/** `⟨y, cotangent⟩` and its gradient at the first input, by hand and by tfjs's autodiff on the very same operations. */
export async function bothGradients(
  fn: WithPullback,
  { inputs, cotangent }: { inputs: readonly HostTensor[]; cotangent: HostTensor },
): Promise<{ byHand: HostTensor; byAutodiff: HostTensor }> {
  const tf = await loadTfjs();
  await loadTfjsBackendCpu();
  await registerGradients();
  await tf.setBackend("cpu");
  const ops = tfjsOps(tf, false);
  const toTensor = ({ shape, data }: HostTensor) => tf.tensor(data, [...shape], "float32");
  const [x, ...others] = inputs.map(toTensor);
  const dy = toTensor(cotangent);
  const byHand = tf.tidy(() => fn(ops, [x, ...others]).pullback(dy));
  const byAutodiff = tf.tidy(() => tf.grad((x) => tf.sum(tf.mul(fn(ops, [x, ...others]).y, dy)))(x));
  const toHost = (t: typeof x): HostTensor => ({ shape: t.shape, data: Float32Array.from(t.dataSync()) });
  const out = { byHand: toHost(byHand), byAutodiff: toHost(byAutodiff) };
  tf.dispose([x, ...others, dy, byHand, byAutodiff]);
  return out;
}

/**
 * How far a gradient is from central differences along random directions, relative to its length. Values are summed in
 * double precision; what is left is float32's rounding in the values themselves.
 */
export async function awayFromDifferences(
  value: (x: HostTensor) => Promise<number>,
  { at, gradient, size = 5e-3, directions = 6 }: {
    at: HostTensor;
    gradient: ArrayLike<number>;
    size?: number;
    directions?: number;
  },
): Promise<number> {
  const length = Math.sqrt(Array.from(gradient).reduce((sum, g) => sum + g * g, 0));
  let worst = 0;
  for (let d = 0; d < directions; d++) {
    const direction = randomTensor(at.shape, 500 + d).data;
    const moved = (by: number) => ({ shape: at.shape, data: at.data.map((x, i) => x + by * direction[i]) });
    const difference = (await value(moved(size)) - await value(moved(-size))) / (2 * size);
    const along = direction.reduce((sum, v, i) => sum + v * gradient[i], 0);
    worst = Math.max(worst, Math.abs(along - difference) / length);
  }
  return worst;
}

/** `⟨y, cotangent⟩` in double precision. */
export function inner(y: HostTensor, cotangent: HostTensor): number {
  return y.data.reduce((sum, value, i) => sum + value * cotangent.data[i], 0);
}
