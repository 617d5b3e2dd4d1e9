import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import {
  type ArchiveTensor,
  type Pickled,
  pickledTensor,
  scriptModules,
  stateDictionary,
  writeTorchArchive,
} from "../../../bench/torch_archive.ts";
import { type FloatDtype, floatsFrom, floatsTo } from "../../../src/clip/weights/dtype.ts";
import { loadWeights } from "../../../src/clip/weights/load.ts";
import { writeSafetensors } from "../../../src/clip/weights/safetensors.ts";
import type { HostTensor } from "../../../src/engine/ops.ts";
import { UserError } from "../../../src/errors.ts";
import { sharedPath, sharedTest } from "../../shared.ts";
import { archiveTensors, huggingFaceNamed, openaiNamed, SMALL, turned } from "../small_clip.ts";
import { inTempFolder } from "../../temp_folder.ts";

/** Loads a file and holds layout, sizes and every tensor to what is expected. */
async function check(
  path: string,
  { layout, wanted = openaiNamed() }: { layout: string; wanted?: Map<string, HostTensor> },
): Promise<void> {
  const weights = await loadWeights(path);
  assertEquals(weights.layout, layout);
  assertEquals(weights.config, SMALL);
  assertEquals(weights.names().sort(), [...wanted.keys()].sort());
  for (const [name, { shape, data }] of wanted) {
    const got = weights.tensor(name);
    assertEquals([...got.shape], [...shape], name);
    assertEquals(got.data, data, name);
  }
}

/** What a tensor is after having been stored in another format. */
const stored = (tensors: Map<string, HostTensor>, dtypeOf: (name: string) => FloatDtype) =>
  new Map(
    [...tensors].map(([name, { shape, data }]) => {
      const dtype = dtypeOf(name);
      return [name, { shape, data: floatsFrom(floatsTo(data, dtype), dtype) }];
    }),
  );

function writeArchive(path: string, tensors: Map<string, ArchiveTensor>, script = false): void {
  writeTorchArchive(path, { root: script ? scriptModules(tensors) : stateDictionary(tensors), tensors, script });
}

for (const dtype of ["F32", "F16", "BF16", "F64"] as const) {
  Deno.test(`safetensors in ${dtype}, with OpenAI's and with Hugging Face's names`, () =>
    inTempFolder(async (folder) => {
      const wanted = stored(openaiNamed(), () => dtype);
      const write = (path: string, tensors: Map<string, HostTensor>) =>
        Deno.writeFile(path, writeSafetensors([...tensors].map(([name, tensor]) => [name, { dtype, ...tensor }])));
      await write(`${folder}/openai.safetensors`, openaiNamed());
      await check(`${folder}/openai.safetensors`, { layout: "openai-safetensors", wanted });
      await write(`${folder}/model.safetensors`, huggingFaceNamed());
      await check(`${folder}/model.safetensors`, { layout: "hugging-face-safetensors", wanted });
    }));

  Deno.test(`Archives of PyTorch's in ${dtype}: state dictionary, pytorch_model.bin, TorchScript`, () =>
    inTempFolder(async (folder) => {
      const wanted = stored(openaiNamed(), () => dtype);
      const openai = archiveTensors(openaiNamed(), () => dtype);
      writeArchive(`${folder}/state.pt`, openai);
      await check(`${folder}/state.pt`, { layout: "openai-state-dict", wanted });
      writeArchive(`${folder}/pytorch_model.bin`, archiveTensors(huggingFaceNamed(), () => dtype));
      await check(`${folder}/pytorch_model.bin`, { layout: "hugging-face-state-dict", wanted });
      writeArchive(`${folder}/ViT.pt`, openai, true);
      await check(`${folder}/ViT.pt`, { layout: "openai-torchscript", wanted });
    }));
}

Deno.test("OpenAI's mixture: half precision but for LayerNorms and embeddings, sizes as tensors beside", () =>
  inTempFolder(async (folder) => {
    const dtypeOf = (name: string) => /ln_|embedding/.test(name) ? "F32" : "F16";
    const tensors = archiveTensors(openaiNamed(), dtypeOf);
    for (const name of ["input_resolution", "context_length", "vocab_size"]) {
      tensors.set(name, { dtype: "I64", shape: [], bytes: () => new Uint8Array(8) });
    }
    writeArchive(`${folder}/ViT.pt`, tensors, true);
    await check(`${folder}/ViT.pt`, { layout: "openai-torchscript", wanted: stored(openaiNamed(), dtypeOf) });
  }));

Deno.test("State dictionaries under state_dict, behind module., with parameters and with position_ids", () =>
  inTempFolder(async (folder) => {
    const tensors = archiveTensors(openaiNamed());
    const pairs = [...tensors].map(([name, tensor], i): [Pickled, Pickled] => [
      `module.${name}`,
      { call: "torch._utils._rebuild_parameter", args: [pickledTensor(String(i), tensor), true, null] },
    ]);
    const root = new Map<Pickled, Pickled>([["epoch", 3], ["state_dict", new Map(pairs)], ["lr", 0.5], ["n", -70000]]);
    writeTorchArchive(`${folder}/epoch_3.pt`, { root, tensors });
    await check(`${folder}/epoch_3.pt`, { layout: "openai-state-dict" });

    const hugging = archiveTensors(huggingFaceNamed());
    hugging.set("text_model.embeddings.position_ids", {
      dtype: "I64",
      shape: [1, 12],
      bytes: () => new Uint8Array(96),
    });
    writeArchive(`${folder}/pytorch_model.bin`, hugging);
    await check(`${folder}/pytorch_model.bin`, { layout: "hugging-face-state-dict" });
  }));

Deno.test("Tensors that are turned or shifted views of their storage come out row-major", () =>
  inTempFolder(async (folder) => {
    const named = openaiNamed();
    const tensors = archiveTensors(named);
    const { shape, data } = named.get("visual.proj")!;
    const across = turned({ shape, data }).data;
    tensors.set("visual.proj", { dtype: "F32", shape, strides: [1, shape[0]], bytes: () => floatsTo(across, "F32") });
    const bias = named.get("ln_final.bias")!;
    const spaced = new Float32Array(3 + 2 * bias.data.length);
    bias.data.forEach((x, i) => spaced[3 + 2 * i] = x);
    tensors.set("ln_final.bias", {
      dtype: "F32",
      shape: bias.shape,
      strides: [2],
      start: 3,
      count: spaced.length,
      bytes: () => floatsTo(spaced, "F32"),
    });
    writeArchive(`${folder}/views.pt`, tensors);
    await check(`${folder}/views.pt`, { layout: "openai-state-dict" });
  }));

Deno.test("Archives with 64-bit sizes", () =>
  inTempFolder(async (folder) => {
    const tensors = archiveTensors(openaiNamed());
    writeTorchArchive(`${folder}/wide.pt`, { root: stateDictionary(tensors), tensors, wide: true });
    await check(`${folder}/wide.pt`, { layout: "openai-state-dict" });
  }));

Deno.test("What is not a whole CLIP is refused, naming the file and what is wrong", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/model.pt`;
    const refused = async (says: string) => {
      const error = await assertRejects(() => loadWeights(path), UserError, says);
      assertEquals(error.message.includes(path), true, error.message);
    };
    const without = (name: string) => {
      const named = huggingFaceNamed();
      named.delete(name);
      return archiveTensors(named);
    };
    writeArchive(path, without("vision_model.encoder.layers.1.self_attn.k_proj.bias"));
    await refused('"vision_model.encoder.layers.1.self_attn.k_proj.bias" is missing');
    writeArchive(path, without("visual_projection.weight"));
    await refused('"visual.proj" is missing');
    const more = archiveTensors(huggingFaceNamed());
    more.set("classifier.weight", { dtype: "F32", shape: [], bytes: () => new Uint8Array(4) });
    writeArchive(path, more);
    await refused('its tensor "classifier.weight" belongs to no CLIP');
    writeArchive(
      path,
      new Map([...more].map(([name, tensor]) => [name === "classifier.weight" ? name : `clip_model.${name}`, tensor])),
    );
    await refused(
      `"clip_model." stands before ${
        more.size - 1
      } of its ${more.size} names and not before "classifier.weight": save the ` +
        "CLIP by itself, its state_dict() alone.",
    );
    const uneven = huggingFaceNamed();
    uneven.set("text_model.encoder.layers.0.self_attn.v_proj.bias", { shape: [64], data: new Float32Array(64) });
    writeArchive(path, archiveTensors(uneven));
    await refused("does not fit");
    const resnet: ArchiveTensor = { dtype: "F16", shape: [1], bytes: () => new Uint8Array(2) };
    writeArchive(path, new Map([["visual.layer1.0.conv1.weight", resnet]]), true);
    await refused("ModifiedResNet");
    writeTorchArchive(path, { root: new Map([["epoch", 1]]), tensors: new Map() });
    await refused(
      `${path} holds no tensor, neither by itself nor under state_dict, model_state_dict, model. It has "epoch". Give what ` +
        'torch.save(model.state_dict(), "clip.pt") writes.',
    );
    await Deno.writeFile(path, Uint8Array.of(0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8));
    await refused("PyTorch before 1.6");
    await Deno.writeFile(path, new Uint8Array());
    await refused("0 bytes");
    await Deno.writeTextFile(path, "<!doctype html><title>404</title>");
    await refused(
      'holds text and no weights ("<!doctype html><title>40"…): a web page came in its place, download it again.',
    );
    await Deno.writeTextFile(path, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n");
    await refused("it points to a file of Git LFS, which git lfs pull fetches.");
  }));

for (const key of ["state_dict", "model_state_dict", "model"]) {
  for (const prefix of ["", "module.", "model.", "clip_model.", "clip.", "_orig_mod.module."]) {
    Deno.test(`A state dictionary under ${key}, behind "${prefix}"`, () =>
      inTempFolder(async (folder) => {
        for (const [kind, named] of [["openai", openaiNamed()], ["hugging-face", huggingFaceNamed()]] as const) {
          const tensors = archiveTensors(named);
          const scale = tensors.get("logit_scale")!;
          tensors.set("logit_scale", { ...scale, shape: [1] });
          tensors.set("logit_bias", { ...scale, shape: [1] });
          const root = new Map<Pickled, Pickled>([
            ["epoch", 3],
            [key, new Map([...tensors].map(([name, tensor], i) => [prefix + name, pickledTensor(String(i), tensor)]))],
            ["args", { object: "argparse.Namespace", state: new Map([["lr", 0.5]]) }],
          ]);
          writeTorchArchive(`${folder}/${kind}.pt`, { root, tensors });
          await check(`${folder}/${kind}.pt`, { layout: `${kind}-state-dict` });
        }
      }));
  }
}

Deno.test("A weight that is an integer is refused", () =>
  inTempFolder(async (folder) => {
    const tensors = archiveTensors(openaiNamed());
    tensors.set("ln_final.bias", { dtype: "I64", shape: [128], bytes: () => new Uint8Array(1024) });
    writeArchive(`${folder}/int.pt`, tensors);
    await assertRejects(
      () => loadWeights(`${folder}/int.pt`),
      UserError,
      `The tensor "ln_final.bias" of ${folder}/int.pt is I64, not F16, BF16, F32 or F64: save the model in one of these.`,
    );
  }));

sharedTest("The four published layouts hold the same tensors", async () => {
  const wanted = await loadWeights(sharedPath("reference/mini_openai.safetensors"));
  const layouts = {
    "mini_hf.safetensors": "hugging-face-safetensors",
    "mini_state_dict.pt": "openai-state-dict",
    "mini_openai.pt": "openai-torchscript",
  };
  for (const [file, layout] of Object.entries(layouts)) {
    const weights = await loadWeights(sharedPath(`reference/${file}`));
    assertEquals(weights.layout, layout);
    assertEquals(weights.config, wanted.config);
    assertEquals(weights.names(), wanted.names());
    for (const name of wanted.names()) {
      const [a, b] = [weights.tensor(name), wanted.tensor(name)];
      assertEquals([...a.shape], [...b.shape]);
      assertEquals(a.data.every((x, i) => x === b.data[i]), true, `${file}: ${name}`);
    }
  }
});
