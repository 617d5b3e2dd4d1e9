/** Validation accuracy over one axis of a sweep. */
import { ranked, type Sweep, type SweptSetting, wordsOf } from "../sweep.ts";
import type { PlotOptions } from "./charts.ts";
import { spreadChart, type SpreadSeries } from "./spread_chart.ts";

/** Lines that a chart has room for. */
const MOST_LINES = 6;

/** From this many times its smaller end on, a range is drawn as it was drawn from: by its logarithm. */
const WIDE = 10;

/** The chart of an axis, and what to know of it. */
export async function axisChart(sweep: Sweep, name: string): Promise<{ svg: string; note: string }> {
  const { axes, chosen, settings } = sweep;
  const axis = axes.find((one) => one.name === name)!;
  const isRange = !("values" in axis);
  const known = ranked(sweep).filter(({ validation }) => validation !== null);
  const others = ({ values }: SweptSetting) =>
    wordsOf(Object.fromEntries(Object.entries(values).filter(([other]) => other !== name)));
  // In the order in which they were tried: colours are those of the other charts of this page.
  const lines = [...Map.groupBy(settings.filter((setting) => known.includes(setting)), others)];
  const joined = sweep.search.kind === "grid" && lines.length <= MOST_LINES;
  const at = ({ values }: SweptSetting) => isRange ? Number(values[name]) : label(values[name]);
  const best = chosen === null ? undefined : settings[chosen.setting];
  const pointsOf = (group: readonly SweptSetting[]) =>
    inOrder(group, name).map((setting) => ({
      x: at(setting),
      spread: setting.validation!,
      ringed: setting === best,
    }));
  const series: SpreadSeries[] = joined
    ? lines.map(([words, group], colour) => ({ name: words, colour, points: pointsOf(group) }))
    : [{ name: "all settings", colour: 0, points: pointsOf(known) }];
  const svg = await spreadChart(`Validation accuracy over ${name}`, {
    x: isRange
      ? { ...rangeScale(axis), label: name }
      : { type: "point", domain: inOrder(settings, name).map(at), label: name, padding: 0.3 },
    y: "accuracy on validation images, %",
    series,
    joined,
  });
  const what = joined && lines.length > 1 ? "A line for each setting of the other axes." : "Each setting is a mark.";
  return { svg, note: `${what} Means over seeds with one standard deviation; small dots are seeds. Ringed: chosen.` };
}

/** The scale of a range, with few numbers beside it, written as they are typed. */
function rangeScale({ low, high }: { low: number; high: number }): NonNullable<PlotOptions["x"]> {
  if (low === 0 || high < WIDE * low) return { domain: [low, high], ticks: 4, tickFormat: String };
  const decades = Array.from(
    { length: Math.floor(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, i) => Math.floor(Math.log10(low)) + i,
  );
  const steps = decades.length > 3 ? [1] : [1, 3];
  const ticks = decades.flatMap((power) => steps.map((step) => Number(`${step}e${power}`)));
  return {
    type: "log",
    domain: [low, high],
    ticks: ticks.filter((tick) => tick >= low && tick <= high),
    tickFormat: String,
  };
}

function label(value: string): string {
  return value === "" ? '""' : value;
}

/** Numbers by size, words as they were tried. */
function inOrder(settings: readonly SweptSetting[], name: string): SweptSetting[] {
  return settings.toSorted((a, b) => (Number(a.values[name]) - Number(b.values[name])) || 0);
}
