import { assert, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { learnGda } from "../../src/methods/gda.ts";
import { assertClose, fixture, task, test_NE, textNew_CE } from "./feature_cases.ts";

Deno.test("base-to-new GDA has PyTorch's α and logits, on base and on new classes", () => {
  const base = learnGda(task, { variant: "base-to-new" });
  assertEquals(base.chosen.alpha, fixture.gda.alpha);
  assertClose(base.logits(test_NE).data, fixture.gda.base, 1e-6);
  assert(typeof base.newClasses === "function");
  const fresh = base.newClasses(textNew_CE).logits(test_NE);
  assertEquals(fresh.shape, [10, 2]);
  assertClose(fresh.data, fixture.gda.new, 1e-6);
});

Deno.test("few-shot GDA shrinks as in PyTorch, and says that it has no rule for new classes", () => {
  const few = learnGda(task, { variant: "few-shot" });
  assertEquals(few.chosen.alpha, fixture.gda.alphaFew);
  assertClose(few.logits(test_NE).data, fixture.gda.few, 1e-6);
  assert(typeof few.newClasses !== "function" && few.newClasses.impossible.includes("without images"));
});

Deno.test("with fewer vectors than directions, absent directions carry no weight, as in PyTorch's pseudo-inverse", () => {
  const { images, alpha, base, alphaFew, few, new: fresh } = fixture.gdaSmall;
  const clean = task.train.features_NE.data;
  const data = Float32Array.from(images.flatMap((n) => [...clean.subarray(n * 12, n * 12 + 12)]));
  const features_NE = { shape: [images.length, 12], data };
  const labels = Int32Array.from(images, (n) => task.train.labels[n]);
  const val = { features_NE, labels };
  const text = task.textFeatures_CE.data;
  const small = {
    ...task,
    textFeatures_CE: { shape: [3, 12], data: Float32Array.of(...text.subarray(12), ...text.subarray(0, 12)) },
    val,
    train: { ...val, views_VNE: { shape: [1, ...features_NE.shape], data } },
  };
  const found = learnGda(small, { variant: "base-to-new" });
  assertEquals(found.chosen.alpha, alpha);
  assertClose(found.logits(test_NE).data, base, 1e-6);
  assert(typeof found.newClasses === "function");
  assertClose(found.newClasses(textNew_CE).logits(test_NE).data, fresh, 1e-6);
  const shrunk = learnGda(small, { variant: "few-shot" });
  assertEquals(shrunk.chosen.alpha, alphaFew);
  assertClose(shrunk.logits(test_NE).data, few, 1e-6);
});

Deno.test("one vector a class has no covariance", () => {
  const lonely = {
    ...task,
    train: {
      ...task.train,
      views_VNE: { shape: [1, 3, 12], data: task.train.features_NE.data.slice(0, 36) },
      labels: Int32Array.of(0, 1, 2),
    },
  };
  for (const variant of ["base-to-new", "few-shot"] as const) {
    assertThrows(() => learnGda(lonely, { variant }), UserError, 'class "class 0"');
  }
});
