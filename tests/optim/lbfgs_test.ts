import { assert, assertAlmostEquals, assertEquals } from "jsr:@std/assert@1.0.19";
import { minimize } from "../../src/optim/lbfgs.ts";

const limits = { maxIterations: 200, gradientTolerance: 1e-8, valueTolerance: 0, maxEvaluations: 50 };

/** Rosenbrock's function of five variables, and how often it was asked. */
function rosenbrock() {
  const asked = { times: 0 };
  const objective = (x: Float64Array) => {
    asked.times++;
    let value = 0;
    const gradient = new Float64Array(x.length);
    for (let i = 0; i + 1 < x.length; i++) {
      const miss = x[i + 1] - x[i] ** 2;
      value += 100 * miss ** 2 + (1 - x[i]) ** 2;
      gradient[i] += -400 * x[i] * miss - 2 * (1 - x[i]);
      gradient[i + 1] += 200 * miss;
    }
    return { value, gradient };
  };
  return { asked, objective };
}

const START = [-1.2, 1, 0.7, -0.3, 2];

// scipy 1.17: minimize(rosen, START, jac=rosen_der, method="L-BFGS-B", options=dict(maxiter=…, gtol=1e-8, ftol=0, maxls=50))
const SCIPY = [
  {
    iterations: 1,
    evaluations: 2,
    x: [-0.744390336642468, 0.932377044399624, 0.360617291580614, -0.444966711068306, 1.19275096752051],
  },
  {
    iterations: 3,
    evaluations: 4,
    x: [-0.644097408488215, 0.307849768357919, 0.101757493134761, -0.351694467737683, 0.260158430904966],
  },
  {
    iterations: 10,
    evaluations: 11,
    x: [-0.487073188089795, 0.251626267673342, 0.0741617470565646, 0.0163685016443417, 0.000486369566951646],
  },
  {
    iterations: 56,
    evaluations: 72,
    x: [0.999999999998874, 0.999999999997821, 0.999999999995928, 0.999999999990055, 0.999999999980477],
  },
];

for (const { iterations, evaluations, x } of SCIPY) {
  Deno.test(`after ${iterations} iterations it stands where scipy's L-BFGS-B stands`, () => {
    const { asked, objective } = rosenbrock();
    const maxIterations = iterations === 56 ? 200 : iterations;
    const found = minimize(objective, Float64Array.from(START), { ...limits, maxIterations });
    x.forEach((value, i) => assertAlmostEquals(found.x[i], value, 1e-9));
    assertEquals([found.iterations, asked.times], [iterations, evaluations]);
  });
}

Deno.test("it stops where the gradient vanishes, and where the value no longer falls", () => {
  const flat = () => ({ value: 1, gradient: new Float64Array(2) });
  assertEquals(minimize(flat, Float64Array.of(1, 2), limits), { x: Float64Array.of(1, 2), value: 1, iterations: 0 });
  const { objective } = rosenbrock();
  const early = minimize(objective, Float64Array.from(START), { ...limits, valueTolerance: 0.1 });
  assert(early.iterations < 56);
});

Deno.test("a function without a lower value in reach ends the search and keeps the point", () => {
  // The gradient lies: every step along it goes up.
  const lying = (x: Float64Array) => ({
    value: Math.abs(x[0]),
    gradient: Float64Array.of(x[0] === 0 ? 1 : Math.sign(x[0])),
  });
  const { x } = minimize(lying, Float64Array.of(0), { ...limits, maxEvaluations: 5 });
  assertEquals(x[0], 0);
});
