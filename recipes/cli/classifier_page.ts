/**
 * A folder with a page that classifies images in a browser: the exported model, ONNX Runtime's WebAssembly, and the kit's own
 * resizing. It needs a server, such as `deno task serve`, and no network.
 */
import { stripTypeScriptTypes } from "node:module";
import resizeText from "../../src/data/resize.ts" with { type: "text" };
import roundText from "../../src/data/round.ts" with { type: "text" };
import { UserError } from "../../src/errors.ts";
import { escapeHtml } from "../../src/eval/page/html.ts";
import { infoOf, removeIfThere, writeFileAtomic } from "../../src/files.ts";
import { RUNTIME, runtimeFile } from "./page_runtime.ts";

/** What the page is made of. */
export interface PageParts {
  /** The model's bytes. */
  parts: readonly Uint8Array[];
  classNames: readonly string[];
  /** Edge of the image that the model sees. */
  size: number;
  title: string;
}

/** The kit's own modules, by their name in the folder. */
const SCRIPTS = { "resize.js": resizeText, "round.js": roundText };
const MODEL = "model.onnx";
/** Written last: without it there is no page. */
const INDEX = "index.html";

/**
 * Refuses a folder that holds something else than a page, whole or not.
 *
 * @throws {UserError} when it does, or is no folder
 */
export async function requirePagePlace(folder: string): Promise<void> {
  const info = await infoOf(folder, "the folder");
  const names = info?.isDirectory ? (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name) : [];
  const own = [...RUNTIME, ...Object.keys(SCRIPTS), MODEL, INDEX];
  const strange = names.find((name) => !own.includes(name) && !/^\..+\.partial$/.test(name));
  if (info === undefined || info.isDirectory && strange === undefined) return;
  throw new UserError(
    `${folder} ${strange === undefined ? "is a file" : `holds ${strange}, which is no part of a page`}: give another ` +
      "folder with --out.",
  );
}

/**
 * Writes the folder. A page that is there ends when the new one begins to be written.
 *
 * @throws {UserError} when it cannot be written
 */
export async function writeClassifierPage(folder: string, page: PageParts): Promise<void> {
  const runtime = await Promise.all(RUNTIME.map(async (name) => [name, await runtimeFile(name)] as const));
  await removeIfThere(`${folder}/${INDEX}`);
  for (const [name, bytes] of runtime) await writeFileAtomic(`${folder}/${name}`, bytes);
  for (const [name, text] of Object.entries(SCRIPTS)) await writeFileAtomic(`${folder}/${name}`, scriptOf(text));
  await writeFileAtomic(`${folder}/${MODEL}`, page.parts);
  await writeFileAtomic(`${folder}/${INDEX}`, html(page));
}

/** A module of the kit as browsers read it. */
function scriptOf(text: string): string {
  return stripTypeScriptTypes(text).replaceAll(/(from ".\/\w+)\.ts"/g, '$1.js"');
}

function html({ classNames, size, title }: PageParts): string {
  // In a script, `</script>` within a name would end it.
  const data = JSON.stringify({ classNames, size }).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; background: Canvas; color: CanvasText; }
label { display: block; border: 2px dashed; border-radius: 8px; padding: 2rem 1rem; text-align: center; cursor: pointer; }
label:focus-within, label.over { outline: 3px solid Highlight; }
input { position: absolute; width: 1px; opacity: 0; }
ul { list-style: none; padding: 0; }
li { display: flex; gap: 1rem; margin: 1rem 0; overflow-wrap: anywhere; }
img { width: 25%; max-width: 6rem; aspect-ratio: 1; object-fit: cover; flex: none; }
meter { width: 20vw; max-width: 8rem; }
td { padding: 0 .5rem 0 0; }
td:last-child { white-space: nowrap; }
</style>
<h1>${escapeHtml(title)}</h1>
<label>Drop images here, or choose some<input type="file" accept="image/*" multiple></label>
<p role="status">Loading the model.</p>
<ul></ul>
<script type="module">
import * as ort from "./ort.wasm.min.mjs";
import { resizeAndCenterCrop } from "./resize.js";

const { classNames, size } = ${data};
const MOST = 5;
const [status, list, label, input] = ["[role=status]", "ul", "label", "input"].map((one) => document.querySelector(one));
ort.env.wasm.wasmPaths = new URL("./", location.href).href;
const opened = ort.InferenceSession.create("./model.onnx").then((session) => {
  status.textContent = "Ready. Images stay on this machine.";
  return session;
});
opened.catch((error) => status.textContent = "The model does not load: " + error.message);

/** RGB as "classify --exif" reads it: no colour profile, turned as the camera noted. */
async function pixels(file) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0, to = 0; i < rgba.length; i += 4, to += 3) data.set(rgba.subarray(i, i + 3), to);
  return { width, height, data, opaque: rgba.every((value, i) => i % 4 < 3 || value === 255) };
}

async function classify(file) {
  const item = document.createElement("li");
  const picture = Object.assign(new Image(), { src: URL.createObjectURL(file), alt: file.name });
  const answer = document.createElement("div");
  item.append(picture, answer);
  list.prepend(item);
  try {
    const session = await opened;
    const image = await pixels(file);
    const { data } = resizeAndCenterCrop(image, size);
    const images = new ort.Tensor("uint8", data, [1, size, size, 3]);
    const { probabilities } = await session.run({ images });
    const values = [...probabilities.data];
    item.dataset.probabilities = JSON.stringify(values);
    const table = document.createElement("table");
    for (const c of values.map((_, c) => c).sort((a, b) => values[b] - values[a]).slice(0, MOST)) {
      const row = table.insertRow();
      row.insertCell().textContent = classNames[c];
      row.insertCell().append(Object.assign(document.createElement("meter"), { value: values[c] }));
      row.insertCell().textContent = (100 * values[c]).toFixed(1) + " %";
    }
    answer.append(file.name, table, image.opaque ? "" : "Transparent parts count as black.");
  } catch (error) {
    item.dataset.error = error.message;
    answer.textContent = file.name + " is not classified: " + error.message;
  }
}

let last = Promise.resolve();
const all = (files) => { for (const file of files) last = last.then(() => classify(file)); };
input.addEventListener("change", () => { all(input.files); input.value = ""; });
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    label.classList.toggle("over", kind === "dragover");
    if (kind === "drop") all(event.dataTransfer.files);
  });
}
</script>
`;
}
