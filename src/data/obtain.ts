/** Gets everything that belongs to an item of the catalogue: from its sources, or from what the user has. */
import { basename, dirname, extname, join } from "node:path";
import { UserError } from "../errors.ts";
import {
  fileError,
  infoOf,
  MOST_TEXT_BYTES,
  readIfThere,
  sha256Hex,
  throwFileError,
  writeFileAtomic,
} from "../files.ts";
import { downloadFile, type DownloadOptions, fileProblem, takeFile } from "./download.ts";
import { type CatalogueFile, catalogueHosts, type CatalogueItem } from "./downloads.ts";
import { unpackTar } from "./unpack.ts";

interface ObtainOptions extends Pick<DownloadOptions, "hosts" | "say"> {
  /** The folder that holds all downloads: `data`. */
  folder: string;
  /** A file, a folder or an address that the user has; taken for the file of the item that has its name. */
  source?: string;
  /** Called with the progress of a step, in bytes. */
  onProgress?: (what: string, count: { done: number; total?: number }) => void;
}

/** A file that is there now. */
interface ObtainedFile {
  /** The file, or the folder that an archive was unpacked into. */
  path: string;
  /** Of the file, or of the archive that was unpacked. */
  sha256: string;
  /** Whether the hash is the published one; false when none is published. */
  isVerified: boolean;
  wasThere: boolean;
}

/**
 * Gets the files of an item, and says what is there now, in the catalogue's order.
 *
 * @throws {UserError} When a file cannot be got or differs from the published one, or another process is getting it.
 */
export async function obtainItem(item: CatalogueItem, options: ObtainOptions): Promise<ObtainedFile[]> {
  const given = options.source === undefined ? new Map<string, string>() : await matchSource(item, options.source);
  using _lock = await lockItem(item, options.folder);
  const obtained = new Map<CatalogueFile, ObtainedFile>();
  // What the user has comes first, so that it is taken also when the network fails.
  for (const file of item.files.toSorted((a, b) => Number(given.has(b.path)) - Number(given.has(a.path)))) {
    obtained.set(file, await obtainFile(file, { ...options, given: given.get(file.path) }));
  }
  return item.files.map((file) => obtained.get(file)!);
}

async function obtainFile(file: CatalogueFile, options: ObtainOptions & { given?: string }): Promise<ObtainedFile> {
  const { folder, given, say } = options;
  const target = join(folder, file.path);
  const unpacked = file.unpack === undefined ? undefined : await readMarker(target);
  if (unpacked) return { path: dirname(target), ...unpacked, wasThere: true };
  if (given === undefined && file.instead) {
    const there = join(folder, file.instead.path);
    if (await fileProblem(there, file.instead) === undefined) return await describe(there, file.instead, true);
  }
  let isNew: boolean;
  try {
    isNew = await getFile(file, { ...options, target });
  } catch (error) {
    if (!(error instanceof UserError) || !file.instead || given !== undefined) throw error;
    say?.(`${error.message.split(" (")[0]}: taking ${basename(file.instead.path)} instead`);
    return await obtainFile(file.instead, options);
  }
  const described = await describe(target, file, !isNew);
  if (file.unpack === undefined) return described;
  const onProgress = (count: { done: number; total: number }) =>
    options.onProgress?.(`unpacking ${basename(target)}`, count);
  const files = await unpackTar(target, { prefix: file.unpack, onProgress });
  const { sha256, isVerified } = described;
  await writeFileAtomic(markerOf(target), `${JSON.stringify({ sha256, isVerified, files })}\n`);
  await Deno.remove(target);
  return { ...described, path: dirname(target), wasThere: false };
}

async function getFile(
  file: CatalogueFile,
  options: ObtainOptions & { given?: string; target: string },
): Promise<boolean> {
  const { given, target, hosts = catalogueHosts(), say } = options;
  const { bytes, sha256, sources } = file;
  const onProgress = (count: { done: number; total?: number }) =>
    options.onProgress?.(`getting ${basename(target)}`, count);
  if (given === undefined || isAddress(given)) {
    const from = given === undefined ? { sources, hosts } : { sources: [given] };
    return await downloadFile({ target, bytes, sha256, ...from, say, onProgress });
  }
  await takeFile(given, { target, bytes, sha256, onProgress });
  return true;
}

async function describe(path: string, { sha256 }: CatalogueFile, wasThere: boolean): Promise<ObtainedFile> {
  return { path, sha256: sha256 ?? await sha256Hex(path), isVerified: sha256 !== undefined, wasThere };
}

/** Which file of the item the user's source stands for: the one of the same name, or else the only one of its kind. */
async function matchSource(item: CatalogueItem, source: string): Promise<Map<string, string>> {
  const isBelow = isAddress(source) ? source.endsWith("/") : await isFolder(source);
  const names = item.files.map(({ path }) => basename(path));
  if (isBelow) {
    const matched = new Map<string, string>();
    for (const { path } of item.files) {
      const at = isAddress(source) ? source + basename(path) : join(source, basename(path));
      if (isAddress(source) || (await infoOf(at, "the source"))?.isFile) matched.set(path, at);
    }
    if (matched.size > 0) return matched;
    throw new UserError(`The folder ${source} has none of the files of ${item.name}: ${names.join(", ")}.`);
  }
  const name = isAddress(source) ? basename(new URL(source).pathname) : basename(source);
  const alike = item.files.filter(({ path }) => basename(path).toLowerCase() === name.toLowerCase());
  const sameKind = item.files.filter(({ path }) => extname(path) === extname(name));
  const only = [alike, sameKind, item.files].find((files) => files.length === 1);
  if (only) return new Map([[only[0].path, source]]);
  throw new UserError(
    `It is not clear which file of ${item.name} --source ${source} is: call it ${names.join(" or ")}.`,
  );
}

/** Throws {@linkcode UserError} for an address that cannot be one. */
function isAddress(source: string): boolean {
  if (!/^https?:\/\//i.test(source)) return false;
  if (URL.canParse(source)) return true;
  throw new UserError(`${source} is no address that can be: check host and port.`);
}

async function isFolder(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(throwFileError(path, "read", "the source"))).isDirectory;
}

function markerOf(target: string): string {
  return `${target}.unpacked`;
}

async function readMarker(target: string): Promise<{ sha256: string; isVerified: boolean } | undefined> {
  const bytes = await readIfThere(markerOf(target), "the note", MOST_TEXT_BYTES);
  if (bytes === undefined) return undefined;
  try {
    const { sha256, isVerified } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sha256 === "string" ? { sha256, isVerified: isVerified === true } : undefined;
  } catch {
    return undefined;
  }
}

/** The operating system holds the lock and drops it with the process. */
async function lockItem(item: CatalogueItem, folder: string): Promise<Disposable> {
  const target = join(folder, item.files[0].path);
  const path = join(dirname(target), `.${basename(target)}.lock`);
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    const file = await Deno.open(path, { write: true, create: true });
    if (await file.tryLock(true)) return { [Symbol.dispose]: () => file.close() };
    file.close();
  } catch (error) {
    throw fileError(error, path, "write", "the lock");
  }
  throw new UserError(`Another process is getting ${item.name} right now: wait for it to end.`);
}
