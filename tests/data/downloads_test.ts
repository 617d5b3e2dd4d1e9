import { assert, assertEquals, assertMatch, assertThrows } from "jsr:@std/assert@1.0.19";
import { DATASET_NAMES, describeDataset } from "../../src/data/catalogue.ts";
import { CATALOGUE, catalogueHosts, findItem, requireItem } from "../../src/data/downloads.ts";
import { UserError } from "../../src/errors.ts";
import { allowed, readTasks } from "../tasks.ts";

Deno.test("the catalogue has the four models and the eleven data sets", () => {
  const names = CATALOGUE.items.map(({ name }) => name);
  assertEquals(names.slice(0, 4), ["ViT-B/32", "ViT-B/16", "ViT-L/14", "ViT-L/14@336px"]);
  assertEquals(names.slice(4).sort(), [...DATASET_NAMES].sort());
});

Deno.test("every entry of the catalogue says licence, citation, home and several sources", () => {
  for (const item of CATALOGUE.items) {
    for (const text of [item.title, item.home, item.licence, item.citation]) assert(text.length > 2, item.name);
    for (const file of item.files.flatMap((file) => [file, ...file.instead ? [file.instead] : []])) {
      const { path, sources, sha256, bytes, unpack } = file;
      assertMatch(path, item.kind === "model" ? /^models\/[\w-]+\.pt$/ : new RegExp(`^${item.name}/[\\w.-]+$`));
      assert(sources.length > 1 || file.instead !== undefined || item.files.every((each) => each !== file), path);
      for (const url of sources) assertMatch(url, /^https?:\/\//);
      if (sha256 !== undefined) assertMatch(sha256, /^[0-9a-f]{64}$/);
      if (bytes !== undefined) assert(Number.isSafeInteger(bytes) && bytes > 0);
      assertEquals(unpack !== undefined, /\.(tgz|tar\.gz)$/.test(path), path);
    }
    if (item.kind === "dataset") assertEquals(describeDataset(item.name).licence, item.licence);
  }
});

Deno.test("the hash of OpenAI's weights is the one in their address", () => {
  for (const { kind, files } of CATALOGUE.items) {
    if (kind !== "model") continue;
    assertEquals(new URL(files[0].sources[0]).pathname.split("/")[3], files[0].sha256);
    assert(files[0].bytes! > 3e8);
  }
});

Deno.test("each data set's split file or lists come with its images", () => {
  for (const item of CATALOGUE.items.filter(({ kind }) => kind === "dataset")) {
    const { split } = describeDataset(item.name);
    const needed = split.kind === "file" ? split.file : split.kind === "folders" ? split.classes : undefined;
    if (needed === undefined) continue;
    assert(item.files.some(({ path }) => path === `${item.name}/${needed}`), `${item.name}: ${needed}`);
  }
});

Deno.test("the download task may reach the catalogue's hosts and no other", () => {
  const { command } = readTasks().find(({ name }) => name === "download")!;
  assertEquals([...allowed(command).get("net") ?? []].sort(), catalogueHosts());
});

Deno.test("names are found in any spelling, and unknown ones are answered with a suggestion", () => {
  assertEquals(findItem("EuroSAT")?.name, "eurosat");
  assertEquals(findItem("vit-b-16")?.name, "ViT-B/16");
  const error = assertThrows(() => requireItem("food102"), UserError);
  assertMatch(error.message, /Did you mean "food101"\?/);
});
