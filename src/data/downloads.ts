/** The catalogue of what can be downloaded: CLIP weights and data sets, where they are and how they are recognised. */
import { didYouMean } from "../did_you_mean.ts";
import { UserError } from "../errors.ts";
import { sameName } from "./same_name.ts";
import catalogue from "../../data/catalogue.json" with { type: "json" };

/** A file of the catalogue. */
export interface CatalogueFile {
  /** Where it goes, below `data/`. */
  path: string;
  /** Length, where it is published. */
  bytes?: number;
  /** In lower-case hexadecimal, where it is published. */
  sha256?: string;
  /** Addresses, the official one first. */
  sources: readonly string[];
  /**
   * For tar archives, which are unpacked after the download, since they can only be read from beginning to end. This
   * prefix is removed from the names of entries, and entries without it are skipped.
   */
  unpack?: string;
  /** The same images in another archive, for when no source works. */
  instead?: CatalogueFile;
}

/** Something that `deno task download` knows by name. */
export interface CatalogueItem {
  /** As users write it: `ViT-B/16`, `eurosat`. */
  name: string;
  /** CLIP weights, or images. */
  kind: "model" | "dataset";
  /** A line for people. */
  title: string;
  /** The page of those who made it. */
  home: string;
  licence: string;
  citation: string;
  files: readonly CatalogueFile[];
  /** What has to be fetched by hand, in a sentence; for data sets that need an account. */
  byHand?: string;
}

interface Catalogue {
  /** Hosts that sources redirect to. */
  hosts: readonly string[];
  /** Models, then data sets. */
  items: readonly CatalogueItem[];
}

/** What `data/catalogue.json` holds. */
export const CATALOGUE: Catalogue = catalogue as Catalogue;

/** Hosts that a download may reach, sorted: those of all sources and those that they redirect to. */
export function catalogueHosts(catalogue: Catalogue = CATALOGUE): string[] {
  const sources = catalogue.items.flatMap(({ files }) =>
    files.flatMap(({ sources, instead }) => [...sources, ...instead?.sources ?? []])
  );
  return [...new Set([...sources.map((url) => new URL(url).host), ...catalogue.hosts])].sort();
}

/** The item of a name, in any case and punctuation; undefined when there is none. */
export function findItem(name: string): CatalogueItem | undefined {
  return CATALOGUE.items.find((item) => sameName(item.name, name));
}

/**
 * The item of a name, in any case and punctuation.
 *
 * @throws {UserError} When there is none of this name.
 */
export function requireItem(name: string): CatalogueItem {
  const item = findItem(name);
  if (item) return item;
  const names = CATALOGUE.items.map(({ name }) => name);
  throw new UserError(`There is no ${name} to download.${didYouMean(name, names)} Known are ${names.join(", ")}.`);
}
