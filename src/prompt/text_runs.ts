/**
 * The text tower over any number of groups and classes in runs of bounded size.
 *
 * Every run has the same shapes (a last run that would be shorter starts earlier and repeats some work), so an engine
 * that compiles prepares one program and keeps its weights once.
 *
 * Shapes: `G` groups, `C` classes, `P` packs, `Q` classes a pack, `L` rows a pack, `M` context tokens, `D`, `E`.
 */
import { type ClipModel, ROWS_PER_RUN, type TextProgress } from "../clip/model.ts";
import { packTensors, type PromptLayout } from "../clip/prompt_layout.ts";
import { type FrozenTextTower, packedInputs, textTower } from "../clip/text_tower.ts";
import { rowRange as packRange } from "../engine/host_tensor.ts";
import type { Frozen, HostTensor } from "../engine/ops.ts";

/** A part of the work: groups `g0…g1` under packs `p0…p1`. `fresh` says from which group or pack on it is new. */
interface Run {
  g0: number;
  g1: number;
  p0: number;
  p1: number;
  freshGroup: number;
  freshPack: number;
}

/** The text tower bound to one set of classes. */
export interface TextRuns {
  /**
   * Text features [G, C, E], not normalised, of the learned tokens of layer 0, the contexts, and of deeper layers:
   * [G, M, D] or, class-specific, [C, M, D]; last, where rows branch, those of each class, [C, M, D].
   */
  encode(layers: readonly HostTensor[], onProgress?: TextProgress): Promise<HostTensor>;
  /** The gradients at the learned tokens, in their shapes, from the gradient at the features [G, C, E]. Runs the tower again. */
  pullback(layers: readonly HostTensor[], dFeatures_GCE: HostTensor): Promise<HostTensor[]>;
  dispose(): Promise<void>;
}

function splitRuns(G: number, layout: PromptLayout): Run[] {
  const [P, , L] = layout.pick.shape;
  const runs: Run[] = [];
  const whole = (size: number, step: number, visit: (from: number, fresh: number) => void) => {
    for (let at = 0; at < size; at += step) visit(Math.min(at, size - step), at);
  };
  if (P === 1) {
    const step = Math.min(G, Math.max(1, Math.floor(ROWS_PER_RUN / L)));
    whole(G, step, (g0, freshGroup) => runs.push({ g0, g1: g0 + step, p0: 0, p1: 1, freshGroup, freshPack: 0 }));
  } else {
    const step = Math.min(P, Math.max(1, Math.floor(ROWS_PER_RUN / L)));
    for (let g = 0; g < G; g++) {
      whole(P, step, (p0, freshPack) => runs.push({ g0: g, g1: g + 1, p0, p1: p0 + step, freshGroup: g, freshPack }));
    }
  }
  return runs;
}

/** Binds the tower to packed prompts. */
export function textRuns(
  model: ClipModel,
  options: { tower: FrozenTextTower; layout: PromptLayout; classSpecific: boolean; classBlock?: number },
): TextRuns {
  const { tower, layout, classSpecific, classBlock } = options;
  const { engine } = model;
  const [P, Q] = layout.pick.shape;
  const C = layout.classes;
  const E = model.config.embedding;
  const parts = packTensors(layout);
  const count = Object.keys(parts).length;
  /** Whether the tokens of a layer, of `all`, are of each class. */
  const byClass = (layer: number, all: number) => classSpecific || classBlock !== undefined && layer === all - 1;

  const forward = engine.program("text_forward", (ops, inputs) => [
    textTower(ops, tower, packedInputs(inputs.slice(0, count), inputs.slice(count), { classBlock, layout })).features,
  ]);
  const backward = engine.program("text_pullback", (ops, inputs) => {
    const [dFeatures, ...layers] = inputs.slice(count);
    const packed = packedInputs(inputs.slice(0, count), layers, { classBlock, layout });
    return textTower(ops, tower, packed).pullbackToLearned(dFeatures);
  });

  /** Contexts with a leading axis that counts groups, or packs where they are of each class. */
  function lead(contexts: HostTensor, layer: number, { length }: { length: number }): HostTensor {
    if (!byClass(layer, length)) return contexts;
    const [, M, D] = contexts.shape;
    const data = new Float32Array(P * Q * M * D);
    data.set(contexts.data);
    return { shape: [P, Q * M, D], data };
  }

  /** Packs never change: each range is frozen once and serves all groups. */
  const held = new Map<string, Frozen[]>();
  function packs({ p0, p1 }: Run): Frozen[] {
    const key = `${p0}-${p1}`;
    let range = held.get(key);
    if (range === undefined) {
      range = Object.entries(parts).map(([name, t]) => engine.freeze(`${name}_${key}`, packRange(t, p0, p1)));
      held.set(key, range);
    }
    return range;
  }

  function layersOf(led: readonly HostTensor[], { g0, g1, p0, p1 }: Run): HostTensor[] {
    return led.map((layer, l) => byClass(l, led.length) ? packRange(layer, p0, p1) : packRange(layer, g0, g1));
  }

  /** Visits the classes that a run is the first to compute: where they are in the run, and where in [G, C, E]. */
  function fresh(run: Run, visit: (inRun: number, inAll: number) => void): void {
    for (let g = run.freshGroup; g < run.g1; g++) {
      for (let p = run.freshPack; p < run.p1; p++) {
        for (let q = 0; q < Q && p * Q + q < C; q++) {
          const instance = P === 1 ? g - run.g0 : p - run.p0;
          visit((instance * Q + q) * E, (g * C + p * Q + q) * E);
        }
      }
    }
  }

  const groups = ([contexts]: readonly HostTensor[]) => classSpecific ? 1 : contexts.shape[0];

  return {
    async encode(layers, onProgress) {
      const G = groups(layers);
      const led = layers.map(lead);
      const features = new Float32Array(G * C * E);
      for (const run of splitRuns(G, layout)) {
        const [out] = await forward.run([...packs(run), ...layersOf(led, run)]);
        fresh(run, (from, to) => features.set(out.data.subarray(from, from + E), to));
        onProgress?.({ done: (run.g1 - 1) * C + Math.min(C, run.p1 * Q), total: G * C });
      }
      return { shape: [G, C, E], data: features };
    },
    async pullback(layers, dFeatures) {
      const G = groups(layers);
      const led = layers.map(lead);
      const gradients = led.map(({ data }) => new Float32Array(data.length));
      for (const run of splitRuns(G, layout)) {
        const instances = Math.max(run.g1 - run.g0, run.p1 - run.p0);
        // Classes that an earlier run has pulled back have a cotangent of zero.
        const cotangent = new Float32Array(instances * Q * E);
        fresh(run, (to, from) => cotangent.set(dFeatures.data.subarray(from, from + E), to));
        const dText = { shape: [instances, Q, E], data: cotangent };
        const outputs = await backward.run([...packs(run), dText, ...layersOf(led, run)]);
        for (const [l, gradient] of gradients.entries()) {
          const stride = gradient.length / led[l].shape[0];
          for (let i = 0; i < instances; i++) {
            const to = (byClass(l, led.length) ? run.p0 + i : P === 1 ? run.g0 + i : run.g0) * stride;
            for (let j = 0; j < stride; j++) gradient[to + j] += outputs[l].data[i * stride + j];
          }
        }
      }
      return layers.map(({ shape, data }, l) => ({ shape, data: gradients[l].slice(0, data.length) }));
    },
    async dispose() {
      await forward.dispose();
      await backward.dispose();
      for (const range of held.values()) range.forEach((value) => engine.release(value));
      held.clear();
    },
  };
}
