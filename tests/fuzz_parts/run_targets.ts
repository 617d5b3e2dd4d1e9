/** Readers of what a run folder says of its run. */
import { UserError } from "../../src/errors.ts";
import { formatReport } from "../../src/eval/report_file.ts";
import { openRunFolder, readDone } from "../../src/run/folder.ts";
import { requireSameRun } from "../../src/run/identity.ts";
import { makeReport } from "../eval/report_cases.ts";
import { NUMBERS, type Target, text } from "./target.ts";

const IDENTITY = { method: "coop", "model-sha256": "ab".repeat(32), "trained-on": "base", shots: "16", seed: "1" };
const WORDS = ["null", "[]", "{}", "5", "true", '"base"', '"__proto__"', "\u2028", "\x1b[31m", '""'];

/** A run folder beside a file, with that file as one of its own. */
async function folderWith(path: string, name: string): Promise<string> {
  const folder = `${path}.run`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.remove(`${folder}/${name}`, { recursive: true }).catch(() => {});
  await Deno.rename(path, `${folder}/${name}`);
  return folder;
}

/** Each with whole files to damage. */
export const RUN_TARGETS: readonly Target[] = [
  {
    name: "identities of runs",
    ending: ".json",
    corpus: () =>
      Promise.resolve({
        files: [text(JSON.stringify(IDENTITY, null, 2)), text(JSON.stringify(IDENTITY))],
        words: WORDS,
      }),
    async read(path) {
      const place = await folderWith(path, "identity.json");
      await Deno.writeTextFile(`${place}/report-base.json`, formatReport(await makeReport({ images: 20 })));
      const folder = await openRunFolder(place);
      try {
        for (const stored of await folder.identities()) requireSameRun(stored, { wanted: IDENTITY, path: place });
      } finally {
        folder.close();
      }
    },
    // Reports say it too.
    readable: ["a link that leads nowhere", "a link to itself"],
    writes: true,
    mostBytes: (fileBytes) => NUMBERS(fileBytes) + (64 << 20),
  },
  {
    name: "ends of runs",
    ending: ".json",
    corpus: () => Promise.resolve({ files: [text('{"prompt":"x","evaluatedOn":["base","new"]}')], words: WORDS }),
    async read(path) {
      const done = await readDone(await folderWith(path, "done"));
      // What cannot be read is a run that has not ended.
      if (done?.evaluatedOn?.includes("base") !== true) throw new UserError(`${path} is no end of a run.`);
    },
    writes: true,
    mostBytes: NUMBERS,
  },
];
