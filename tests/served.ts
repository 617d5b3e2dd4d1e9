/** `serve` and `watch` as their tasks start them, for tests. */
import { request } from "node:http";
import { allowed, readTasks, resolveTask, ROOT } from "./tasks.ts";

/** A running server. */
export interface Served extends AsyncDisposable {
  port: number;
  /** What it printed. */
  line: string;
}

/** Starts it, on a free port unless `args` say which. Rejects with what it printed when it does not start. */
export async function served(
  args: readonly string[],
  { reads, task = "serve" }: { reads: string; task?: "serve" | "watch" },
): Promise<Served> {
  const tasks = readTasks();
  const net = allowed(resolveTask(tasks.find(({ name }) => name === task)!, tasks).command).get("net")!;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", `--allow-read=${reads}`, `--allow-net=${net}`, `${ROOT}recipes/${task}.ts`, "--port", "0", ...args],
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

/** A request as typed: browsers and `fetch` tidy paths, and set the host themselves. */
export function ask(port: number, path: string, { method = "GET", host }: { method?: string; host?: string } = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string; headers: Headers }>();
  const headers = host === undefined ? {} : { host };
  const sent = request({ host: "127.0.0.1", port, path, method, headers }, async (response) => {
    const text = (await response.toArray()).join("");
    resolve({ status: response.statusCode!, text, headers: new Headers(response.headers as Record<string, string>) });
  });
  sent.on("error", reject);
  sent.end();
  return promise;
}
