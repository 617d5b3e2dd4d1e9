/** The methods of the kit: what `compare --methods all` runs, in the order of its tables. */
import { clipAdapter } from "./clip_adapter.ts";
import { cocoop } from "./cocoop.ts";
import { coop } from "./coop.ts";
import { gda } from "./gda.ts";
import { kgcoop } from "./kgcoop.ts";
import { linearProbe } from "./linear_probe.ts";
import { lpPlusPlus } from "./lp_plus_plus.ts";
import type { Method } from "./method.ts";
import { prograd } from "./prograd.ts";
import { tipAdapter, tipAdapterF } from "./tip_adapter.ts";
import { zeroShot } from "./zero_shot.ts";

export { clipAdapter, cocoop, coop, gda, kgcoop, linearProbe, lpPlusPlus, prograd, tipAdapter, tipAdapterF, zeroShot };

/** Every method of the kit. Their settings' types are forgotten here: a run knows a method by its interface alone. */
export const KIT_METHODS = [
  zeroShot,
  coop,
  cocoop,
  kgcoop,
  prograd,
  gda,
  tipAdapter,
  tipAdapterF,
  clipAdapter,
  lpPlusPlus,
  linearProbe,
] as unknown as readonly Method[];
