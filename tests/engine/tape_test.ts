import { assert, assertLess, assertThrows } from "jsr:@std/assert@1.0.19";
import { tape } from "../../src/engine/tape.ts";
import { randomTensor, relativeL2, runOnce, withEngine } from "./ops_cases.ts";
import { caseInputs, differences, freezeWeights, namedCases, scalarOf, watched } from "./tape_cases.ts";

for (const { operation, name, tested } of namedCases()) {
  Deno.test(`tape: ${name} equals central differences`, async () => {
    await withEngine("cpu", async (engine) => {
      const weights = freezeWeights(engine);
      const inputs = caseInputs(tested);
      const gradients = await runOnce(engine, (ops, x) => {
        const taped = tape(ops);
        const variables = x.map((value) => taped.variable(value));
        return taped.gradients(scalarOf(taped, tested.fn(taped, variables, weights)), variables);
      }, inputs);
      const called = new Set<string>();
      const program = engine.program("value", (ops, x) => [
        scalarOf(ops, tested.fn(watched(ops, called), x, weights)),
      ]);
      const expected = await differences(async (x) => (await program.run(x))[0].data[0], { at: inputs, step: 2e-2 });
      await program.dispose();
      assert(called.has(operation), `The case calls ${[...called]}`);
      gradients.forEach(({ data }, i) => {
        if (expected[i].some((slope) => slope !== 0)) assertLess(relativeL2(data, expected[i]), 1e-3);
        else assert(data.every((slope) => slope === 0));
      });
    });
  });
}

Deno.test("tape: a variable that the scalar does not depend on has a gradient of zeros", async () => {
  await withEngine("cpu", async (engine) => {
    const [gradient] = await runOnce(engine, (ops, [x, y]) => {
      const taped = tape(ops);
      const [used, unused] = [taped.variable(x), taped.variable(y)];
      return taped.gradients(taped.sum(taped.mul(used, used), 0), [unused]);
    }, [randomTensor([3], 1), randomTensor([2, 2], 2)]);
    assert(gradient.data.every((value) => value === 0) && gradient.data.length === 4);
  });
});

Deno.test("tape: gradients of more than one number are refused", async () => {
  await withEngine("cpu", async (engine) => {
    await runOnce(engine, (ops, [x]) => {
      const taped = tape(ops);
      const variable = taped.variable(x);
      assertThrows(() => taped.gradients(variable, [variable]), Error, "scalar");
      return [x];
    }, [randomTensor([3], 1)]);
  });
});
