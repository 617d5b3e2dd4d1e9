import { KIT_METHODS } from "./kit.ts";
import { withVariants } from "./method.ts";

/** `cocoop` → `CoCoOp`; names that no method of the kit has stay as they are. */
export function methodLabel(name: string): string {
  return KIT_METHODS.flatMap(withVariants).find((method) => method.name === name)?.label ?? name;
}
