/** The draws of a run, each made once: identity, checks, learning, reports and plan ask for the same lists. */
import type { RunData } from "./data.ts";
import type { Inputs } from "./inputs.ts";

/** The same inputs, whose data sets keep what they drew. It is shared, and nobody changes it. */
export function drawingOnce(inputs: Inputs): Inputs {
  return {
    ...inputs,
    data: once(inputs.data),
    other: async (nameOrPath) => once(await inputs.other(nameOrPath)),
  };
}

function once(data: RunData): RunData {
  const drawn = new Map<string, ReturnType<RunData["draw"]>>();
  return {
    ...data,
    draw(options) {
      const { shots, seed, classes } = options;
      const key = `${shots} ${seed} ${classes}`;
      const found = drawn.get(key) ?? data.draw(options);
      drawn.set(key, found);
      return found;
    },
  };
}
