import { spokenName } from "../clip/spoken_name.ts";

/** How the name of a class follows from its folder. */
export interface ClassNameRules {
  /** Names of particular folders; they are taken as they stand. */
  rename: Readonly<Record<string, string>>;
  /** Folders that are no classes. */
  drop: readonly string[];
  /** `083.airplane` is `airplane`. */
  stripNumberPrefix: boolean;
  /** `a/apse/indoor` is `apse/indoor`. */
  dropFirstPart: boolean;
  /** `apse/indoor` is `indoor apse`. */
  reverseParts: boolean;
  /** `ApplyEyeMakeup` is `Apply Eye Makeup`. */
  splitCamelCase: boolean;
  /** `Audi TT RS Coupe 2012` is `2012 Audi TT RS Coupe`. */
  lastWordFirst: boolean;
}

/** The name is that of the folder, with spaces for underscores. */
export const PLAIN_NAMES: ClassNameRules = {
  rename: {},
  drop: [],
  stripNumberPrefix: false,
  dropFirstPart: false,
  reverseParts: false,
  splitCamelCase: false,
  lastWordFirst: false,
};

/**
 * The name of a class, as it stands in prompts.
 *
 * @param folder Path of the class folder below the image folder, with `/`.
 */
export function className(folder: string, rules: ClassNameRules): string {
  if (Object.hasOwn(rules.rename, folder)) return rules.rename[folder];
  let parts = folder.split("/");
  if (rules.dropFirstPart && parts.length > 1) parts = parts.slice(1);
  if (rules.reverseParts) parts.reverse();
  let name = parts.join(" ");
  if (rules.stripNumberPrefix) name = name.replace(/^\d+[._ -]+(?=.)/, "");
  if (rules.splitCamelCase) name = name.replaceAll(/(?<=[^\s_])(?=[A-Z])/g, " ");
  name = spokenName(name).trim();
  if (!rules.lastWordFirst) return name;
  const words = name.split(" ");
  return [words.at(-1), ...words.slice(0, -1)].join(" ");
}
