import { loadTar, loadZip } from "../../src/deps.ts";

/** Bytes that tell files of different names apart. */
export function content(name: string): Uint8Array {
  return new TextEncoder().encode(`the bytes of ${name} `.repeat(20));
}

/** Runs a test in a folder of its own, removed at the end. */
export async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A file of an archive; its bytes are those of {@linkcode content} when not given. */
export interface ZipEntry {
  name: string;
  data?: Uint8Array;
  options?: Record<string, unknown>;
}

/** The bytes of a zip archive. */
export async function zipOf(entries: ZipEntry[]): Promise<Uint8Array> {
  const zip = await loadZip();
  const writer = new zip.ZipWriter(new zip.Uint8ArrayWriter());
  for (const { name, data = content(name), options } of entries) {
    await writer.add(name, new zip.Uint8ArrayReader(data), { useWebWorkers: false, ...options });
  }
  return await writer.close();
}

/** The files of a tar archive. */
export type TarEntries = Parameters<Awaited<ReturnType<typeof loadTar>>["packTar"]>[0];

/** The bytes of a tar archive. */
export async function tarOf(entries: TarEntries): Promise<Uint8Array> {
  return await (await loadTar()).packTar(entries);
}
