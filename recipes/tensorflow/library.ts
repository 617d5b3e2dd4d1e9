/**
 * libtensorflow and its C headers, from wherever the user has them: the official archive (`.tar.gz`), TensorFlow's
 * Python wheel (`.whl`), or a folder that was unpacked from either.
 */
import { basename, dirname } from "node:path";
import { loadZip } from "../../src/deps.ts";
import { messageOf, UserError } from "../../src/errors.ts";
import { infoOf, removeIfThere } from "../../src/files.ts";
import { fetchBody } from "./fetch_body.ts";
import { createFile, unpackTar } from "./unpack_tar.ts";

/** libtensorflow's version that tfjs-node 4.22.0 names in its own install script. */
export const LIBTENSORFLOW_VERSION = "2.9.1";

/** Where libtensorflow comes from, by default, and what its own install script reads. */
const HOST = "https://storage.googleapis.com/";

/**
 * The address of the official archive, or of a mirror: `TFJS_NODE_BASE_URI` is all but the end of the address,
 * `TFJS_NODE_CDN_STORAGE` only the host; both as in tfjs-node's install script.
 */
export function libraryAddress(kind: "cpu" | "gpu", env: (name: string) => string | undefined): string {
  const host = env("TFJS_NODE_CDN_STORAGE") ?? env("npm_config_TFJS_NODE_CDN_STORAGE") ?? HOST;
  const base = env("TFJS_NODE_BASE_URI") ?? env("npm_config_TFJS_NODE_BASE_URI") ??
    `${host}tensorflow/libtensorflow/libtensorflow-`;
  return `${base}${kind}-linux-x86_64-${LIBTENSORFLOW_VERSION}.tar.gz`;
}

/** Where a file of the archive belongs: a library by the name that the linker asks for, a header below `include`. */
export function destination(path: string): string | undefined {
  const library = /(?:^|\/)(libtensorflow(?:_cc|_framework)?\.so\.2)(?:[.\d]*)$/.exec(path);
  if (library !== null) return `lib/${library[1]}`;
  // Headers of a wheel that the addon does not include are tens of megabytes.
  const header = /(?:^|\/)include\/((?:tensorflow\/(?:c|core\/platform|tsl)|tsl|xla\/tsl)\/.*\.h)$/.exec(path);
  return header === null ? undefined : `include/${header[1]}`;
}

/**
 * Puts libtensorflow into `deps/lib` and its headers into `deps/include`, from an archive, a wheel, a folder, or an
 * address of an archive or wheel; a download is kept in `cache` until it is unpacked. Throws {@linkcode UserError} when
 * the source is missing, damaged, or holds no libtensorflow.
 */
export async function installLibrary(
  source: string,
  options: { deps: string; cache: string; log: (line: string) => void },
): Promise<void> {
  const { deps, cache, log } = options;
  let path = source;
  if (/^https?:/.test(source)) path = await download(source, { cache, log });
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new UserError(`This task may read data and .cache, not ${path}: put libtensorflow into .cache first.`);
    }
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError(
      `There is no libtensorflow at ${path}: give its archive, wheel or folder with --libtensorflow.`,
    );
  }
  await removeIfThere(deps);
  log(`Unpacking ${path}`);
  try {
    if (info.isDirectory) await fromFolder(path, deps);
    else if (/\.(whl|zip)$/.test(path)) await fromWheel(path, deps);
    else if (/\.(tar\.gz|tgz)$/.test(path)) await fromTar(path, deps);
    else throw new UserError(`${path} is no libtensorflow: give a .tar.gz, a .whl or a folder.`);
  } catch (error) {
    if (error instanceof UserError || error instanceof Deno.errors.NotCapable) throw error;
    throw new UserError(`${path} is damaged or cut off (${messageOf(error)}): download it again.`, { cause: error });
  }
  if (await librariesOf(deps) === undefined) {
    throw new UserError(`${path} holds no libtensorflow.so.2: give TensorFlow's C archive or its Python wheel.`);
  }
  if (path !== source) await Deno.remove(path);
}

/** What to link with, by the linker's names; undefined when a library is missing. */
export async function librariesOf(deps: string): Promise<string[] | undefined> {
  for (const name of ["libtensorflow_cc.so.2", "libtensorflow.so.2"]) {
    const libraries = [name, "libtensorflow_framework.so.2"];
    const found = await Promise.all(libraries.map((library) => infoOf(`${deps}/lib/${library}`)));
    if (found.every((info) => info !== undefined)) return libraries;
  }
  return undefined;
}

async function download(address: string, options: { cache: string; log: (line: string) => void }): Promise<string> {
  const { cache, log } = options;
  const to = `${cache}/${basename(new URL(address).pathname)}`;
  log(`Downloading ${address}`);
  const failed = (why: string) =>
    new UserError(
      `libtensorflow cannot be downloaded from ${address} (${why}): download it elsewhere and give it with --libtensorflow FILE.`,
    );
  const { body, headers } = await fetchBody(address, failed);
  await Deno.mkdir(cache, { recursive: true });
  const partial = `${to}.partial`;
  const wanted = Number(headers.get("content-length") ?? NaN);
  await body.pipeTo((await Deno.create(partial)).writable);
  const { size } = await Deno.stat(partial);
  if (Number.isFinite(wanted) && size !== wanted && headers.get("content-encoding") === null) {
    throw failed(`${size} of ${wanted} bytes arrived`);
  }
  await Deno.rename(partial, to);
  return to;
}

async function fromTar(path: string, deps: string): Promise<void> {
  const { readable } = await Deno.open(path, { read: true });
  await unpackTar(readable, ({ name, type = "file" }) => {
    // Its libraries are there once as files; the other names are links.
    const to = type === "file" ? destination(name) : undefined;
    return to && `${deps}/${to}`;
  });
}

async function fromWheel(path: string, deps: string): Promise<void> {
  const { Reader, ZipReader } = await loadZip();
  using file = await Deno.open(path, { read: true });
  const reader = Object.assign(new Reader(file), {
    size: (await file.stat()).size,
    async readUint8Array(index: number, length: number) {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, reader.size - index)));
      await file.seek(index, Deno.SeekMode.Start);
      let filled = 0;
      while (filled < bytes.length) filled += await file.read(bytes.subarray(filled)) ?? bytes.length;
      return bytes;
    },
  });
  const archive = new ZipReader(reader);
  for await (const entry of archive.getEntriesGenerator()) {
    const to = entry.directory ? undefined : destination(entry.filename);
    if (entry.directory || to === undefined) continue;
    const { writable } = await createFile(`${deps}/${to}`);
    await entry.getData(writable, { checkSignature: true, useWebWorkers: false });
  }
}

async function fromFolder(folder: string, deps: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    const from = `${folder}/${name}`;
    const to = destination(from);
    if ((await Deno.stat(from)).isDirectory) await fromFolder(from, deps);
    else if (to !== undefined && await infoOf(`${deps}/${to}`) === undefined) await linkOrCopy(from, `${deps}/${to}`);
  }
}

/** The libraries are most of a gigabyte: a second engine shares the first one's where the disk is the same. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  await Deno.mkdir(dirname(to), { recursive: true });
  try {
    await Deno.link(await Deno.realPath(from), to);
  } catch {
    await Deno.copyFile(from, to);
  }
}
