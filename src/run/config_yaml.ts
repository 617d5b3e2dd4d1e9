/** The settings of a run as YAML that `--config` takes: what decides its result, nothing about this terminal. */
import { flagName } from "../methods/setting.ts";
import type { RunConfig } from "./config.ts";
import { settingsOf } from "./settings.ts";

/** Words that YAML takes for text as they stand, without quotes. */
const PLAIN = /^(?!(?:true|false|null|yes|no|on|off|y|n)$)[A-Za-z][\w./+ -]*(?<! )$/i;

/**
 * A flat YAML document: one `key: value` a line. Whatever YAML could take for something else is written as JSON, which is
 * YAML too.
 */
export function configYaml(config: RunConfig, options: { seed?: number | null; header?: string } = {}): string {
  const { method, asked, values, train, transfers, preset, shots, run } = config;
  const known = settingsOf(asked);
  const header = options.header ?? `deno task ${asked.name} --config this-file`;
  const seeds = options.seed === undefined ? config.seeds : [options.seed];
  const settings: [string, unknown][] = Object.entries({
    train,
    eval: [...config.eval, ...transfers],
    preset: preset ?? undefined,
    shots: shots ?? undefined,
    seeds: seeds.includes(null) ? undefined : seeds,
    model: run.model,
    data: run.data,
    dataset: run.dataset,
    split: run.split,
    checkpointEvery: run.checkpointEvery,
    engine: run.engine,
    device: run.device,
    threads: run.threads,
    exactCheck: "prompt" in method ? run.exactCheck : undefined,
    out: run.out,
    ...Object.fromEntries(Object.entries(values).filter(([name]) => name in known && !method.settings[name]?.fixed)),
  });
  const lines = settings.filter(([, value]) => value !== undefined).map(([name, value]) =>
    `${flagName(name)}: ${Array.isArray(value) ? `[${value.map(scalar).join(", ")}]` : scalar(value)}`
  );
  return `# ${header}\n${lines.join("\n")}\n`;
}

function scalar(value: unknown): string {
  return typeof value === "string" && PLAIN.test(value) ? value : JSON.stringify(value);
}
