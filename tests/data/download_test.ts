import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { downloadFile, type DownloadOptions, redirected, takeFile } from "../../src/data/download.ts";
import { UserError } from "../../src/errors.ts";
import { sha256Hex } from "../../src/files.ts";
import { type Behaviour, cutAfter, serve, wellBehaved } from "../loopback.ts";

const BYTES = Uint8Array.from({ length: 300_000 }, (_, i) => i * 7919 >> 3);
const SHA256 = await sha256Hex(BYTES);
const WRONG = BYTES.map((byte) => byte ^ 1);

type Case = Partial<DownloadOptions> & { target: string; sources: string[]; said: string[] };

/** Runs with servers of given behaviours and an empty folder, and gives what their requests asked for. */
async function withServers(
  behaviours: Behaviour[],
  body: (
    given: Case & {
      folder: string;
      ranges: (string | null)[][];
      run(more?: Partial<DownloadOptions>): Promise<boolean>;
    },
  ) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const servers = behaviours.map(serve);
  const target = join(folder, "deep/file.bin");
  const sources = servers.map(({ url }) => `${url}/file.bin`);
  const said: string[] = [];
  const run = (more: Partial<DownloadOptions> = {}) =>
    downloadFile({ target, sources, pauseSeconds: 0.001, stallSeconds: 5, say: (line) => said.push(line), ...more });
  try {
    await body({ folder, target, sources, said, ranges: servers.map(({ ranges }) => ranges), run });
  } finally {
    for (const server of servers) await server.close();
    await Deno.remove(folder, { recursive: true });
  }
}

async function names(target: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(join(target, "..")))).map(({ name }) => name).sort();
}

const known = { bytes: BYTES.length, sha256: SHA256 };

Deno.test("a file is downloaded, checked, put in place, and not downloaded again", () =>
  withServers([wellBehaved(BYTES)], async ({ target, ranges, run }) => {
    const counts: number[] = [];
    assertEquals(await run({ ...known, onProgress: ({ done }) => counts.push(done) }), true);
    assertEquals(await sha256Hex(target), SHA256);
    assertEquals(counts.at(-1), BYTES.length);
    assertEquals(await names(target), ["file.bin"]);
    assertEquals(await run(known), false);
    assertEquals(ranges[0], [null]);
  }));

Deno.test("a connection that is cut goes on where it was", () =>
  withServers([
    (request, count) =>
      (count < 3 ? cutAfter(70_000, BYTES, { etag: '"1"' }) : wellBehaved(BYTES, { etag: '"1"' }))(request, count),
  ], async ({ target, ranges, run }) => {
    assertEquals(await run(), true);
    assertEquals(await sha256Hex(target), SHA256);
    assertEquals(ranges[0], [null, "bytes=70000-", "bytes=140000-", "bytes=210000-"]);
  }));

Deno.test("what a killed download left is continued by the next one, also from another source", () =>
  withServers([wellBehaved(BYTES)], async ({ target, ranges, run }) => {
    await Deno.mkdir(join(target, ".."));
    await Deno.writeFile(`${target}.partial`, BYTES.subarray(0, 123_456));
    assertEquals(await run(known), true);
    assertEquals(ranges[0], ["bytes=123456-"]);
    assertEquals(await sha256Hex(target), SHA256);
  }));

Deno.test("without a published hash a part is continued only at its own source, unchanged", () =>
  withServers([wellBehaved(BYTES, { etag: '"new"' })], async ({ target, sources, said, ranges, run }) => {
    await Deno.mkdir(join(target, ".."));
    const leave = async (origin: unknown) => {
      await Deno.writeFile(`${target}.partial`, WRONG.subarray(0, 1000));
      await Deno.writeTextFile(`${target}.partial.json`, JSON.stringify(origin));
      await Deno.remove(target).catch(() => {});
    };
    await leave({ url: "http://127.0.0.1/other", validator: '"new"' });
    await run();
    assertEquals([ranges[0].at(-1), await sha256Hex(target)], [null, SHA256]);
    await leave({ url: sources[0], validator: '"old"' });
    await run();
    assertEquals([ranges[0].at(-1), await sha256Hex(target)], ["bytes=1000-", SHA256]);
    assertStringIncludes(said.join(), "starting over");
    assertEquals(await names(target), ["file.bin"]);
  }));

Deno.test("a source without ranges starts over and still ends whole", () =>
  withServers([() => new Response(BYTES)], async ({ target, ranges, run }) => {
    await Deno.mkdir(join(target, ".."));
    await Deno.writeFile(`${target}.partial`, WRONG.subarray(0, 1000));
    assertEquals(await run(known), true);
    assertEquals([ranges[0], await sha256Hex(target)], [["bytes=1000-"], SHA256]);
  }));

Deno.test("a part with wrong bytes is found out, and the same source is asked once more for all", () =>
  withServers([wellBehaved(BYTES)], async ({ target, ranges, run }) => {
    await Deno.mkdir(join(target, ".."));
    await Deno.writeFile(`${target}.partial`, WRONG.subarray(0, 1000));
    assertEquals(await run(known), true);
    assertEquals([ranges[0], await sha256Hex(target)], [["bytes=1000-", null], SHA256]);
  }));

Deno.test("wrong bytes are removed and the next source is taken", () =>
  withServers([wellBehaved(WRONG), wellBehaved(BYTES)], async ({ target, said, ranges, run }) => {
    assertEquals(await run(known), true);
    assertEquals([ranges[0].length, ranges[1]], [1, [null]]);
    assertStringIncludes(said[0], "has the sha256");
    assertEquals(await names(target), ["file.bin"]);
  }));

Deno.test("wrong bytes from the only source leave nothing behind, and the reason is told", () =>
  withServers([wellBehaved(WRONG)], async ({ target, run }) => {
    const error = await assertRejects(() => run(known), UserError);
    assertStringIncludes(error.message, `and not ${SHA256}`);
    assertStringIncludes(error.message, "--source FILE");
    assertEquals(await names(target), []);
  }));

const hopeless: [string, Behaviour, string][] = [
  ["404", () => new Response("no", { status: 404 }), "it answers 404"],
  ["403", () => new Response("no", { status: 403 }), "it answers 403"],
  [
    "a web page",
    () => new Response("<html>", { headers: { "content-type": "text/html; charset=utf-8" } }),
    "a web page",
  ],
  ["another size", wellBehaved(BYTES.subarray(1)), "has 299999 bytes and not 300000"],
  ["a circle of redirects", () => new Response(null, { status: 302, headers: { location: "/again" } }), "in a circle"],
  [
    "a redirect to a file of this machine",
    () => new Response(null, { status: 301, headers: { location: "file:///etc/passwd" } }),
    "leads to file:",
  ],
];
for (const [what, behaviour, reason] of hopeless) {
  Deno.test(`a source that gives ${what} makes way for the next one`, () =>
    withServers([behaviour, wellBehaved(BYTES)], async ({ target, said, run }) => {
      assertEquals(await run(known), true);
      assertStringIncludes(said[0], reason);
      assertEquals(await sha256Hex(target), SHA256);
    }));
}

Deno.test("a source that is busy is asked again, and given up after four times", () =>
  withServers([
    (request, count) => count < 2 ? new Response("busy", { status: 503 }) : wellBehaved(BYTES)(request, count),
    () => new Response("broken", { status: 500 }),
  ], async ({ sources, target, ranges, run }) => {
    assertEquals(await run(known), true);
    assertEquals(ranges[0].length, 3);
    await Deno.remove(target);
    await assertRejects(() => run({ ...known, sources: [sources[1]] }), UserError, "it answers 500");
    assertEquals(ranges[1].length, 4);
  }));

Deno.test("a source that falls silent is given up, and what has come is kept for the next one", () =>
  withServers([
    (request, count) => cutAfter(count === 0 ? 70_000 : 0, BYTES, { stall: true })(request, count),
    wellBehaved(BYTES),
  ], async ({ said, ranges, run }) => {
    assertEquals(await run({ ...known, stallSeconds: 0.15 }), true);
    assertStringIncludes(said.join("\n"), "no byte in 0.15 seconds");
    assert(Number(/\d+/.exec(ranges[1][0]!)![0]) >= 70_000);
  }));

Deno.test("redirects are followed to hosts of the catalogue alone", () =>
  withServers([wellBehaved(BYTES)], async ({ sources, target, run }) => {
    const host = new URL(sources[0]).host;
    const hop = serve((request) => {
      const to = new URL(request.url).searchParams.get("to");
      return new Response(null, { status: 307, headers: { location: to ?? "/?to=" + encodeURIComponent(sources[0]) } });
    });
    try {
      const hopHost = new URL(hop.url).host;
      await assertRejects(
        () => run({ ...known, sources: [hop.url], hosts: [hopHost] }),
        UserError,
        `leads to ${host}, which is not among the hosts`,
      );
      assertEquals(await run({ ...known, sources: [hop.url], hosts: [hopHost, host] }), true);
      assertEquals(await sha256Hex(target), SHA256);
    } finally {
      await hop.close();
    }
  }));

Deno.test("a source that cannot be reached makes way for the next one", () =>
  withServers([wellBehaved(BYTES)], async ({ sources, run }) => {
    const gone = serve(() => new Response("x"));
    await gone.close();
    assertEquals(await run({ ...known, sources: [gone.url, ...sources] }), true);
  }));

Deno.test("a part that is longer than the file is dropped", () =>
  withServers([wellBehaved(BYTES)], async ({ target, run }) => {
    await Deno.mkdir(join(target, ".."));
    await Deno.writeFile(`${target}.partial`, new Uint8Array(BYTES.length + 5));
    assertEquals(await run(known), true);
    assertEquals(await sha256Hex(target), SHA256);
  }));

Deno.test("where no hash is published, the kind of the file is looked at", () =>
  withServers(
    [wellBehaved(new TextEncoder().encode('{"train": [')), wellBehaved(new TextEncoder().encode("{}"))],
    async ({ folder, sources, said, run }) => {
      const target = join(folder, "split.json");
      assertEquals(await run({ target }), true);
      assertStringIncludes(said[0], "is no JSON");
      assertEquals(await Deno.readTextFile(target), "{}");
      for (const name of ["a.zip", "a.tar.gz"]) {
        await assertRejects(() => run({ target: join(folder, name), sources }), UserError, "archive");
      }
    },
  ));

Deno.test("a file that is there but is another one is replaced only when the right one has come", () =>
  withServers([wellBehaved(WRONG), wellBehaved(BYTES)], async ({ target, sources, said, run }) => {
    await Deno.mkdir(join(target, ".."));
    await Deno.writeTextFile(target, "the user's own");
    await assertRejects(() => run({ ...known, sources: [sources[0]] }), UserError);
    assertEquals(await Deno.readTextFile(target), "the user's own");
    assertEquals(await run(known), true);
    assertStringIncludes(said[0], "is there, but has 14 bytes");
    assertEquals(await sha256Hex(target), SHA256);
  }));

Deno.test("a file that the user has is taken when it is the published one", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const source = join(folder, "stick.bin");
    const target = join(folder, "models/file.bin");
    await assertRejects(() => takeFile(source, { target, ...known }), UserError, "does not exist");
    await Deno.writeFile(source, WRONG);
    await assertRejects(() => takeFile(source, { target, ...known }), UserError, "Give the published file");
    await Deno.writeFile(source, BYTES);
    await takeFile(source, { target, ...known });
    assertEquals([await sha256Hex(target), await names(target)], [SHA256, ["file.bin"]]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a redirect from https to http is refused, and one to no address; others are followed", () => {
  const to = (from: string, location: string) => redirected(new URL(from), location).href;
  assertThrows(
    () => to("https://a.example/x", "http://b.example/x"),
    Error,
    "it leads from https to http, to b.example, where anyone on the way can change what comes",
  );
  assertThrows(() => to("https://a.example/x", "http://["), Error, "it leads to an address that can be none");
  assertThrows(() => to("https://a.example/x", "data:,x"), Error, "it leads to data:");
  assertEquals(to("https://a.example/x/y", "../z"), "https://a.example/z");
  assertEquals(to("http://a.example/x", "https://b.example/"), "https://b.example/");
  assertEquals(to("http://a.example/x", "http://[::1]:80/y"), "http://[::1]/y");
});

Deno.test("headers that come one by one without an end are waited for no longer than a silence", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let open = 0;
  const served = (async () => {
    for await (const connection of listener) {
      open++;
      const write = (text: string) => connection.write(new TextEncoder().encode(text));
      (async () => {
        await write("HTTP/1.1 200 OK\r\n");
        for (let i = 0;; i++) {
          await write(`x-${i}: 1\r\n`);
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      })().catch(() => connection.close());
    }
  })();
  await withServers([wellBehaved(BYTES)], async ({ sources, said, target, run }) => {
    const slow = `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/file.bin`;
    assertEquals(await run({ ...known, sources: [slow, ...sources], stallSeconds: 0.2 }), true);
    assertStringIncludes(said.join("\n"), "does not give file.bin: no byte in 0.2 seconds");
    assertEquals([open, await sha256Hex(target)], [4, SHA256]);
  });
  listener.close();
  await served.catch(() => {});
});

Deno.test("a source that goes on with another file than it began, whatever its ETag was asked for, never mixes the two", async () => {
  const begun = { etag: '"1"' };
  const cases: [string, Behaviour, number][] = [
    ["another ETag", goesOn({ etag: '"2"', total: BYTES.length }), 3],
    ["another length", goesOn({ etag: '"1"', total: BYTES.length + 1 }), 3],
    ["another part", goesOn({ etag: '"1"', total: BYTES.length, shift: 5 }), 3],
    ["the whole after all", () => new Response(BYTES, { headers: { etag: '"2"' } }), 2],
  ];
  for (const [what, second, requests] of cases) {
    const behave: Behaviour = (request, count) =>
      (count === 0 ? cutAfter(70_000, WRONG, begun) : count === 1 ? second : wellBehaved(BYTES, { etag: '"2"' }))(
        request,
        count,
      );
    await withServers([behave], async ({ target, ranges, run }) => {
      assertEquals(await run(), true, what);
      assertEquals([await sha256Hex(target), ranges[0].length], [SHA256, requests], what);
    });
  }
});

/** Answers any request for a range with the rest of the right bytes, whatever file they were asked of. */
function goesOn({ etag, total, shift = 0 }: { etag: string; total: number; shift?: number }): Behaviour {
  return (request) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1] ?? 0) + shift;
    const headers = { etag, "content-range": `bytes ${from}-${total - 1}/${total}` };
    return new Response(new Uint8Array(total - from).fill(7), { status: 206, headers });
  };
}
