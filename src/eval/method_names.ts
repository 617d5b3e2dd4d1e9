/** How people write the methods' names. */
const NAMES: Readonly<Record<string, string>> = {
  "zeroshot": "Zero-shot",
  "coop": "CoOp",
  "cocoop": "CoCoOp",
  "kgcoop": "KgCoOp",
  "prograd": "ProGrad",
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

/** `cocoop` → `CoCoOp`; names that nobody wrote down stay as they are. */
export function methodLabel(method: string): string {
  return NAMES[method] ?? method;
}
