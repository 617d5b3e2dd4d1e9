/** Files of a tar.gz archive that streams by. */
import { dirname } from "node:path";
import { loadTar } from "../../src/deps.ts";

/** Creates a file, and its folder where that is missing. */
export async function createFile(path: string): Promise<Deno.FsFile> {
  await Deno.mkdir(dirname(path), { recursive: true });
  return await Deno.create(path);
}

/** Writes entries to where `destination` says, and skips the others. Gives back how many were written. */
export async function unpackTar(
  archive: ReadableStream<Uint8Array<ArrayBuffer>>,
  destination: (header: { name: string; type?: string }) => string | undefined,
): Promise<number> {
  const { createTarDecoder } = await loadTar();
  const entries = archive.pipeThrough(new DecompressionStream("gzip")).pipeThrough(createTarDecoder());
  let count = 0;
  for await (const { header, body } of entries) {
    const path = destination(header);
    if (path === undefined) {
      await body.cancel();
      continue;
    }
    await body.pipeTo((await createFile(path)).writable);
    count++;
  }
  return count;
}
