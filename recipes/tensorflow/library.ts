/**
 * libtensorflow and its C headers, from wherever the user has them: the official archive (`.tar.gz`), TensorFlow's
 * Python wheel (`.whl`), or a folder that was unpacked from either.
 */
import { basename } from "node:path";
import { crc32 } from "node:zlib";
import { loadTar, loadZip } from "../../src/deps.ts";
import { UserError } from "../../src/errors.ts";
import { isThere } from "./packages.ts";
import { fetchBody } from "./fetch_body.ts";

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
 * Puts libtensorflow into `deps/lib` and its headers into `deps/include`.
 *
 * @param source an archive, a wheel, a folder, or an address of an archive or wheel
 * @param options `deps` is the folder to fill, `cache` where a download is kept until it is unpacked
 * @throws {UserError} When the source is missing, damaged, or holds no libtensorflow.
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
  if (await isThere(deps)) await Deno.remove(deps, { recursive: true });
  log(`Unpacking ${path}`);
  let count: number;
  try {
    if (info.isDirectory) count = await fromFolder(path, deps);
    else if (/\.(whl|zip)$/.test(path)) count = await fromWheel(path, deps);
    else if (/\.(tar\.gz|tgz)$/.test(path)) count = await fromTar(path, deps);
    else throw new UserError(`${path} is no libtensorflow: give a .tar.gz, a .whl or a folder.`);
  } catch (error) {
    if (error instanceof UserError || error instanceof Deno.errors.NotCapable) throw error;
    throw new UserError(`${path} is damaged or cut off (${(error as Error).message}): download it again.`, {
      cause: error,
    });
  }
  if (count === 0 || await librariesOf(deps) === undefined) {
    throw new UserError(`${path} holds no libtensorflow.so.2: give TensorFlow's C archive or its Python wheel.`);
  }
  if (path !== source) await Deno.remove(path);
}

/** What to link with, by the linker's names; undefined when a library is missing. */
export async function librariesOf(deps: string): Promise<string[] | undefined> {
  for (const name of ["libtensorflow_cc.so.2", "libtensorflow.so.2"]) {
    if (await isThere(`${deps}/lib/${name}`) && await isThere(`${deps}/lib/libtensorflow_framework.so.2`)) {
      return [name, "libtensorflow_framework.so.2"];
    }
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

async function fileAt(path: string): Promise<Deno.FsFile> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  return await Deno.create(path);
}

async function fromTar(path: string, deps: string): Promise<number> {
  const { createTarDecoder } = await loadTar();
  const file = await Deno.open(path, { read: true });
  let count = 0;
  const entries = file.readable.pipeThrough(new DecompressionStream("gzip")).pipeThrough(createTarDecoder());
  for await (const { header, body } of entries) {
    // Its libraries are there once as files; the other names are links.
    const to = (header.type ?? "file") === "file" ? destination(header.name) : undefined;
    if (to === undefined) {
      await body.cancel();
      continue;
    }
    await body.pipeTo((await fileAt(`${deps}/${to}`)).writable);
    count++;
  }
  return count;
}

async function fromWheel(path: string, deps: string): Promise<number> {
  const zip = await loadZip();
  using file = await Deno.open(path, { read: true });
  const size = (await file.stat()).size;
  const reader = {
    size,
    initialized: true,
    init() {},
    async readUint8Array(index: number, length: number) {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - index)));
      await file.seek(index, Deno.SeekMode.Start);
      let filled = 0;
      while (filled < bytes.length) filled += await file.read(bytes.subarray(filled)) ?? bytes.length;
      return bytes;
    },
  };
  let count = 0;
  const archive = new zip.ZipReader(reader as unknown as ConstructorParameters<typeof zip.ZipReader>[0]);
  for await (const entry of archive.getEntriesGenerator()) {
    const to = entry.directory ? undefined : destination(entry.filename);
    if (to === undefined) continue;
    // The local header repeats the name, and has extra fields of its own.
    const header = new DataView((await reader.readUint8Array(entry.offset, 30)).buffer);
    await file.seek(entry.offset + 30 + header.getUint16(26, true) + header.getUint16(28, true), Deno.SeekMode.Start);
    const stored = part(file, entry.compressedSize);
    const bytes = entry.compressionMethod === 8 ? stored.pipeThrough(new DecompressionStream("deflate-raw")) : stored;
    let checksum = 0;
    const checked = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        checksum = crc32(chunk, checksum);
        controller.enqueue(chunk);
      },
    });
    await bytes.pipeThrough(checked).pipeTo((await fileAt(`${deps}/${to}`)).writable);
    if (checksum !== ((entry.crc32 ?? 0) >>> 0)) throw new Error(`${entry.filename} has a wrong checksum`);
    count++;
  }
  return count;
}

/** The next `size` bytes of a file. */
function part(file: Deno.FsFile, size: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = size;
  return new ReadableStream({
    async pull(controller) {
      const buffer = new Uint8Array(Math.min(1 << 20, left));
      const count = left === 0 ? null : await file.read(buffer);
      if (count === null) return left === 0 ? controller.close() : controller.error(new Error("it ends early"));
      left -= count;
      controller.enqueue(buffer.subarray(0, count));
    },
  });
}

async function fromFolder(path: string, deps: string): Promise<number> {
  let count = 0;
  async function visit(folder: string): Promise<void> {
    for await (const { name } of Deno.readDir(folder)) {
      const from = `${folder}/${name}`;
      const { isDirectory } = await Deno.stat(from);
      if (isDirectory) {
        await visit(from);
        continue;
      }
      const to = destination(from);
      if (to === undefined || await isThere(`${deps}/${to}`)) continue;
      (await fileAt(`${deps}/${to}`)).close();
      await linkOrCopy(from, `${deps}/${to}`);
      count++;
    }
  }
  await visit(path.replace(/\/$/, ""));
  return count;
}

/** The libraries are most of a gigabyte: a second engine shares the first one's where the disk is the same. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  await Deno.remove(to);
  try {
    await Deno.link(await Deno.realPath(from), to);
  } catch {
    await Deno.copyFile(from, to);
  }
}
