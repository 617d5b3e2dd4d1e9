import { assertLess } from "jsr:@std/assert@1.0.19";
import { freezeImageTower, imageTower } from "../../src/clip/image_tower.ts";
import { randomTensor, relativeL2, withEngine } from "../engine/ops_cases.ts";
import { awayFromDifferences, bothGradients, inner, TWO_LAYERS, twoLayers } from "./tower_cases.ts";

Deno.test("the image tower's pull-back to the pixels equals tfjs's autodiff and central differences", async () => {
  await withEngine("cpu", async (engine) => {
    const { image, embedding } = TWO_LAYERS;
    const clip = twoLayers();
    const tower = freezeImageTower(engine, (tensor) => clip.tensor(tensor), { config: TWO_LAYERS });
    const patches = randomTensor([2, (image.size / image.patch) ** 2, 3 * image.patch ** 2], 1, 2);
    const cotangent = randomTensor([2, embedding], 2);
    const { byHand, byAutodiff } = await bothGradients((ops, [x]) => {
      const { features, pullback } = imageTower(ops, tower, x);
      return { y: features, pullback };
    }, { inputs: [patches], cotangent });
    assertLess(relativeL2(byHand.data, byAutodiff.data), 1e-5);

    const program = engine.program("image", (ops, [x]) => [imageTower(ops, tower, x).features]);
    const away = await awayFromDifferences(
      async (x) => inner((await program.run([x]))[0], cotangent),
      { at: patches, gradient: byHand.data, size: 1e-2 },
    );
    assertLess(away, 3e-3);
  });
});
