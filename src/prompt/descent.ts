/**
 * A step with the optimiser's behind it, as one program of an engine whose device keeps what is learned.
 *
 * Parameters of one rate are a *group*: one tensor [R, n] with the optimiser's memory of them, see `optim/on_device.ts`.
 */
import { count } from "../engine/host_tensor.ts";
import type { DeviceMemory, Frozen, Held, HostTensor, ProgramFunction } from "../engine/ops.ts";
import type { DeviceOptimizer } from "../optim/on_device.ts";
import { named } from "./bound.ts";

/** What is learned, and how. */
export interface DescentOptions {
  optimizer: DeviceOptimizer;
  /** The names of each group; every parameter is in one. */
  groups: readonly (readonly string[])[];
}

/** A prepared descent. */
export interface Descending {
  /** The first loss at the states, and the states after the step. */
  run(
    states: readonly (HostTensor | Held)[],
    inputs: { numbers: readonly HostTensor[]; rest: readonly (HostTensor | Frozen)[] },
  ): Promise<{ loss: Held; states: Held[] }>;
  dispose(): Promise<void>;
}

/**
 * Prepares a descent. `step` takes the parameters and then the rest, and gives its losses and then the gradients of each
 * at the parameters.
 */
export function descending(
  memory: DeviceMemory,
  { name, step, params, optimizer, groups }: DescentOptions & {
    name: string;
    step: ProgramFunction;
    params: Readonly<Record<string, Pick<HostTensor, "shape">>>;
  },
): Descending {
  const names = Object.keys(params);
  const program = memory.program(name, (ops, inputs) => {
    const states = inputs.slice(0, groups.length);
    const numbers = inputs.slice(groups.length, 2 * groups.length);
    const rest = inputs.slice(2 * groups.length);
    const values = groups.flatMap((group, g) => {
      let from = 0;
      return group.map((name) => {
        const { shape } = params[name];
        const size = count(shape);
        const value = ops.slice(states[g], [0, from], [1, size]);
        from += size;
        return [name, ops.reshape(value, shape)] as const;
      });
    });
    const at = Object.fromEntries(values);
    const outputs = step(ops, [...names.map((name) => at[name]), ...rest]);
    const losses = outputs.length / (1 + names.length);
    const gradients = named(names, outputs.slice(losses, losses + names.length));
    return [
      outputs[0],
      ...groups.map((group, g) => {
        const flat = group.map((name) => ops.reshape(gradients[name], [1, count(params[name].shape)]));
        const gradient = flat.length === 1 ? flat[0] : ops.concat(flat, 1);
        return optimizer.update(ops, { state: states[g], gradient, numbers: numbers[g] });
      }),
    ];
  });
  return {
    async run(states, { numbers, rest }) {
      const [loss, ...after] = await program.run([...states, ...numbers, ...rest]);
      return { loss, states: after };
    },
    dispose: () => program.dispose(),
  };
}
