// Two runs side by side: from which step on they differ, in what, and what came of it.

import { type AccuracyMatrix, MetricError } from '../metrics/accuracy-matrix.ts';
import type { Json } from '../state.ts';
import type { RecordLine } from './records.ts';
import { readRun, type SavedRun } from './run.ts';
import type { RunStore } from './store.ts';

/** The numbers that a finished run comes down to. */
export interface RunMetrics {
  readonly acc: number;
  /** These are null where what they need was not measured: forgetting with cadence 'transfer', others in a run that saveRun began late. */
  readonly bwt: number | null;
  readonly fwt: number | null;
  readonly forgetting: number | null;
  readonly learningAccuracy: number | null;
}

export interface RunSummary {
  readonly config: Json;
  readonly finished: boolean;
  /** Steps and experiences saved. */
  readonly steps: number;
  readonly trained: number;
  /** Of the last measurement, task by task; null before the first. */
  readonly accuracies: readonly (number | null)[] | null;
  /** null until the run is finished, and measured on all tasks. */
  readonly metrics: RunMetrics | null;
}

export interface RunDifference {
  readonly kind: RecordLine['kind'];
  /** Steps before it. */
  readonly step: number;
  /** What differs in the record: 'loss', 'plugins.gem.dots.0', ... */
  readonly fields: readonly string[];
}

export interface RunComparison {
  readonly first: RunSummary;
  readonly second: RunSummary;
  /** The first record that both have and that differs in anything; null if there is none. */
  readonly difference: RunDifference | null;
  /** The first step that both have and whose loss differs: the model did, when it began. */
  readonly lossDiffersFrom: number | null;
}

/** @throws RunFileError as readRun. */
export async function compareRuns(first: RunStore, second: RunStore): Promise<RunComparison> {
  const [a, b] = [await readRun(first), await readRun(second)];
  const others = new Map(b.records.map((line) => [keyOf(line), line]));
  const pairs = a.records.flatMap((line) => {
    const other = others.get(keyOf(line));
    return other === undefined ? [] : [[line, other] as const];
  });
  const differs = pairs.find(([x, y]) => JSON.stringify(x) !== JSON.stringify(y));
  const loss = (line: RecordLine) => (line.kind === 'step' ? line.loss : null);
  return {
    first: summaryOf(a),
    second: summaryOf(b),
    difference:
      differs === undefined
        ? null
        : { kind: differs[0].kind, step: differs[0].step, fields: differing('', ...differs) },
    lossDiffersFrom: pairs.find(([x, y]) => loss(x) !== loss(y))?.[0].step ?? null,
  };
}

const keyOf = (line: RecordLine) => (line.kind === 'step' ? `step ${line.step}` : `eval ${line.trained}`);

function metricsOf(matrix: AccuracyMatrix): RunMetrics | null {
  const acc = measured(() => matrix.acc());
  return acc === null
    ? null
    : {
        acc,
        bwt: measured(() => matrix.bwt()),
        fwt: measured(() => matrix.fwt()),
        forgetting: measured(() => matrix.forgetting()),
        learningAccuracy: measured(() => matrix.learningAccuracy()),
      };
}

/** A metric; null where an accuracy that it needs was not measured. */
function measured(metric: () => number): number | null {
  try {
    return metric();
  } catch (error) {
    if (error instanceof MetricError) return null;
    throw error;
  }
}

function summaryOf({ config, finished, checkpoints, matrix }: SavedRun): RunSummary {
  const { step = 0, trained = 0 } = checkpoints.at(-1) ?? {};
  const rows = matrix === null ? [] : [matrix.baseline, ...matrix.accuracies];
  const accuracies = rows.findLast((row) => row.some((accuracy) => accuracy !== null)) ?? null;
  const metrics = finished && matrix !== null ? metricsOf(matrix) : null;
  return { config, finished, steps: step, trained, accuracies, metrics };
}

/** The paths of the values in which two pieces of plain data differ. */
function differing(path: string, a: unknown, b: unknown): string[] {
  const isObject = (x: unknown): x is object => typeof x === 'object' && x !== null;
  if (!isObject(a) || !isObject(b)) return Object.is(a, b) ? [] : [path];
  const of = (x: object, key: string) => (x as Record<string, unknown>)[key];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return keys.flatMap((key) => differing(path === '' ? key : `${path}.${key}`, of(a, key), of(b, key)));
}
