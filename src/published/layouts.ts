/**
 * What the published trainers leave in a checkpoint, and how it is told whose it is. The learned tensors have this kit's
 * names once `prompt_learner.` is taken away, so that a method's own prompt says which there must be, of which shapes.
 *
 * Another method's tensors are one more entry of {@linkcode LAYOUTS}.
 */
import { UserError } from "../errors.ts";
import { META_NET } from "../methods/cocoop.ts";
import type { PromptTask, Values } from "../methods/method.ts";
import { tcpText } from "../methods/tcp.ts";
import type { Parameter } from "../optim/sgd.ts";

/** Layers of the two towers. */
export interface TowerLayers {
  text: number;
  image: number;
}

/** The learned tensors of one or several trainers. */
export interface Layout {
  /** The kit's methods that leave these tensors. */
  readonly methods: readonly string[];
  /** Names of what was learned. */
  readonly learned: RegExp;
  /** Whether a tensor is stored and never used, in towers of so many layers. */
  unused?(name: string, layers: TowerLayers): boolean;
  /** The settings that the tensors tell, and those that the published code has as literals. */
  settings(params: Record<string, Parameter>): Values;
  /** Settings that count layers, at all layers of the towers: more are the same. */
  deepest?(layers: TowerLayers): Record<string, number>;
  /** Whether the text is `init name`, the learned tokens in the place of the first words of `init` only. */
  readonly wordsStay?: true;
  /** The text after the learned tokens, with `{}` for the class name, which goes by the data set; `{}.` when left out. */
  text?(of: Pick<PromptTask, "template" | "dataset">): string;
}

/** Shapes by name. */
type Shapes = ReadonlyMap<string, readonly number[]>;

const DEEP = /^(text|image)_encoder\.transformer\.resblocks\.(\d+)\.VPT_shallow$/;
const COMPOUND = /^compound_prompt(?:s_text|_projections)\.(\d+)(?:\.|$)/;

const WITH_NET = /^(ctx|meta_net\.linear[12]\.(weight|bias))$/;
const HEAD = /^(film_lp_(img|text)\.|linear_probe_proj\.)/;

const rows = ({ shape }: Parameter) => shape[shape.length - 2];

/** One more than the largest number that the names hold; `none` where no name has one. */
function depthOf(names: readonly string[], pattern: RegExp, none: number): number {
  return names.reduce((depth, name) => Math.max(depth, Number(pattern.exec(name)?.[1] ?? -1) + 1), none);
}

const contextSettings: Layout["settings"] = ({ ctx }) => ({
  contextTokens: rows(ctx),
  classSpecific: ctx.shape.length === 3,
});

/** Tensors of other trainers, by names that no layout has, and who learns them. */
const OTHERS: readonly [(shapes: Shapes) => boolean, string][] = [
  [(shapes) => has(HEAD)(shapes) && has(/^(proj\.|compound_prompt)/)(shapes), "DePT's head beside MaPLe's tokens"],
  [
    (shapes) => ![undefined, shapes.get("ctx")?.at(-2)].includes(classTokens(shapes)),
    "TCP's tokens of a class, and another number of them in its context",
  ],
  [(shapes) => !shapes.has("ctx") && has(/VPT/)(shapes), "VPT's tokens, which are in the image tower alone"],
];

/** Trainers whose folders are known and whose prompts are not imported. */
export const OTHER_TRAINERS: readonly string[] = ["VPT", "MMRL", "ExtrasLinearProbeMaPLe"];

function has(pattern: RegExp): (shapes: Shapes) => boolean {
  return (shapes) => [...shapes.keys()].some((name) => pattern.test(name));
}

/** How many tokens of a class TCP's net gives at once; its names are those of CoCoOp's, which moves all tokens by one. */
function classTokens(shapes: Shapes): number | undefined {
  const [width] = shapes.get("ctx")?.slice(-1) ?? [];
  const [out] = shapes.get(META_NET[2]) ?? [];
  return width !== undefined && out !== undefined && out > width && out % width === 0 ? out / width : undefined;
}

/** A layout, and the sign that it is there. */
interface Known {
  is(shapes: Shapes): boolean;
  layout(shapes: Shapes): Layout;
}

/** Of contexts in front of the text: the first whose sign is there. */
const CONTEXTS: readonly Known[] = [
  {
    // Left from a trial in KgCoOp's code: stored, and used nowhere.
    is: has(/^bias_vectors$/),
    layout: () => ({
      methods: ["kgcoop"],
      learned: /^ctx$/,
      unused: (name) => /^(bias_vectors$|meta_net\.linear1\.|adapter\.fc\.)/.test(name),
      settings: contextSettings,
    }),
  },
  {
    is: (shapes) => classTokens(shapes) !== undefined,
    layout: () => ({
      methods: ["tcp"],
      learned: WITH_NET,
      // The weight in the names of its folders is used nowhere.
      settings: ({ ctx }) => ({ contextTokens: rows(ctx), classBlock: 8, lambda: 8 }),
      text: tcpText,
    }),
  },
  {
    is: has(/^meta_net\./),
    layout: () => ({
      methods: ["cocoop"],
      learned: WITH_NET,
      settings: ({ ctx }) => ({ contextTokens: rows(ctx) }),
    }),
  },
  {
    is: has(/^ctx$/),
    layout: () => ({ methods: ["coop", "kgcoop", "prograd"], learned: /^ctx$/, settings: contextSettings }),
  },
];

/** The first whose sign is there. */
const LAYOUTS: readonly Known[] = [
  {
    // DePT's KgCoOp keeps the vector of that trial, so that a context alone is CoOp's.
    is: has(HEAD),
    layout(shapes) {
      const { methods: [under], learned, ...layout } = CONTEXTS.find(({ is }) => is(shapes))!.layout(shapes);
      return { ...layout, methods: [`${under}-dept`], learned: new RegExp(`${learned.source}|${HEAD.source}`) };
    },
  },
  {
    is: has(/^(proj\.|compound_prompt)/),
    layout: () => ({
      methods: ["maple"],
      learned: /^(ctx$|proj\.|compound_prompt)/,
      // Layers that a tower does not have: their tokens get no gradient, and enter nowhere.
      unused: (name, { text, image }) => Number(COMPOUND.exec(name)?.[1] ?? -1) > Math.min(text, image) - 2,
      settings: (params) => ({
        contextTokens: rows(params.ctx),
        depth: depthOf(Object.keys(params), COMPOUND, 0) + 1,
      }),
      deepest: ({ text, image }) => ({ depth: Math.min(text, image) }),
      wordsStay: true,
    }),
  },
  {
    is: has(/VPT|^(image|text)_encoder\./),
    layout: (shapes) => ({
      // Only these two keep the frozen image tower a second time.
      methods: has(/^ZS_image_encoder\./)(shapes) ? ["promptsrc", "prometar"] : ["ivlp", "promptsrc", "prometar"],
      learned: /^(ctx|image_encoder\.VPT|.*\.VPT_shallow)$/,
      settings(params) {
        const of = (tower: string) => Object.keys(params).filter((name) => DEEP.exec(name)?.[1] === tower);
        const first: Parameter | undefined = params["image_encoder.VPT"];
        const depth = (tower: string) => depthOf(of(tower), /\.(\d+)\.VPT_shallow$/, 1);
        return {
          textTokens: rows(params.ctx),
          textDepth: depth("text"),
          ...first === undefined && of("image").length === 0
            ? { imageDepth: 0 }
            : { imageTokens: rows(first ?? params[of("image")[0]]), imageDepth: depth("image") },
        };
      },
      deepest: ({ text, image }) => ({ textDepth: text, imageDepth: image }),
      wordsStay: true,
    }),
  },
  ...CONTEXTS,
];

/**
 * The layout that tensors of these names and shapes are of.
 *
 * @throws {UserError} when they are of none that is imported; says of whose where that is known
 */
export function layoutOf(shapes: Shapes, path: string): Layout {
  const other = OTHERS.find(([is]) => is(shapes))?.[1];
  if (other !== undefined) throw new UserError(`${path} holds ${other}: prompts of that method are not imported.`);
  const found = shapes.has("ctx") ? LAYOUTS.find(({ is }) => is(shapes)) : undefined;
  if (found === undefined) {
    throw new UserError(`${path} holds no prompt that is imported: it has no tensor "ctx", the context.`);
  }
  return found.layout(shapes);
}
