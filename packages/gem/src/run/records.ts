// The history of a run as JSON lines: what each step and each measurement did. Lines hold nothing that depends on the machine or the
// clock on the wall, so two runs did the same exactly if their lines are the same. Each line says by which schema it is written, so files
// may be cut and joined between lines. (read-records.ts reads them.)

import type { Clock, EvalResult, Strategy } from '../strategy/strategy.ts';

/** It changes when a field changes its meaning or goes. */
export const RECORD_SCHEMA = 1;

/** One training step. */
export interface StepLine {
  readonly schema: typeof RECORD_SCHEMA;
  readonly kind: 'step';
  /** Steps, experiences, epochs and steps of this epoch before it. */
  readonly step: number;
  readonly experience: number;
  readonly epoch: number;
  readonly iteration: number;
  /** null where it was not finite. */
  readonly loss: number | null;
  /** By plugin, what it recorded of the step: GEM's StepRecord under 'gem'. */
  readonly plugins: Readonly<Record<string, unknown>>;
}

/** One measurement of the model on all tasks. */
export interface EvalLine {
  readonly schema: typeof RECORD_SCHEMA;
  readonly kind: 'eval';
  /** Steps and experiences before it. */
  readonly step: number;
  readonly trained: number;
  readonly results: readonly EvalResult[];
}

export type RecordLine = StepLine | EvalLine;

/**
 * The step that is being finished, or was just now. A plugin takes part with a property `lastRecord` that is not null.
 * @param clock as it was before the step.
 */
export function stepLine({ lastLoss, plugins }: Strategy, { step, experience, epoch, iteration }: Clock): StepLine {
  const records = plugins.flatMap((plugin) => {
    const record = (plugin as { readonly lastRecord?: unknown }).lastRecord ?? null;
    return record === null ? [] : [[plugin.name, record] as const];
  });
  return {
    schema: RECORD_SCHEMA,
    kind: 'step',
    step,
    experience,
    epoch,
    iteration,
    loss: Number.isFinite(lastLoss) ? lastLoss : null,
    plugins: Object.fromEntries(records),
  };
}

/** The measurement that was just made. */
export const evalLine = ({ clock, results }: Strategy): EvalLine => ({
  schema: RECORD_SCHEMA,
  kind: 'eval',
  step: clock.step,
  trained: clock.experience,
  results,
});

export const linesText = (lines: readonly RecordLine[]): string =>
  lines.map((line) => `${JSON.stringify(line)}\n`).join('');
