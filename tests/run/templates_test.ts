import { assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { templatesOf } from "../../src/run/templates.ts";

Deno.test("templates: the data set's, the ensemble, or any list of one's own", () => {
  const set = { template: "a {}.", ensemble: ["b {}.", "c {}."] };
  assertEquals(templatesOf({}, set), ["a {}."]);
  assertEquals(templatesOf({ templates: "single" }, set), ["a {}."]);
  assertEquals(templatesOf({ templates: "ensemble" }, set), ["b {}.", "c {}."]);
  assertEquals(templatesOf({ templates: "one {}. | two {}.|" }, set), ["one {}.", "two {}."]);
  assertThrows(() => templatesOf({ templates: " | " }, set), UserError, "no template");
});
