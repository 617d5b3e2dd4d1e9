/** Readers of data sets, images, configurations and reports. */
import { gzipSync } from "node:zlib";
import { makeReport } from "../eval/report_cases.ts";
import { stringify as stringifyYaml } from "jsr:@std/yaml@1.3.0";
import { readConfigFile } from "../../recipes/cli/config_file.ts";
import { readDescription } from "../../recipes/cli/dataset_file.ts";
import { readFlags, settingsByFlag } from "../../recipes/cli/flags.ts";
import { recipeSettings } from "../../recipes/cli/recipe.ts";
import { decodeRgb } from "../../src/data/image.ts";
import { MOST_IMAGE_BYTES, pathProblem } from "../../src/data/paths.ts";
import { openImages } from "../../src/data/source.ts";
import { unpackTar } from "../../src/data/unpack.ts";
import { loadTar, loadZip } from "../../src/deps.ts";
import { compareReports } from "../../src/eval/compare.ts";
import { runPage } from "../../src/eval/page/run_page.ts";
import { readReport } from "../../src/eval/report_file.ts";
import { formatReport } from "../../src/eval/report_file.ts";
import { fitsALine, UserError, visible } from "../../src/errors.ts";
import { readBytes, readText } from "../../src/files.ts";
import { coop } from "../../src/methods/coop.ts";
import type { Method } from "../../src/methods/method.ts";
import { completeSettings, type Given } from "../../src/run/config.ts";
import { KIT_METHODS } from "../../src/methods/kit.ts";
import { IMAGES, NUMBERS, type Target, text } from "./target.ts";
import { deep, JSON_WORDS, PATH_WORDS } from "./words.ts";

/** Those of all methods of the kit. */
const SETTINGS = Object.assign({}, ...KIT_METHODS.map(recipeSettings)) as ReturnType<typeof recipeSettings>;

const YAML_WORDS = [
  ...JSON_WORDS,
  "&a ",
  "*a",
  "!!js/function ",
  "<<: ",
  "---\n",
  "? ",
  "|\n",
  "- ",
  "\n",
  "  ",
  "%YAML 9\n",
];

async function readAllImages(path: string): Promise<void> {
  const source = await openImages(path);
  try {
    for (const name of source.paths) {
      const problem = pathProblem(name);
      if (problem) throw new Error(`lets the path ${JSON.stringify(name)} through, which ${problem}`);
      await source.read(name);
    }
  } finally {
    await source.close();
  }
}

async function zips(): Promise<Uint8Array[]> {
  const zip = await loadZip();
  const make = async (entries: [name: string, options: Record<string, unknown>][]) => {
    const writer = new zip.ZipWriter(new zip.Uint8ArrayWriter());
    for (const [name, options] of entries) {
      const data = new zip.Uint8ArrayReader(text(`bytes of ${name} `.repeat(20)));
      await writer.add(name, data, { useWebWorkers: false, ...options });
    }
    return await writer.close();
  };
  return [
    await make([["2750/River/River_1.jpg", {}], ["2750/Forest/Forest_1.jpg", { level: 0 }], ["notes.txt", {}]]),
    await make([["a.jpg", { zip64: true }], ["b.png", { level: 0 }]]),
    await make([["link.jpg", { unixMode: 0o120777, versionMadeBy: 0x314 }]]),
  ];
}

async function tars(): Promise<Uint8Array[]> {
  const { packTar } = await loadTar();
  const file = (name: string) => ({ header: { name, size: 40, type: "file" as const }, body: new Uint8Array(40) });
  const link = (type: "symlink" | "link") => ({
    header: { name: "link.jpg", size: 0, type, linkname: "../secret.jpg" },
  });
  const long = `${"deep/".repeat(40)}a.jpg`;
  return [
    await packTar([file("2750/River/River_1.jpg"), file("2750/Forest/Forest_1.jpg"), file("notes.txt")]),
    await packTar([file(long), file("b.png")]),
    await packTar([file("a.jpg"), link("symlink"), link("link")]),
  ];
}

const images = (names: string[]) =>
  Promise.all(names.map((name) => Deno.readFile(new URL(`../fixtures/images/${name}`, import.meta.url))));

/** Two files of one name. */
async function twice(): Promise<{ zip: Uint8Array; tar: Uint8Array }> {
  const { packTar } = await loadTar();
  const entry = (name: string, fill: number) => ({
    header: { name, size: 4, type: "file" as const },
    body: new Uint8Array(4).fill(fill),
  });
  const { ZipWriter, Uint8ArrayWriter, Uint8ArrayReader } = await loadZip();
  const writer = new ZipWriter(new Uint8ArrayWriter());
  for (const name of ["a.jpg", "b.jpg"]) {
    await writer.add(name, new Uint8ArrayReader(new Uint8Array(4)), { useWebWorkers: false });
  }
  // The library refuses to write a name twice; the other one is of the same length.
  const text = new TextDecoder("latin1").decode(await writer.close()).replaceAll("b.jpg", "a.jpg");
  return {
    zip: Uint8Array.from(text, (letter) => letter.charCodeAt(0)),
    tar: await packTar([entry("a.jpg", 1), entry("./a.jpg", 2)]),
  };
}

/** An image whose few bytes stand for gigabytes. */
async function vastImage(): Promise<Uint8Array> {
  const [jpeg] = await images(["grey.jpg"]);
  const at = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xc0);
  const vast = jpeg.slice();
  vast.set([0xff, 0xff, 0xff, 0xff], at + 5);
  return vast;
}

/** Each with whole files to damage. */
export const DATA_TARGETS: readonly Target[] = [
  {
    name: "configurations",
    ending: ".yaml",
    corpus: () =>
      Promise.resolve({
        files: [
          text("# a run\ntrain: base\neval: [base, new]\npreset: seed-notebook\nlr: 0.002\nepochs: 5\nseeds: [1, 2]\n"),
          text('init-words: "a photo of a"\nclass-token-position: end\nshots: 4\nengine: cpu\nout: runs\n'),
        ],
        refused: ["shots: 1\nshots: 2\n", "seed: 1\nseeds: [2]\n", `${"x".repeat(60_000)}: 1\n`].map(text),
        words: [...YAML_WORDS, ...settingsByFlag(SETTINGS).keys()],
      }),
    read: async (path) => void await readConfigFile(path, SETTINGS),
    mostBytes: NUMBERS,
  },
  {
    name: "command lines",
    ending: ".args",
    corpus: () =>
      Promise.resolve({
        files: [
          text("--shots\n4\n--seeds\n1-3\n--eval\nbase,new\n--epochs\n20\n--out\nruns\n--views\n3"),
          text("--data\nphotos\n--split\nsplit.json\n--init-words\na photo of a\n--lr\n0.002\n--threads\n2\n--fresh"),
        ],
        refused: ["--epochs\n1e12", "--views\n100000", "--context-tokens\n1000000000", "--threads\n1000000000"].map(
          text,
        ),
        words: ["--", "=", "-1", "1e12", "1-999999999", ",", "\0", ...settingsByFlag(SETTINGS).keys()],
      }),
    async read(path) {
      const words = (await readText(path, "the command line", 1 << 20)).split("\n");
      try {
        const given = readFlags(words, recipeSettings(coop as unknown as Method)).given as Given;
        const { debug: _, help: __, json: ___, quiet: ____, config: _____, dryRun: ______, ...settings } = given;
        const { run, values } = completeSettings(coop as unknown as Method, settings);
        const steering = [...Object.values(run), ...Object.values(values)].find((value) => !fitsALine(String(value)));
        if (steering !== undefined) throw new Error(`lets ${JSON.stringify(steering)} through`);
      } catch (error) {
        // What was typed is no file.
        throw error instanceof UserError ? new UserError(`${path}: ${error.message}`) : error;
      }
    },
    mostBytes: NUMBERS,
  },
  {
    name: "data set descriptions",
    ending: ".yaml",
    corpus: async () => ({
      files: [
        ...await Promise.all(
          ["eurosat", "fgvc_aircraft", "imagenet", "stanford_cars"].map(async (name) => {
            const json = await Deno.readTextFile(new URL(`../../data/datasets/${name}.json`, import.meta.url));
            return text(`# ${name}\n${stringifyYaml(JSON.parse(json))}`);
          }),
        ),
        text("name: My birds\nimages: photos\nclass_names:\n  rename: { a: b }\n  drop: [x]\n"),
        text(`name: x\na: &a [1,2]\n${Array.from({ length: 20 }, (_, i) => `b${i}: [*a,*a,*a]`).join("\n")}\n`),
      ],
      words: YAML_WORDS,
    }),
    async read(path) {
      const description = await readDescription(path);
      for (
        const inside of [description.images, ...Object.values(description.split)].filter((x) => typeof x === "string")
      ) {
        if (inside !== "" && pathProblem(inside)) throw new Error(`lets the path ${JSON.stringify(inside)} through`);
      }
    },
    mostBytes: NUMBERS,
  },
  {
    name: "zip archives of images",
    ending: ".zip",
    corpus: async () => ({
      files: await zips(),
      refused: [(await twice()).zip],
      words: [...PATH_WORDS, "River", ".jpg"],
    }),
    read: readAllImages,
    readable: ["a folder"],
    mostBytes: IMAGES,
  },
  {
    name: "tar archives of images",
    ending: ".tar",
    corpus: async () => ({
      files: await tars(),
      refused: [(await twice()).tar],
      words: [...PATH_WORDS, "River", ".jpg", "ustar", "0000644"],
    }),
    read: readAllImages,
    readable: ["a folder"],
    mostBytes: IMAGES,
  },
  {
    name: "tar.gz archives of images",
    ending: ".tar.gz",
    corpus: async () => ({ files: (await tars()).map((tar) => gzipSync(tar)) }),
    read: readAllImages,
    readable: ["a folder"],
    mostBytes: IMAGES,
  },
  {
    name: "tar.gz archives of damaged tars",
    ending: ".tar.gz",
    corpus: async () => ({ files: await tars(), words: [...PATH_WORDS, "River", ".jpg", "ustar", "0000644"] }),
    wrap: (bytes) => gzipSync(bytes),
    read: readAllImages,
    readable: ["a folder"],
    mostBytes: IMAGES,
  },
  {
    name: "tar.gz archives that are unpacked",
    ending: ".tar.gz",
    corpus: async () => ({ files: await tars(), words: [...PATH_WORDS, "River", ".jpg", "ustar", "0000644"] }),
    wrap: (bytes) => gzipSync(bytes),
    read: async (path) => void await unpackTar(path, { prefix: "" }),
    writes: true,
    mostBytes: IMAGES,
  },
  {
    name: "JPEG images",
    ending: ".jpg",
    corpus: async () => ({
      files: await images(["grey.jpg", "sampling_420.jpg", "cmyk.jpg", "progressive.jpg", "exif_orientation.jpg"]),
      refused: [await vastImage()],
      hot: { head: 700, tail: 50 },
    }),
    async read(path) {
      await decodeRgb(await readBytes(path, "the image", MOST_IMAGE_BYTES), path);
    },
    mostBytes: IMAGES,
  },
  {
    name: "PNG, WebP and TIFF images",
    ending: ".img",
    corpus: async () => ({
      files: await images([
        "rgb.png",
        "palette_4.png",
        "rgba_16.png",
        "lossy.webp",
        "lossless.webp",
        "lzw.tif",
        "raw.tif",
      ]),
      hot: { head: 200, tail: 200 },
    }),
    async read(path) {
      await decodeRgb(await readBytes(path, "the image", MOST_IMAGE_BYTES), path);
    },
    mostBytes: IMAGES,
  },
  {
    name: "reports",
    ending: ".json",
    corpus: async () => ({
      files: await Promise.all(
        [{}, { method: "zeroshot" }, { evaluatedOn: "new" as const }].map(async (options) =>
          text(formatReport(await makeReport({ ...options, images: 20 })))
        ),
      ),
      refused: [deep(1 << 20)],
      words: [...JSON_WORDS, "classNames", "labels", "predictions", "worst", "base", "reportVersion"],
    }),
    async read(path) {
      const report = await readReport(path);
      const { html, charts } = await runPage([report]);
      const comparison = JSON.stringify(compareReports([report]));
      for (const shown of [html, ...charts.values(), comparison]) {
        if (visible(shown) !== shown) throw new Error("lets a control character into what is shown");
      }
    },
    mostBytes: (fileBytes) => NUMBERS(fileBytes) + (64 << 20),
  },
];
