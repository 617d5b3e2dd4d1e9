import { KIT_METHODS } from "./kit.ts";
import { type MethodFacts, withVariants } from "./method.ts";

/** Labels of the methods that are not the kit's, by name: their files and their reports tell them. */
const told = new Map<string, string>();

/** Remembers what a method that is not the kit's is called. */
export function rememberLabel({ name, label }: Pick<MethodFacts, "name" | "label">): void {
  told.set(name, label);
}

/** `cocoop` → `CoCoOp`; names of methods that nothing was told of stay as they are. */
export function methodLabel(name: string): string {
  const ofKit = KIT_METHODS.flatMap(withVariants).find((method) => method.name === name)?.label;
  return ofKit ?? told.get(name) ?? name;
}
