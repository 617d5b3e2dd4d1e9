/** ONNX Runtime for browsers, for tests that write pages: fetched as users do, where it is not there yet. */
import { assertEquals } from "jsr:@std/assert@1.0.19";
import { ROOT } from "./tasks.ts";

/** Fetches it once. */
export async function ensureRuntime(): Promise<void> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "page:install", "--quiet"],
    cwd: ROOT,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
}
