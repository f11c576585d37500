// A line chart in the terminal: one accuracy as training goes on, from 0 to 100%.

import asciichart from 'asciichart';
import { padEnd, padStart } from './text.ts';

// asciichart draws "  label ┤" ahead of the curve: the label, and two columns of its own.
const AXIS_WIDTH = 6;

/** The values spread evenly over `columns` points, straight lines between them. */
export function resample(values: readonly number[], columns: number): number[] {
  if (values.length === 1) return Array.from({ length: columns }, () => values[0]!);
  return Array.from({ length: columns }, (_, i) => {
    const at = (i * (values.length - 1)) / Math.max(1, columns - 1);
    const from = Math.min(values.length - 2, Math.floor(at));
    return values[from]! + (at - from) * (values[from + 1]! - values[from]!);
  });
}

/** `accuracies` (at least one, in [0, 1]) from left to right under a title. */
export function accuracyChart(title: string, accuracies: readonly number[], width: number, height = 10): string[] {
  const plot = asciichart.plot(resample(accuracies, Math.max(2, width - AXIS_WIDTH)), {
    min: 0,
    max: 1,
    height,
    format: (fraction) => `${padStart((100 * fraction).toFixed(0), 3)}%`,
  });
  return [title, ...plot.split('\n')].map((line) => padEnd(line, width));
}
