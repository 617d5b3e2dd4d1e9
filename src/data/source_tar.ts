import { loadTar } from "../deps.ts";
import { UserError } from "../errors.ts";
import { fileError } from "../files.ts";
import { compareCodePoints } from "./code_points.ts";
import { isImagePath, pathProblem } from "./paths.ts";
import type { ImageSource } from "./source.ts";

/** What an archive may hold in memory; larger ones are to be unpacked by the user. */
const MOST_BYTES = 2 ** 31;

/**
 * The images of a tar or tar.gz archive. Such an archive can only be read from its beginning to its end, so it is read
 * once and its images stay in memory.
 *
 * @throws {UserError} When the archive is damaged or cut off, holds over 2 GiB, or any entry is a link or
 * leads out of the archive.
 */
export async function openTar(path: string, options: { gzip: boolean }): Promise<ImageSource> {
  const images = await readImages(path, options);
  const paths = [...images.keys()].sort(compareCodePoints);
  return {
    count: paths.length,
    paths,
    describe: `${path} (${options.gzip ? "tar.gz" : "tar"} archive)`,
    has: (name) => images.has(name),
    read(name) {
      const bytes = images.get(name);
      if (bytes) return Promise.resolve(bytes);
      return Promise.reject(new UserError(`The archive ${path} has no image ${name}: check the split file.`));
    },
    close: () => Promise.resolve(images.clear()),
  };
}

async function readImages(path: string, { gzip }: { gzip: boolean }): Promise<Map<string, Uint8Array>> {
  const { createTarDecoder } = await loadTar();
  const images = new Map<string, Uint8Array>();
  const file = await Deno.open(path, { read: true });
  const bytes = gzip ? file.readable.pipeThrough(new DecompressionStream("gzip")) : file.readable;
  let held = 0;
  try {
    for await (const { header, body } of bytes.pipeThrough(createTarDecoder({ strict: true }))) {
      const name = header.name.replace(/^(\.\/)+/, "");
      const problem = entryProblem(header.type ?? "file", name);
      if (problem) {
        throw new UserError(
          `The archive ${path} is refused, its entry ${JSON.stringify(name)} ${problem}: get it anew.`,
        );
      }
      held += header.size;
      if (held > MOST_BYTES) {
        throw new UserError(
          `The archive ${path} holds over 2 GiB: unpack it and give the folder with --data.`,
        );
      }
      if (header.type !== "file" || !isImagePath(name)) {
        await body.cancel();
        continue;
      }
      const image = new Uint8Array(await new Response(body).arrayBuffer());
      if (image.length !== header.size) throw new Error(`${name} is cut off`);
      images.set(name, image);
    }
  } catch (error) {
    const told = fileError(error, path, "read", "the archive");
    if (told instanceof UserError) throw told;
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`The archive ${path} is damaged or cut off (${reason}): get it anew.`);
  }
  return images;
}

function entryProblem(type: string, name: string): string | undefined {
  if (type === "symlink" || type === "link") return "is a link";
  if (type.endsWith("-device") || type === "fifo") return "is a device";
  if (type === "directory" && (name === "" || name === ".")) return undefined;
  return pathProblem(name);
}
