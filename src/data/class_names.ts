import { spokenName } from "../clip/spoken_name.ts";
import { didYouMean } from "../did_you_mean.ts";
import { UserError } from "../errors.ts";

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
 * The name of a class, as it stands in prompts, from the path of its folder below the image folder, with `/`. File systems
 * spell letters with accents in two ways: the keys of the rules are in the composed form, NFC, and match either.
 *
 * @throws {UserError} When nothing is left of the name.
 */
export function className(path: string, rules: ClassNameRules): string {
  const folder = path.normalize("NFC");
  const name = Object.hasOwn(rules.rename, folder) ? rules.rename[folder] : nameByRules(path, rules);
  if (spokenName(name).trim() !== "") return name;
  throw new UserError(
    `The class folder ${
      JSON.stringify(path)
    } leaves no name for prompts: rename it, or name it in a data set description ` +
      "(class_names.rename).",
  );
}

/** Whether a folder is no class. */
export function isDropped(folder: string, { drop }: ClassNameRules): boolean {
  return drop.includes(folder.normalize("NFC"));
}

/**
 * Refuses rules for folders that are not there.
 *
 * @throws {UserError} Names the key and the nearest folder.
 */
export function requireFolders(rules: ClassNameRules, { folders, name }: { folders: readonly string[]; name: string }) {
  const there = new Set(folders.map((folder) => folder.normalize("NFC")));
  for (const [key, keys] of [["rename", Object.keys(rules.rename)], ["drop", rules.drop]] as const) {
    const stray = keys.find((one) => !there.has(one));
    if (stray === undefined) continue;
    throw new UserError(
      `The data set description ${name} has ${
        JSON.stringify(stray)
      } in class_names.${key}, and there is no class folder ` +
        `of this name.${didYouMean(stray, there) || ` There are ${[...there].slice(0, 5).join(", ")}.`}`,
    );
  }
}

function nameByRules(folder: string, rules: ClassNameRules): string {
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
