import { assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { parseYaml } from "../../../recipes/cli/yaml.ts";

Deno.test("plain words are text, numbers, true, false and null; dates and << are words like others", () => {
  assertEquals(parseYaml("a: 2024-05-01\nb: 2e-3\nc: true\nd: yes\ne: ~\n<<: 1\n"), {
    a: "2024-05-01",
    b: 0.002,
    c: true,
    d: "yes",
    e: null,
    "<<": 1,
  });
  assertEquals(parseYaml("a: &x [1, 2]\nb: *x\n"), { a: [1, 2], b: [1, 2] });
});

Deno.test("a fault is told in one line that ends with its place", () => {
  const { message } = assertThrows(() => parseYaml("a: 1\na: 2\n"), SyntaxError);
  assertEquals(message, "cannot store mapping pair: duplicated key at line 2, column 1");
  for (const text of ["a: [", "a: !bird x", "a: x\n---\nb: y", "a: 'x", "a: b: c"]) {
    const { message } = assertThrows(() => parseYaml(text), SyntaxError);
    assertEquals(/^[a-z`"][^\n]* at line \d+, column \d+$/.test(message), true, JSON.stringify(message));
  }
});
