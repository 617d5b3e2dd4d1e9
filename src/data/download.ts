/**
 * Downloads that are never left half done under the file's name: bytes go into `FILE.partial`, are checked, and only
 * then is the file renamed. An interrupted download resumes where it stopped, also from another source; when a source
 * fails, the next one is tried.
 */
import { basename, dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { UserError } from "../errors.ts";
import {
  fileError,
  infoOf,
  MOST_TEXT_BYTES,
  readBlocks,
  readIfThere,
  readJson,
  removeIfThere,
  sha256Hex,
  throwFileError,
  writeAll,
} from "../files.ts";
import { archiveKind } from "./archive.ts";
import { MOST_SPLIT_BYTES } from "./split.ts";

/** What is known of a file. */
interface ExpectedFile {
  bytes?: number;
  /** In lower-case hexadecimal. */
  sha256?: string;
}

/** How to download a file. */
export interface DownloadOptions extends ExpectedFile {
  target: string;
  /** Addresses to try, in this order. */
  sources: readonly string[];
  /** Hosts that may be reached, also by redirects; any when left out. */
  hosts?: readonly string[];
  /** Seconds without a byte after which a source is given up. */
  stallSeconds?: number;
  /** Seconds before the first retry; longer before the next ones. */
  pauseSeconds?: number;
  /** Called after each piece that arrives, with the bytes so far. */
  onProgress?: (count: { done: number; total?: number }) => void;
  /** Called with a line of text for each thing that happens. */
  say?: (line: string) => void;
}

/** A source failed; `again` says whether another try at the same source may succeed. */
class SourceFailure extends Error {
  constructor(message: string, readonly again: boolean) {
    super(message);
  }
}

/** Where a partial file comes from, so that it is only continued with bytes of the same file. */
interface Origin {
  url: string;
  /** A strong ETag or a date of the source. */
  validator?: string;
  /** How long the whole file is, where the source said so. */
  total?: number;
}

/** Tries in a row without a new byte. */
const TRIES = 4;
/** Tries in all, for a source that sends a little and breaks off each time. */
const MOST_TRIES = 200;
const MOST_REDIRECTS = 10;
const LONGEST_PAUSE_SECONDS = 20;

const MISSING = "does not exist";

/**
 * Downloads a file, unless it is there and whole, and says whether anything was downloaded.
 *
 * @throws {UserError} When no source gives the file (the sentence names the reason of each), or it cannot be written.
 */
export async function downloadFile(options: DownloadOptions): Promise<boolean> {
  const { target, say } = options;
  const problem = await fileProblem(target, options);
  if (problem === undefined) return false;
  if (problem !== MISSING) say?.(`${target} is there, but ${problem}: downloading it again`);
  await Deno.mkdir(dirname(target), { recursive: true }).catch(throwFileError(target, "write"));
  const reasons: string[] = [];
  for (const url of options.sources) {
    const failure = await trySource(url, options);
    if (failure === undefined) return true;
    reasons.push(`${new URL(url).host}: ${failure}`);
    say?.(`${new URL(url).host} does not give ${basename(target)}: ${failure}`);
  }
  throw new UserError(
    `${basename(target)} could not be downloaded (${reasons.join("; ")}): try again later, for what has arrived is ` +
      `kept, or get the file yourself and give it with --source FILE.`,
  );
}

/**
 * Takes a file that is on this machine already, with the same checks.
 *
 * @throws {UserError} When it is missing or not the file that is expected.
 */
export async function takeFile(
  source: string,
  options: ExpectedFile & { target: string; onProgress?: DownloadOptions["onProgress"] },
): Promise<void> {
  const { target } = options;
  const accept = (problem: string | undefined) => {
    if (problem === undefined) return;
    throw new UserError(`${source} is not taken as ${basename(target)}: it ${problem}. Give the published file.`);
  };
  accept(await fileProblem(source, options));
  await Deno.mkdir(dirname(target), { recursive: true }).catch(throwFileError(target, "write"));
  const partial = `${target}.partial`;
  await forget(partial);
  try {
    using to = await Deno.open(partial, { write: true, create: true, truncate: true });
    const total = (await Deno.stat(source)).size;
    let done = 0;
    for await (const block of readBlocks(source)) {
      await writeAll(to, block);
      done += block.length;
      options.onProgress?.({ done, total });
    }
    await to.sync();
    accept(await contentProblem(partial, target));
  } catch (error) {
    await forget(partial);
    throw fileError(error, target, "write");
  }
  await settle(partial, target);
}

/** What is wrong with a file, as the end of a sentence; undefined when it is as expected. */
export async function fileProblem(path: string, expected: ExpectedFile): Promise<string | undefined> {
  const size = await sizeOf(path);
  if (size === undefined) return MISSING;
  if (size === 0) return "is empty";
  if (expected.bytes !== undefined && size !== expected.bytes) return `has ${size} bytes and not ${expected.bytes}`;
  if (expected.sha256 === undefined) return undefined;
  const sha256 = await sha256Hex(path);
  return sha256 === expected.sha256 ? undefined : `has the sha256 ${sha256} and not ${expected.sha256}`;
}

/** Why a source did not give the file, after several tries; undefined when it did. */
async function trySource(url: string, options: DownloadOptions): Promise<string | undefined> {
  const partial = `${options.target}.partial`;
  const pause = options.pauseSeconds ?? 1;
  let reason = "";
  for (let attempt = 0, tries = 0; attempt < TRIES && tries < MOST_TRIES; attempt++, tries++) {
    const before = await sizeOf(partial) ?? 0;
    try {
      const resumed = await fetchInto(partial, url, options);
      const problem = await fileProblem(partial, options) ?? await contentProblem(partial, options.target);
      if (problem === undefined) {
        await settle(partial, options.target);
        return undefined;
      }
      await forget(partial);
      // Bytes of two sources may have been mixed: try once more from the beginning.
      throw new SourceFailure(`what it sends ${problem}`, resumed);
    } catch (error) {
      if (!(error instanceof SourceFailure)) throw error;
      reason = error.message;
      if (!error.again) return reason;
    }
    // A source that sends something each time is slow, not broken.
    if ((await sizeOf(partial) ?? 0) > before) attempt = 0;
    if (attempt + 1 < TRIES) await wait(1000 * Math.min(LONGEST_PAUSE_SECONDS, pause * 2 ** attempt));
  }
  return reason;
}

/** Brings the partial file to its full length, and returns whether a part of it was there before. */
async function fetchInto(partial: string, url: string, options: DownloadOptions): Promise<boolean> {
  const size = await sizeOf(partial) ?? 0;
  const origin = await readOrigin(partial);
  const same = origin?.url === url && typeof origin.validator === "string";
  const resume = size > 0 && (same || options.sha256 !== undefined);
  if (resume && size === options.bytes) return true;
  const stall = stallWatch(options.stallSeconds ?? 30);
  try {
    const headers: Record<string, string> = { "accept-encoding": "identity" };
    if (resume) headers.range = `bytes=${size}-`;
    if (resume && same) headers["if-range"] = origin.validator!;
    const response = await request(url, { headers, signal: stall.signal, hosts: options.hosts });
    try {
      return await receive(response, { partial, url, from: resume ? size : 0, origin, options, stall });
    } finally {
      await response.body?.cancel().catch(() => {});
    }
  } catch (error) {
    if (error instanceof SourceFailure || error instanceof Deno.errors.NotCapable) throw error;
    const known = fileError(error, partial, "write");
    if (known instanceof UserError) throw known;
    const why = stall.signal.aborted ? `no byte in ${options.stallSeconds ?? 30} seconds` : reasonOf(error);
    throw new SourceFailure(why, true);
  } finally {
    stall.end();
  }
}

interface Receiving {
  partial: string;
  url: string;
  /** Where the bytes asked for begin. */
  from: number;
  /** Of what is there. */
  origin?: Origin;
  options: DownloadOptions;
  stall: StallWatch;
}

async function receive(response: Response, receiving: Receiving): Promise<boolean> {
  const { partial, url, options, stall } = receiving;
  const { status } = response;
  if (status === 416) {
    await forget(partial);
    throw new SourceFailure("its file is shorter than what had arrived, which is deleted", true);
  }
  if (status !== 200 && status !== 206) {
    throw new SourceFailure(`it answers ${status}`, status === 408 || status === 429 || status >= 500);
  }
  if (/^text\/html\b/i.test(response.headers.get("content-type") ?? "") && !/\.html?$/.test(partial)) {
    throw new SourceFailure("it sends a web page instead of the file", false);
  }
  const range = status === 206 ? contentRange(response) : undefined;
  if (status === 206 && range?.begin !== receiving.from) {
    await forget(partial);
    throw new SourceFailure("it sends another part of the file than was asked for", true);
  }
  if (range && changedSince(receiving.origin, response, range.total) && options.sha256 === undefined) {
    await forget(partial);
    throw new SourceFailure("its file has changed since the part that had arrived, which is deleted", true);
  }
  const length = Number(response.headers.get("content-length") ?? NaN);
  const begin = status === 206 ? receiving.from : 0;
  const total = range?.total ?? (Number.isSafeInteger(length) && length > 0 ? begin + length : options.bytes);
  if (total !== undefined && options.bytes !== undefined && total !== options.bytes) {
    throw new SourceFailure(`its file has ${total} bytes and not ${options.bytes}`, false);
  }
  if (begin === 0) {
    if (receiving.from > 0) options.say?.("the source cannot continue, or its file has changed: starting over");
    await forget(partial);
  }
  using file = await Deno.open(partial, { write: true, create: true });
  if (begin === 0) {
    const origin: Origin = { url, validator: validatorOf(response), total };
    await Deno.writeTextFile(`${partial}.json`, JSON.stringify(origin));
  }
  await file.seek(begin, Deno.SeekMode.Start);
  let done = begin;
  options.onProgress?.({ done, total });
  for await (const piece of response.body ?? []) {
    stall.alive();
    if (total !== undefined && done + piece.length > total) {
      throw new SourceFailure(`it sends more than ${total} bytes`, false);
    }
    await writeAll(file, piece);
    done += piece.length;
    options.onProgress?.({ done, total });
  }
  await file.sync();
  if (total !== undefined && done < total) throw new SourceFailure(`it stopped after ${done} of ${total} bytes`, true);
  return begin > 0;
}

/** Whether a source that goes on with a file has another one now, whatever it was asked for. */
function changedSince(origin: Origin | undefined, response: Response, total: number | undefined): boolean {
  const now = validatorOf(response);
  const differs = <T>(before: T | undefined, after: T | undefined) =>
    before !== undefined && after !== undefined && before !== after;
  return differs(origin?.validator, now) || differs(origin?.total, total);
}

/** Where a redirect leads; what was asked for in secret is not asked for in the open. */
export function redirected(at: URL, location: string): URL {
  if (!URL.canParse(location, at)) throw new SourceFailure("it leads to an address that can be none", false);
  const to = new URL(location, at);
  if (!/^https?:$/.test(to.protocol)) throw new SourceFailure(`it leads to ${to.protocol}`, false);
  if (at.protocol === "https:" && to.protocol === "http:") {
    throw new SourceFailure(
      `it leads from https to http, to ${to.host}, where anyone on the way can change what comes`,
      false,
    );
  }
  return to;
}

/** Follows redirects one by one, so that each host is checked. */
async function request(
  url: string,
  options: { headers: Record<string, string>; signal: AbortSignal; hosts?: readonly string[] },
): Promise<Response> {
  let at = new URL(url);
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    if (options.hosts && !options.hosts.includes(at.host)) {
      throw new SourceFailure(`it leads to ${at.host}, which is not among the hosts of the catalogue`, false);
    }
    const response = await fetch(at, { headers: options.headers, signal: options.signal, redirect: "manual" });
    const location = response.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
    await response.body?.cancel();
    at = redirected(at, location);
  }
  throw new SourceFailure(`it leads in a circle, ${MOST_REDIRECTS} redirects without a file`, false);
}

/** Gives a file that has been checked its name. */
async function settle(partial: string, target: string): Promise<void> {
  await Deno.rename(partial, target).catch(throwFileError(target, "write"));
  await forget(partial);
}

/** Where no hash is published, at least the kind of the file is checked. */
async function contentProblem(path: string, name: string): Promise<string | undefined> {
  if (/\.json$/i.test(name)) {
    try {
      await readJson(path, "the file", { most: MOST_SPLIT_BYTES });
    } catch {
      return "is no JSON";
    }
  }
  const kind = await archiveKind(path);
  if (/\.zip$/i.test(name) && kind !== "zip") return "is no zip archive";
  return /\.t?gz$/i.test(name) && kind !== "gzip" ? "is no gzip archive" : undefined;
}

/** What the network said, without the address, which stands beside it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = error.cause instanceof Error ? error.cause.message : error.message;
  return text.replace(/^error sending request for url \(.*?\)(: )?/, "").replace(/^client error \(Connect\): /, "")
    .split("\n")[0] || "no connection";
}

function contentRange(response: Response): { begin: number; total?: number } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
  return match ? { begin: Number(match[1]), total: match[2] === "*" ? undefined : Number(match[2]) } : undefined;
}

function validatorOf(response: Response): string | undefined {
  const etag = response.headers.get("etag");
  return etag?.startsWith('"') ? etag : response.headers.get("last-modified") ?? undefined;
}

/** A half-written one reads as undefined, and the download starts over. */
async function readOrigin(partial: string): Promise<Origin | undefined> {
  try {
    const bytes = await readIfThere(`${partial}.json`, "the note", MOST_TEXT_BYTES);
    return bytes && JSON.parse(new TextDecoder().decode(bytes)) || undefined;
  } catch {
    return undefined;
  }
}

async function forget(partial: string): Promise<void> {
  await removeIfThere(partial);
  await removeIfThere(`${partial}.json`);
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await infoOf(path))?.size;
}

type StallWatch = ReturnType<typeof stallWatch>;

/** A signal that aborts after so many seconds in which `alive` was not called. */
function stallWatch(seconds: number) {
  const controller = new AbortController();
  const start = () => setTimeout(() => controller.abort(), seconds * 1000);
  let timer = start();
  return {
    signal: controller.signal,
    alive() {
      clearTimeout(timer);
      timer = start();
    },
    end: () => clearTimeout(timer),
  };
}
