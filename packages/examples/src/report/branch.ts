// What became of a branch: the run and its branch side by side.

import type { RunComparison, RunMetrics } from '@gemlab/gem';
import type { ChalkInstance } from 'chalk';
import type { Settings } from '../examples/example.ts';
import { fixed, listing, signed } from './numbers.ts';
import { table, wrap } from './text.ts';

/** A branch as --json prints it. */
export interface BranchResult {
  readonly example: string;
  readonly learner: string;
  /** The first step under the changed settings. */
  readonly step: number;
  readonly change: Partial<Settings>;
  readonly folder: string;
  readonly interrupted: boolean;
  readonly comparison: RunComparison;
  readonly seconds: number;
  readonly versions: Readonly<Record<string, string>>;
}

const METRICS: readonly (readonly [name: string, metric: keyof RunMetrics, text: typeof fixed])[] = [
  ['ACC', 'acc', fixed],
  ['BWT', 'bwt', signed],
  ['FWT', 'fwt', signed],
  ['forgetting', 'forgetting', fixed],
  ['learned', 'learningAccuracy', fixed],
];

const TRANSFER: readonly (keyof RunMetrics)[] = ['bwt', 'fwt', 'forgetting'];

export function branchReport(
  { learner, step, change, comparison }: BranchResult,
  width: number,
  paint: ChalkInstance,
): string[] {
  const changed = Object.entries(change).map(([name, value]) => `${name} = ${value}`);
  const title = `${learner}, branched at step ${step}: ${changed.join(', ')}`;
  return [
    '',
    paint.bold(title),
    paint.dim('─'.repeat(title.length)),
    ...wrap(onset(comparison, step), width),
    '',
    ...results(comparison),
  ];
}

/** From when on they differ. */
function onset({ difference, lossDiffersFrom }: RunComparison, step: number): string {
  const same = `Up to step ${step} the branch is the run, bit for bit.`;
  if (difference === null) return `${same} It is so to the end: what changed made no difference.`;
  // The step's loss stands in GEM's record of it as well.
  const fields = [...new Set(difference.fields.map((field) => field.replace('plugins.gem.', '')))];
  const named = listing(fields.length > 4 ? [...fields.slice(0, 3), `${fields.length - 3} more`] : fields);
  const losses =
    lossDiffersFrom === null
      ? 'No loss differs'
      : `The losses differ from step ${lossDiffersFrom} on: by then the weights have parted`;
  return `${same} The first record that differs is that of step ${difference.step}, in ${named}. ${losses}.`;
}

/** Metrics and accuracies, one line each; a dash where there is nothing yet. */
function results({ first, second }: RunComparison): string[] {
  const line = (name: string, a: number | null | undefined, b: number | null | undefined, text: typeof fixed) => {
    const [x, y] = [a ?? Number.NaN, b ?? Number.NaN];
    return [name, text(x, 3), text(y, 3), signed(y - x, 3)];
  };
  // Of one task alone there is nothing to say about earlier and later ones.
  const isKnown = (metric: keyof RunMetrics) => first.accuracies?.length !== 1 || !TRANSFER.includes(metric);
  const metrics = METRICS.map(([name, metric, text]) =>
    isKnown(metric)
      ? line(name, first.metrics?.[metric], second.metrics?.[metric], text)
      : line(name, null, null, text),
  );
  const tasks = (first.accuracies ?? []).map((value, i) => line(`task ${i + 1}`, value, second.accuracies?.[i], fixed));
  const open = [first, second].flatMap(({ finished, steps }, i) =>
    finished ? [] : [`${i === 0 ? 'The run' : 'The branch'} is not finished: it is at step ${steps}.`],
  );
  const rows = [['', 'run', 'branch', 'difference'], ...metrics, [], ...tasks];
  return [...table(rows, ['left', 'right', 'right', 'right']), ...(open.length === 0 ? [] : ['', ...open])];
}
