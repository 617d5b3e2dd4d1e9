import { assertAlmostEquals, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { answersText, probabilities } from "../../../recipes/cli/answer_table.ts";
import { UserError } from "../../../src/errors.ts";

const logits = (...rows: number[][]) => ({
  shape: [rows.length, rows[0].length],
  data: Float32Array.from(rows.flat()),
});

Deno.test("probabilities are a softmax over the classes, also of large logits", () => {
  const classNames = ["river", "forest"];
  const [first, second] = probabilities(logits([Math.log(3), 0], [400, 500]), {
    images: ["a.jpg", "b.jpg"],
    classNames,
  });
  assertEquals([first.image, first.class], ["a.jpg", "river"]);
  assertAlmostEquals(first.probabilities[0], 0.75, 1e-6);
  assertAlmostEquals(first.probabilities[1], 0.25, 1e-6);
  assertEquals([second.class, second.probabilities[1]], ["forest", 1]);
});

Deno.test("logits that are no numbers are told with their image", () => {
  assertThrows(
    () => probabilities(logits([1, 2], [1, NaN]), { images: ["a.jpg", "b.jpg"], classNames: ["x", "y"] }),
    UserError,
    "b.jpg",
  );
});

Deno.test("few classes have a column each; of many the surest are named", () => {
  const two = ["river", "forest"];
  const few = answersText(probabilities(logits([Math.log(3), 0]), { images: ["a.jpg"], classNames: two }), {
    classNames: two,
  });
  assertEquals(few.map((line) => line.trim().split(/\s{2,}/)), [
    ["image", "answer", "river", "forest"],
    ["a.jpg", "river", "75.0 %", "25.0 %"],
  ]);
  const many = Array.from({ length: 7 }, (_, i) => `class ${i}`);
  const row = [0, 0, 5, 0, 3, 4, 0];
  const [, line] = answersText(probabilities(logits(row), { images: ["a.jpg"], classNames: many }), {
    classNames: many,
  });
  assertEquals(line.trim().split(/\s{2,}/).filter((_, i) => i % 2 === 1), ["class 2", "class 5", "class 4"]);
});
