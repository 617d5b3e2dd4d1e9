/**
 * The reference material beside the repository (published fixtures, EuroSAT): too large to be part of it, so tests that
 * need it are skipped where it is missing, unless `CI_REQUIRE_SHARED=1` says that it has to be there.
 */
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../shared/", import.meta.url);

/** The path of a file of the reference material, `datasets/eurosat/few_shot.json` say. */
export function sharedPath(path: string): string {
  return fileURLToPath(new URL(path, ROOT));
}

/** A test that needs the reference material: skipped, with a line that says so, where it is missing. */
export function sharedTest(name: string, fn: (t: Deno.TestContext) => void | Promise<void>): void {
  if (isThere()) {
    Deno.test(name, fn);
  } else if (Deno.env.get("CI_REQUIRE_SHARED") === "1") {
    Deno.test(name, () => {
      throw new Error(`The reference material is missing: ${sharedPath("")}. CI_REQUIRE_SHARED=1 asks for it.`);
    });
  } else {
    Deno.test.ignore(`${name} (skipped: needs the reference material in ../shared)`, fn);
  }
}

/** Whether the reference material is beside the repository. */
export function isThere(): boolean {
  try {
    return Deno.statSync(new URL("README.md", ROOT)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
