/** How people write the methods' names. */
const NAMES: Readonly<Record<string, string>> = {
  "zeroshot": "Zero-shot",
  "coop": "CoOp",
  "cocoop": "CoCoOp",
  "kgcoop": "KgCoOp",
  "kgcoop-cocoop": "KgCoOp over CoCoOp",
  "prograd": "ProGrad",
  "prograd-cocoop": "ProGrad over CoCoOp",
  "maple": "MaPLe",
  "promptsrc": "PromptSRC",
  "prometar": "ProMetaR",
  "tip-adapter": "Tip-Adapter",
  "tip-adapter-f": "Tip-Adapter-F",
  "clip-adapter": "CLIP-Adapter",
  "gda": "GDA",
  "lp++": "LP++",
  "linear-probe": "Linear probe",
};

/**
 * `cocoop` → `CoCoOp`; names that nobody wrote down stay as they are.
 *
 * @param method as in file names and reports
 *
 * @example
 * ```ts
 * import { methodLabel } from "@prompt-kit/clip-prompts";
 *
 * if (methodLabel("kgcoop") !== "KgCoOp" || methodLabel("mine") !== "mine") throw new Error("unexpected");
 * ```
 */
export function methodLabel(method: string): string {
  const [, tuned] = /^(.+)-full-val$/.exec(method) ?? [];
  return NAMES[method] ?? (tuned === undefined ? method : `${methodLabel(tuned)}, full validation`);
}
