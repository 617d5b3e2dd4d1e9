/** `serve` as its task starts it, for tests. */
import { allowed, readTasks, resolveTask, ROOT } from "./tasks.ts";

/** A running server. */
export interface Served extends AsyncDisposable {
  port: number;
  /** What it printed. */
  line: string;
}

/** Starts it, on a free port unless `args` say which. Rejects with what it printed when it does not start. */
export async function served(args: readonly string[], { reads }: { reads: string }): Promise<Served> {
  const tasks = readTasks();
  const net = allowed(resolveTask(tasks.find(({ name }) => name === "serve")!, tasks).command).get("net")!;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", `--allow-read=${reads}`, `--allow-net=${net}`, `${ROOT}recipes/serve.ts`, "--port", "0", ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let line = "";
  const lines = child.stdout.pipeThrough(new TextDecoderStream());
  for await (const text of lines.values({ preventCancel: true })) {
    line += text;
    if (line.endsWith("\n")) break;
  }
  const [, port] = /:(\d+)\/ \(Ctrl-C/.exec(line) ?? [];
  if (port === undefined) throw new Error(await new Response(child.stderr).text());
  return {
    port: Number(port),
    line: line.trimEnd(),
    async [Symbol.asyncDispose]() {
      child.kill();
      await Promise.all([lines.cancel(), child.stderr.cancel(), child.status]);
    },
  };
}
