import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { cocoop, coop, gda, kgcoop, tipAdapterF, zeroShot } from "../../src/methods/kit.ts";
import type { Method } from "../../src/methods/method.ts";
import { completeSettings, type Given } from "../../src/run/config.ts";
import { FINAL_CHECKPOINT, isTrained, pathPart, runPath, settingsPart, trainedSiblings } from "../../src/run/path.ts";
import { inTempFolder } from "../temp_folder.ts";

const PLACE = { dataset: "EuroSAT", backbone: "ViT-B-16", seed: 1 };
const path = <S>(method: Method<S>, given: Given & Partial<S>, place = PLACE as Parameters<typeof runPath>[1]) =>
  runPath(completeSettings(method, given), place);
const part = <S>(method: Method<S>, given: Given & Partial<S>) => settingsPart(completeSettings(method, given));

async function write(path: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, "");
}

Deno.test("run folders: the published layout, what was trained on, and every change in the name", async () => {
  assertEquals(await path(cocoop, {}), "runs/eurosat/cocoop/seed-notebook/ViT-B-16/shots16/seed1");
  assertEquals(
    await path(coop, { preset: "coop-ijcv22", shots: 4, out: "x/y" }, { ...PLACE, seed: 0 }),
    "x/y/eurosat/coop/coop-ijcv22/ViT-B-16/shots4-all/seed0",
  );
  // A prompt that was trained on base classes is looked for without saying so.
  assertEquals(await path(cocoop, { eval: ["new"] }), await path(cocoop, { train: "base" }));
  assertEquals(
    await path(tipAdapterF, { epochs: 20, views: 10, templates: "ensemble", eval: ["all"] }),
    "runs/eurosat/tip-adapter-f/published+templates=ensemble+epochs=20/ViT-B-16/shots16-all/seed1",
  );
  assertEquals(
    await path(gda, { tuneOn: "full" }),
    "runs/eurosat/gda-full-val/published/ViT-B-16/shots16/seed1",
  );
  assertEquals(await path(zeroShot, {}, { ...PLACE, seed: null }), "runs/eurosat/zeroshot/single/ViT-B-16");
  assertEquals(
    await path(zeroShot, { templates: "a {}.|the {}." }, { ...PLACE, seed: null }),
    "runs/eurosat/zeroshot/a-.-the-./ViT-B-16",
  );
});

Deno.test("the settings' part: what differs from the preset, safe in any path", () => {
  assertEquals(part(cocoop, { epochs: 100 }), "seed-notebook");
  assertEquals(part(cocoop, { lr: 0.01, epochs: 3 }), "seed-notebook+epochs=3+lr=0.01");
  assertEquals(part(coop, { initWords: "../a/b" }), "seed-notebook+init-words=-a-b");
  assertEquals(part(cocoop, { contextTokens: 4 }), "seed-notebook+init-words=none");
  assertEquals(
    part(kgcoop, { promptAverage: "15,1.5", over: "cocoop", lambda: 2 }),
    "seed-notebook+prompt-average=15-1.5+lambda=2",
  );
  // What cannot change a number is in no path.
  assertEquals(part(coop, { checkpointEvery: 3, exactCheck: true, engine: "cpu", threads: 1 }), "seed-notebook");
});

Deno.test("names in any script stay readable and apart; what would leave the folder or fill the path is made safe", () => {
  assertEquals(["日本", "中国", "Bäume", "птицы", "हिन्दी"].map(pathPart), ["日本", "中国", "Bäume", "птицы", "हिन्दी"]);
  // One name in two ways of writing it in Unicode is one folder.
  assertEquals(pathPart("Ba\u0308ume"), pathPart("B\u00e4ume"));
  assertEquals(["My birds", " a/b\\c ", "..", "../x", ".hidden", "", "a\u0000b"].map(pathPart), [
    "My-birds",
    "a-b-c",
    "none",
    "-x",
    "hidden",
    "none",
    "a-b",
  ]);
  // Names without a letter would all be the same.
  const [bird, tree] = ["🐦", "🌳"].map(pathPart);
  assert(/^name-[0-9a-f]{8}$/.test(bird) && bird !== tree, `${bird} ${tree}`);
  const [long, longer] = ["a".repeat(101), "a".repeat(102)].map(pathPart);
  assert(long !== longer && /^a{60}-[0-9a-f]{8}$/.test(long), long);
  const twice = ["Ba\u0308ume ", "B\u00e4ume "].map((name) => pathPart(name.repeat(20)));
  assertEquals(twice[0], twice[1]);
  for (const name of ["木".repeat(200), "ä".repeat(80), `a${"𠀀".repeat(60)}`]) {
    const part = pathPart(name);
    assert(new TextEncoder().encode(part).length <= 100 && part.isWellFormed(), part);
    assert(name.startsWith(part.slice(0, -9)) && part.length > 20, part);
  }
});

Deno.test("a folder with the same changes in another order is the run's own, other changes are not", async () => {
  await inTempFolder(async (out) => {
    const given = { out, epochs: 2, wise: 0.5, contextTokens: 2 };
    const below = "sample/shots16/seed1";
    const place = { ...PLACE, backbone: "sample" };
    const today = `${out}/eurosat/coop/seed-notebook+epochs=2+context-tokens=2+wise=0.5/${below}`;
    const earlier = `${out}/eurosat/coop/seed-notebook+context-tokens=2+wise=0.5+epochs=2/${below}`;
    assertEquals(await path(coop, given, place), today);
    await write(`${out}/eurosat/coop/seed-notebook+context-tokens=2+wise=0.5+epochs=5/${below}/done`);
    await write(`${out}/eurosat/coop/seed-notebook+context-tokens=2+epochs=2/${below}/done`);
    await write(`${out}/eurosat/coop/seed-notebook+context-tokens=2+wise=0.5+epochs=2/sample/shots16/seed2/done`);
    assertEquals(await path(coop, given, place), today);
    await write(`${earlier}/done`);
    assertEquals(await path(coop, given, place), earlier);
    assertEquals(await path(coop, { ...given, wise: 1 }, place), earlier.replace("+wise=0.5", ""));
  });
});

Deno.test("trained prompts that differ in their settings alone are found, whole ones only", async () => {
  await inTempFolder(async (out) => {
    const plain = `${out}/eurosat/coop/seed-notebook/sample/shots16/seed1`;
    const other = (changes: string) => plain.replace("seed-notebook", `seed-notebook${changes}`);
    await write(`${other("+epochs=2")}/checkpoint-0002.safetensors`);
    await write(`${other("+lr=1")}/checkpoint-0100.safetensors`);
    await write(`${other("+epochs=3")}/checkpoint.safetensors`);
    await write(`${plain.replace("seed-notebook", "seed-notebook2")}/checkpoint-0100.safetensors`);
    assertEquals(await trainedSiblings(plain), [other("+epochs=2"), other("+lr=1")]);
    assertEquals([await isTrained(other("+epochs=2")), await isTrained(other("+epochs=3")), await isTrained(plain)], [
      true,
      false,
      false,
    ]);
    assertEquals(await trainedSiblings(`${out}/nowhere/coop/seed-notebook/sample/shots16/seed1`), []);
  });
  assert(FINAL_CHECKPOINT.test("checkpoint-12345.safetensors") && !FINAL_CHECKPOINT.test("checkpoint.safetensors"));
});
