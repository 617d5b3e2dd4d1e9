/** The methods of the kit: what `compare --methods all` runs, in the order of its tables. */
import { clipAdapter } from "./clip_adapter.ts";
import { cocoop } from "./cocoop.ts";
import { coop } from "./coop.ts";
import { gda } from "./gda.ts";
import { ivlp } from "./ivlp.ts";
import { kgcoop } from "./kgcoop.ts";
import { linearProbe } from "./linear_probe.ts";
import { lpPlusPlus } from "./lp_plus_plus.ts";
import { maple } from "./maple.ts";
import type { Method } from "./method.ts";
import { mmrl } from "./mmrl.ts";
import { prograd } from "./prograd.ts";
import { prometar } from "./prometar.ts";
import { promptsrc } from "./promptsrc.ts";
import { tcp } from "./tcp.ts";
import { tipAdapter, tipAdapterF } from "./tip_adapter.ts";
import { zeroShot } from "./zero_shot.ts";

export {
  clipAdapter,
  cocoop,
  coop,
  gda,
  ivlp,
  kgcoop,
  linearProbe,
  lpPlusPlus,
  maple,
  mmrl,
  prograd,
  prometar,
  promptsrc,
  tcp,
  tipAdapter,
  tipAdapterF,
  zeroShot,
};

/** Every method of the kit. Their settings' types are forgotten here: a run knows a method by its interface alone. */
export const KIT_METHODS = [
  zeroShot,
  coop,
  cocoop,
  kgcoop,
  prograd,
  tcp,
  ivlp,
  maple,
  promptsrc,
  prometar,
  mmrl,
  gda,
  tipAdapter,
  tipAdapterF,
  clipAdapter,
  lpPlusPlus,
  linearProbe,
] as unknown as readonly Method[];
