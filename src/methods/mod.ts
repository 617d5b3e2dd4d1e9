/** The methods of the kit, one line each, in the order of tables. */
export { zeroShot } from "./zero_shot.ts";
export { coop } from "./coop.ts";
export { cocoop } from "./cocoop.ts";
export { kgcoop } from "./kgcoop.ts";
export { prograd } from "./prograd.ts";
export { gda } from "./gda.ts";
export { tipAdapter } from "./tip_adapter.ts";
export { tipAdapterF } from "./tip_adapter.ts";
export { clipAdapter } from "./clip_adapter.ts";
export { lpPlusPlus } from "./lp_plus_plus.ts";
export { linearProbe } from "./linear_probe.ts";
