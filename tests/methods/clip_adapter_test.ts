import { assert, assertEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { learnClipAdapter, trainAdapter } from "../../src/methods/clip_adapter.ts";
import { assertClose, fixture, task, test_NE, textNew_CE } from "./feature_cases.ts";

Deno.test("thirty steps of CLIP-Adapter end at PyTorch's weights", () => {
  const { down, up, downEnd, upEnd, epochs, lr, ratio } = fixture.adapter;
  const weights = {
    down_HE: { shape: [3, 12], data: Float32Array.from(down) },
    up_EH: { shape: [12, 3], data: Float32Array.from(up) },
  };
  trainAdapter(weights, task, { epochs, lr, ratio, batchSize: 256 });
  assertClose(weights.down_HE.data, downEnd, 1e-5);
  assertClose(weights.up_EH.data, upEnd, 1e-5);
});

Deno.test("a ratio of 0 is zero-shot CLIP, also for classes that it was not trained on", () => {
  const adapter = learnClipAdapter(task, { ratios: [0], epochs: 2 });
  assert(typeof adapter.newClasses === "function");
  for (
    const [text_CE, classifier] of [[task.textFeatures_CE, adapter], [
      textNew_CE,
      adapter.newClasses(textNew_CE),
    ]] as const
  ) {
    const expected: number[] = [];
    const unit = (row: ArrayLike<number>) => {
      const length = Math.hypot(...Array.from(row));
      return Array.from(row, (value) => value / length);
    };
    for (let n = 0; n < 10; n++) {
      const image = unit(test_NE.data.subarray(n * 12, n * 12 + 12));
      for (let c = 0; c < text_CE.shape[0]; c++) {
        const text = unit(text_CE.data.subarray(c * 12, c * 12 + 12));
        expected.push(task.logitScale * image.reduce((sum, value, e) => sum + value * text[e], 0));
      }
    }
    assertClose(classifier.logits(test_NE).data, expected, 1e-6);
  }
});

Deno.test("the ratio is the first that no other beats on the validation images", () => {
  const accuracy = (ratio: number) => {
    const logits = learnClipAdapter(task, { ratios: [ratio], epochs: 40 }).logits(task.val.features_NE).data;
    return task.val.labels.reduce((hits, label, n) => {
      const row = [...logits.subarray(n * 3, n * 3 + 3)];
      return hits + (row.indexOf(Math.max(...row)) === label ? 1 : 0);
    }, 0);
  };
  const ratios = [0.9, 0.2, 0.5];
  const hits = ratios.map(accuracy);
  const expected = ratios[hits.indexOf(Math.max(...hits))];
  assertEquals(learnClipAdapter(task, { ratios, epochs: 40 }).chosen.ratio, expected);
});

Deno.test("a learning rate that throws the network out of what can be computed ends in a sentence, not in an answer", () => {
  // Its rectifiers turn what is below minus infinity into zeros: the logits of such a network are finite, and mean nothing.
  const found = [1e308, 1e30, 1e12].map((lr) =>
    assertThrows(() => learnClipAdapter(task, { ratios: [0.5], epochs: 3, lr }), UserError).message
  );
  assertStringIncludes(found[0], "Training of CLIP-Adapter stopped in epoch 2: what it learned (down) is not finite");
  assertStringIncludes(found[1], "too large to compute with: lower the learning rate with --lr.");
  assertStringIncludes(found[2], "too large to compute with");
});
