/** Which files hold a model: folders, shards, their index, a hub's cache. */
import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { stateDictionary, writeTorchArchive } from "../../../bench/torch_archive.ts";
import { loadWeights } from "../../../src/clip/weights/load.ts";
import { writeSafetensors } from "../../../src/clip/weights/safetensors.ts";
import { openJoined, weightFiles } from "../../../src/clip/weights/weight_files.ts";
import { UserError } from "../../../src/errors.ts";
import { archiveTensors, openaiNamed } from "../small_clip.ts";
import { inTempFolder } from "../../temp_folder.ts";

const touch = (folder: string, ...names: string[]) =>
  Promise.all(names.map((name) => Deno.writeTextFile(`${folder}/${name}`, name)));

Deno.test("in a folder the known name is taken, else the only file that may be weights", () =>
  inTempFolder(async (folder) => {
    await assertRejects(
      () => weightFiles(folder),
      UserError,
      `The folder ${folder} holds no weights (model.safetensors, pytorch_model.bin and their like): give the path of a file.`,
    );
    await touch(folder, "config.json", "b.pt");
    assertEquals(await weightFiles(folder), [`${folder}/b.pt`]);
    await touch(folder, "a.pth");
    await assertRejects(
      () => weightFiles(folder),
      UserError,
      `The folder ${folder} holds 2 files that may be weights (a.pth, b.pt): name one of them.`,
    );
    for (
      const name of [
        "open_clip_pytorch_model.bin",
        "pytorch_model.bin",
        "open_clip_model.safetensors",
        "model.safetensors",
      ]
    ) {
      await touch(folder, name);
      assertEquals(await weightFiles(`${folder}/`), [`${folder}/${name}`]);
    }
  }));

Deno.test("shards are found by one of them, by the index and by the folder; a missing one is named", () =>
  inTempFolder(async (folder) => {
    const shards = [1, 2, 3].map((i) => `pytorch_model-0000${i}-of-00003.bin`);
    await touch(folder, ...shards);
    const wanted = shards.map((name) => `${folder}/${name}`);
    assertEquals(await weightFiles(wanted[1]), wanted);
    assertEquals(await weightFiles(folder), wanted);
    const index = `${folder}/pytorch_model.bin.index.json`;
    const write = (weight_map: unknown) => Deno.writeTextFile(index, JSON.stringify({ weight_map }));
    await write({ a: shards[2], b: shards[0], c: shards[2], d: shards[1] });
    assertEquals(await weightFiles(index), wanted);
    assertEquals(await weightFiles(folder), wanted);
    await Deno.remove(wanted[2]);
    const beside = `and ${wanted[2]} is not there: put it beside the others.`;
    await assertRejects(() => weightFiles(index), UserError, `${index} names 3 shards, ${beside}`);
    await assertRejects(() => weightFiles(wanted[0]), UserError, `${wanted[0]} is one of 3 shards, ${beside}`);
    for (const map of [undefined, {}, { a: "../other.bin" }, { a: "/etc/passwd" }, { a: 3 }, []]) {
      await write(map);
      await assertRejects(() => weightFiles(index), UserError, `${index} is no index of weights`);
    }
  }));

Deno.test("shards of PyTorch's are one model; a tensor in two of them is refused", () =>
  inTempFolder(async (folder) => {
    const all = [...archiveTensors(openaiNamed())];
    const write = (parts: (typeof all)[]) =>
      parts.forEach((part, i) => {
        const tensors = new Map(part);
        const path = `${folder}/pytorch_model-0000${i + 1}-of-00002.bin`;
        writeTorchArchive(path, { root: stateDictionary(tensors), tensors });
      });
    write([all.slice(0, 9), all.slice(9)]);
    const weights = await loadWeights(folder);
    assertEquals(weights.layout, "openai-state-dict");
    for (const [name, { data }] of openaiNamed()) assertEquals(weights.tensor(name).data, data, name);
    write([all.slice(0, 10), all.slice(9)]);
    await assertRejects(() => loadWeights(folder), UserError, `two of its shards hold ${JSON.stringify(all[9][0])}`);
  }));

Deno.test("a hub's cache: the repository's folder, its snapshot, and the links in it", () =>
  inTempFolder(async (folder) => {
    const repository = `${folder}/models--org--CLIP-small`;
    const snapshot = `${repository}/snapshots/abc`;
    await Deno.mkdir(snapshot, { recursive: true });
    await Deno.mkdir(`${repository}/blobs`);
    const bytes = writeSafetensors([...openaiNamed()].map(([name, tensor]) => [name, { dtype: "F32", ...tensor }]));
    await Deno.writeFile(`${repository}/blobs/0123`, bytes);
    await Deno.symlink("../../blobs/0123", `${snapshot}/model.safetensors`);
    await Deno.writeTextFile(
      `${repository}/blobs/4567`,
      JSON.stringify({
        model_type: "clip",
        text_config: { hidden_act: "gelu" },
        vision_config: { hidden_act: "gelu" },
      }),
    );
    await Deno.symlink("../../blobs/4567", `${snapshot}/config.json`);
    for (const path of [repository, snapshot, `${snapshot}/model.safetensors`]) {
      const { config, notes } = await loadWeights(path);
      assertEquals(config.image.activation, "gelu");
      assertEquals(notes, [`Activation: gelu, as ${snapshot}/config.json says.`]);
    }
  }));

Deno.test("joined files are read where each of them begins", () =>
  inTempFolder(async (folder) => {
    await touch(folder, "one", "three");
    const { joined, starts } = openJoined([`${folder}/one`, `${folder}/three`]);
    const text = (offset: number, length: number) => new TextDecoder().decode(joined.read(offset, length));
    assertEquals([starts, joined.size], [[0, 3], 8]);
    assertEquals([text(0, 3), text(1, 2), text(3, 5), text(5, 3)], ["one", "ne", "three", "ree"]);
  }));
