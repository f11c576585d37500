// A finished (or interrupted) run as plain data: what --json prints and what the report is made of.

import type { AccuracyMatrixJSON, StepRecord } from '@gemlab/gem';
import { AccuracyMatrix } from '@gemlab/gem';
import type { PresetName, Settings } from '../examples/example.ts';
import type { Numbers } from '../methods/method.ts';
import type { Metrics } from '../report/summary.ts';

export interface MethodResult {
  readonly name: string;
  /** Its learning rate, and what else it has numbers for. Runs recorded by version 0.1 have none. */
  readonly numbers?: Numbers;
  /** Wall-clock time of training and testing. */
  readonly seconds: number;
  /** Training steps taken. */
  readonly steps: number;
  /** Steps whose gradient GEM changed; null for a learner without GEM. */
  readonly projectedSteps: number | null;
  /** Tasks trained on and measured: all, unless the run was interrupted. */
  readonly trained: number;
  /** Over the tasks trained on; null before the first. */
  readonly metrics: Metrics | null;
  readonly matrix: AccuracyMatrixJSON;
}

/** A learner whose gradient ceased to be finite, so that there was no going on. */
export interface Divergence {
  readonly name: string;
  readonly numbers: Numbers;
  /** Training steps taken until then. */
  readonly steps: number;
  /** What was found, and where. */
  readonly reason: string;
}

/** What came out of comparing learners on a stream. */
export interface Comparison {
  readonly tasks: readonly string[];
  readonly interrupted: boolean;
  /** One for each learner that was begun and has not diverged. */
  readonly methods: readonly MethodResult[];
  /** Runs recorded before there was such a list have none. */
  readonly diverged?: readonly Divergence[];
  /** The first step that GEM changed in the latest task in which it changed any; failing that, any with past tasks. */
  readonly step: StepRecord | null;
}

export interface RunResult extends Comparison {
  readonly example: string;
  /** The preset that the settings started from. */
  readonly preset: PresetName;
  readonly settings: Settings;
  readonly seconds: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** The metrics of the stream's beginning that has been trained on: the first `trained` rows and columns. */
export function metricsSoFar({ accuracies, baseline }: AccuracyMatrixJSON, trained: number): Metrics | null {
  if (trained === 0) return null;
  const part = AccuracyMatrix.fromJSON({
    tasks: trained,
    accuracies: accuracies.slice(0, trained).map((row) => row.slice(0, trained)),
    baseline: baseline.slice(0, trained),
  });
  // Of a run that stopped early, 'transfer' has only the last two tasks measured at its end.
  if (part.accuracies.at(-1)!.some((accuracy) => accuracy === null)) return null;
  const hasEarlier = trained > 1;
  return {
    acc: part.acc(),
    bwt: hasEarlier ? part.bwt() : Number.NaN,
    fwt: hasEarlier ? part.fwt() : Number.NaN,
    forgetting: hasEarlier && part.isComplete ? part.forgetting() : null,
    learningAccuracy: part.learningAccuracy(),
  };
}
