// The result in one table: what each method knows in the end and what it lost on the way.

import { counted, duration, fixed, percent, signed } from './numbers.ts';
import { definition, table } from './text.ts';

/** ACC, BWT and their like: @gemlab/gem's AccuracyMatrix, save that of one task alone nothing is said about earlier and later ones. */
export interface Metrics {
  readonly acc: number;
  /** NaN (in JSON null) for one task. */
  readonly bwt: number;
  /** NaN (in JSON null) for one task. */
  readonly fwt: number;
  /** null for one task, and where it was not measured. */
  readonly forgetting: number | null;
  readonly learningAccuracy: number;
}

export interface MethodSummary {
  readonly name: string;
  readonly metrics: Metrics;
  readonly seconds: number;
}

const COLUMNS: readonly (readonly [head: string, metric: keyof Metrics, text: typeof fixed])[] = [
  ['ACC', 'acc', fixed],
  ['BWT', 'bwt', signed],
  ['FWT', 'fwt', signed],
  ['forgetting', 'forgetting', fixed],
  ['learned', 'learningAccuracy', fixed],
];

/** One line for each method; below two of them, where there are just two, the second minus the first. */
export function summaryTable(methods: readonly MethodSummary[]): string[] {
  const rows = methods.map(({ name, metrics, seconds }) => [
    name,
    ...COLUMNS.map(([, metric, text]) => text(metrics[metric] ?? Number.NaN, 3)),
    duration(seconds),
  ]);
  const [first, second, third] = methods.map(({ metrics }) => metrics);
  if (first && second && !third)
    rows.push([
      'difference',
      ...COLUMNS.map(([, m]) => signed((second[m] ?? Number.NaN) - (first[m] ?? Number.NaN), 3)),
    ]);
  const head = ['', ...COLUMNS.map(([name]) => name), 'time'];
  return table([head, ...rows], ['left', ...head.slice(1).map(() => 'right' as const)]);
}

const MEANINGS: readonly (readonly [name: string, meaning: string])[] = [
  ['ACC', 'mean accuracy over all tasks, at the end'],
  [
    'BWT',
    'backward transfer: accuracy on a task at the end minus that just after learning it, on average; forgetting makes it negative',
  ],
  [
    'FWT',
    'forward transfer: accuracy on a task just before learning it minus that of the untrained network, on average',
  ],
  ['forgetting', 'best accuracy on a task at any time before the last minus that at the end, on average'],
  ['learned', 'accuracy on each task just after learning it, on average'],
];

/** What the columns of the summary mean. */
export function metricsExplained(width: number): string[] {
  return MEANINGS.flatMap(([name, meaning]) => definition(name, meaning, 12, width));
}

/** The comparison in words: GEM beside another learner, after the same tasks. */
export function verdict(gem: MethodSummary, other: MethodSummary, tasks: number): string {
  const lead = gem.metrics.acc - other.metrics.acc;
  const points = (difference: number) => `${signed(100 * difference, 1)} points`;
  const end =
    `After ${counted(tasks, 'task')} ${gem.name} classifies ${percent(gem.metrics.acc, 1)}% of all test images right and ` +
    `${other.name} ${percent(other.metrics.acc, 1)}%: ${points(lead)}.`;
  if (tasks === 1) return end;
  return (
    `${end} Since it was learned, the accuracy on an earlier task has ` +
    `changed by ${points(gem.metrics.bwt)} with ${gem.name} and by ${points(other.metrics.bwt)} with ${other.name}, on average.`
  );
}
