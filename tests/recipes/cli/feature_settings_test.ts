import { assertEquals, assertRejects, assertThrows } from "jsr:@std/assert@1.0.19";
import { compareSettings, readCompareSettings } from "../../../recipes/cli/compare_settings.ts";
import { featureFlags, featureWords, readFeatureSettings } from "../../../recipes/cli/feature_settings.ts";
import { featureJobWords } from "../../../recipes/cli/compare_jobs.ts";
import { readFlags } from "../../../recipes/cli/flags.ts";
import { readSweepSettings } from "../../../recipes/cli/sweep_settings.ts";
import { UserError } from "../../../src/errors.ts";
import { KIT_METHODS } from "../../../src/methods/kit.ts";
import { ANCHORED, writeFiles } from "../../method_files.ts";

const SETTINGS = compareSettings(KIT_METHODS);
const FLAGS = featureFlags(SETTINGS);

Deno.test("--part is a part of a whole, or a sentence", () => {
  const read = (part: string) => readFlags(["--part", part], FLAGS).given.part;
  assertEquals([read("3/16"), read("1/1"), read(" 16 / 16 ")], [
    { part: 3, of: 16 },
    { part: 1, of: 1 },
    { part: 16, of: 16 },
  ]);
  for (
    const part of ["17/16", "0/16", "3", "3/", "/16", "3/0", "0/0", "-1/4", "1.5/4", "1e0/4", "3/16/2", "a/b", "1/x"]
  ) {
    assertThrows(
      () => read(part),
      UserError,
      `--part is "${part}", and must be a part and the number of parts, such as 3/16: from 1/16 to 16/16.`,
    );
  }
  assertThrows(() => read("1/9999999"), UserError, "with 1,000,000 parts at most.");
});

Deno.test("features takes what decides the runs' needs, and refuses what does not", async () => {
  const settings = await readCompareSettings(["--seeds", "1-3", "--views", "4", "--part", "2/5"], featureFlags);
  assertEquals([settings.seeds, settings.typed, settings.part], [[1, 2, 3], { seeds: "1-3", views: "4" }, {
    part: 2,
    of: 5,
  }]);
  for (const flag of ["--emit=slurm", "--out=x", "--fresh", "--json", "--collect", "--table=md", "--jobs=2"]) {
    assertThrows(() => readFlags([flag], FLAGS), UserError, `There is no flag ${flag.replace(/=.*/, "")}.`);
  }
  assertThrows(() => readFlags(["--part", "1/2"], SETTINGS), UserError, "There is no flag --part.");
});

Deno.test("the features of a comparison are those of its flags", () => {
  const args =
    "--methods coop,maple --data my/set --seeds 1,2 --emit slurm --feature-tasks 4 --threads 8 --out o --jobs=2 --quiet"
      .split(" ");
  const words = ["--methods", "coop,maple", "--data", "my/set", "--seeds", "1,2"];
  assertEquals(featureWords(args, SETTINGS), words);
  readFlags(featureWords(args, SETTINGS), FLAGS);
  const job = featureJobWords(args, SETTINGS);
  assertEquals([job[0], job.slice(-words.length)], ["run", words]);
});

Deno.test("the features of a sweep are those of all its settings, on validation and on test images", async () => {
  const kept = "--method coop --vary lr=0.1,0.2 --vary views=0,4 --seeds 1,2 --random 3 --random-seed=5 --eval base"
    .split(" ");
  const { flags } = await readSweepSettings(kept);
  assertEquals(
    featureWords([...kept, ..."--emit slurm --feature-tasks 4 --threads 8 --jobs=2".split(" ")], flags),
    kept,
  );
  const { request, part } = await readFeatureSettings([...kept, "--part", "2/3"]);
  const { methods, subsets, seeds, shots } = request;
  assertEquals([part, subsets, seeds, shots], [{ part: 2, of: 3 }, ["val", "base"], [1, 2], [16]]);
  assertEquals(methods.map(({ varied }) => varied!.views).sort(), ["0", "0", "4"].slice(0, methods.length));
  const { request: compared } = await readFeatureSettings(["--methods", "coop,gda", "--shots", "1,2"]);
  assertEquals([compared.methods.length, compared.subsets, compared.shots], [2, ["base", "new"], [1, 2]]);
  const refused: [string, string][] = [
    ["--vary lr=1", "A sweep is of one method: name it"],
    ["--varry lr=1", 'There is no flag --varry. Did you mean "--vary"?'],
    ["--methods nope --shtos 1", 'There is no flag --shtos. Did you mean "--shots"?'],
    ["--method coop --methods coop --vary lr=1", "There is no flag --methods."],
    ["--method coop --vary lr=1 --emit slurm", "There is no flag --emit."],
    ["--method coop --vary lr=1 --part 3/2", '--part is "3/2"'],
  ];
  for (const [line, sentence] of refused) {
    await assertRejects(() => readFeatureSettings(line.split(" ")), UserError, sentence);
  }
});

Deno.test("a method in a file, named by a flag or in a configuration, brings flags that no method of the kit has", async () => {
  const folder = await writeFiles({ "anchored.ts": ANCHORED });
  const file = `${folder}/anchored.ts`;
  await Deno.writeTextFile(`${folder}/own.yaml`, `method: ${file}\n`);
  try {
    const pull = ["--pull", "2"];
    for (
      const args of [
        ["--methods", `coop,${file}`],
        ["--method", file, "--vary", "lr=0.1"],
        ["--config", `${folder}/own.yaml`, "--vary", "lr=0.1"],
      ]
    ) {
      const { request } = await readFeatureSettings([...args, ...pull]);
      assertEquals(request.methods.at(-1)!.given.pull, 2);
      await assertRejects(() => readFeatureSettings([...args, "--pul", "2"]), UserError, 'Did you mean "--pull"?');
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
