/** A new folder for a test, which is gone afterwards. */
export async function inTempFolder(body: (folder: string) => Promise<void>): Promise<void> {
  // As it is without links, which a system may have in front of its own folder for such.
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "clip-prompts-" }));
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
