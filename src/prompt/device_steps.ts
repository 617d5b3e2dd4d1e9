/** Training steps that leave the learned numbers, the optimiser's memory and the losses on the device until they are read. */
import { count } from "../engine/host_tensor.ts";
import type { DeviceMemory, Held, HostTensor } from "../engine/ops.ts";
import { deviceOptimizer, type DeviceOptimizerOptions } from "../optim/on_device.ts";
import type { Parameter, Velocity } from "../optim/sgd.ts";
import type { Descending, DescentOptions } from "./descent.ts";

/** How a training on the device starts. */
export interface DeviceStepsOptions extends DeviceOptimizerOptions {
  /** Parameters whose rate is another, as a factor of the others'. */
  rates?: Readonly<Record<string, number>>;
  /** SGD's momentum, or Adam's running mean of the gradients, from a checkpoint; empty at the start. */
  velocity: Velocity;
  /** Adam's running mean of the gradients' squares, likewise. */
  squares?: Velocity;
}

/** The rates of a step. */
export interface DeviceStepAt {
  /** Steps done before this one. */
  steps: number;
  learningRate: number;
  /** Those of single parameters, by name, where they are another. */
  rates: Readonly<Record<string, number>>;
}

/** What has come back from the device. */
export interface DeviceRead {
  /** Of the steps since the last read. */
  losses: number[];
  params: Record<string, Float32Array>;
  velocity: Velocity;
  /** Absent for SGD. */
  squares?: Velocity;
}

/** A training on the device; whoever opened it closes it. */
export interface DeviceSteps<Batch> {
  /** Starts a step; the device may still be computing it afterwards. */
  step(batch: Batch, at: DeviceStepAt): Promise<void>;
  /** Waits for all steps, and reads what they made, in one transfer. It changes nothing. */
  read(): Promise<DeviceRead>;
  close(): Promise<void>;
}

/** Starts at the given parameters, which stay as they are. */
export function deviceSteps<Batch>(
  memory: DeviceMemory,
  { params, descent, inputsOf }: {
    params: Record<string, Parameter>;
    descent: (options: DescentOptions) => Descending;
    inputsOf: (batch: Batch) => Parameters<Descending["run"]>[1]["rest"];
  },
  options: DeviceStepsOptions,
): DeviceSteps<Batch> {
  const optimizer = deviceOptimizer(options);
  const byRate = Map.groupBy(Object.keys(params), (name) => options.rates?.[name] ?? 1);
  const groups = [...byRate.values()];
  const sizeOf = (name: string) => count(params[name].shape);
  const remembered = [options.velocity, options.squares ?? {}].slice(0, optimizer.rows - 1);
  const program = descent({ optimizer, groups });
  let held: Held[] = [];
  let losses: Held[] = [];

  /** What groups start at: zeros where nothing is remembered yet. */
  const start: HostTensor[] = groups.map((names) => {
    const rows = [Object.fromEntries(names.map((name) => [name, params[name].data])), ...remembered];
    const size = names.reduce((sum, name) => sum + sizeOf(name), 0);
    const data = new Float32Array(rows.length * size);
    let at = 0;
    for (const row of rows) {
      for (const name of names) {
        if (row[name] !== undefined) data.set(row[name], at);
        at += sizeOf(name);
      }
    }
    return { shape: [rows.length, size], data };
  });

  return {
    async step(batch, { steps, learningRate, rates }) {
      const numbers = groups.map(([name]) => {
        const data = optimizer.numbers({ steps, learningRate: rates[name] ?? learningRate });
        return { shape: [1, data.length], data };
      });
      const after = await program.run(held.length === 0 ? start : held, { numbers, rest: inputsOf(batch) });
      memory.release(held);
      held = after.states;
      losses.push(after.loss);
    },
    async read() {
      const read = await memory.read([...losses, ...held]);
      const rows: Velocity[] = Array.from({ length: optimizer.rows }, () => ({}));
      groups.forEach((names, g) => {
        let at = 0;
        const { data } = read[losses.length + g];
        for (const row of rows) {
          for (const name of names) row[name] = data.slice(at, at += sizeOf(name));
        }
      });
      const [values, velocity, squares] = rows;
      const out = {
        losses: read.slice(0, losses.length).map(({ data }) => data[0]),
        params: values,
        velocity,
        squares,
      };
      memory.release(losses);
      losses = [];
      return out;
    },
    async close() {
      memory.release([...losses, ...held]);
      [losses, held] = [[], []];
      await program.dispose();
    },
  };
}
