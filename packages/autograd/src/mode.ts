// What ops do beside computing, right now: whether they write on the tape, and who else takes note. It is the call
// stack's shadow, like a scope: `within` changes it for as long as its function runs and puts it back even when that
// throws, so nothing outlives the call.

import { GradientError } from './errors.ts';
import type { Variable } from './variable.ts';

export interface Mode {
  /** Whether results are put on the tape. */
  readonly recording: boolean;
  /** Variables that read as others for now (functionalCall, checkpoint). */
  readonly substitutes: ReadonlyMap<Variable, Variable> | null;
  /** Collects what is put on the tape (checkpoint). */
  readonly made: Set<Variable> | null;
  /** Looks at every result (detectAnomaly). */
  readonly watch: Watch | null;
}

/** What detectAnomaly looks for. */
export interface Watch {
  readonly infinities: boolean;
}

let now: Mode = { recording: true, substitutes: null, made: null, watch: null };

export function mode(): Mode {
  return now;
}

/** For the engine: what `v` reads as now. */
export function current(v: Variable): Variable {
  return now.substitutes?.get(v) ?? v;
}

/** Runs `fn` in another mode. @throws GradientError if fn returns a promise: a mode lasts only until fn returns. */
export function within<T>(name: string, change: Partial<Mode>, fn: () => T): T {
  const before = now;
  now = { ...before, ...change };
  try {
    const result = fn();
    if (result instanceof Promise) {
      // Its own failure would only repeat the error thrown here.
      result.catch(() => undefined);
      throw new GradientError(
        `${name}: the function returned a promise; it holds only until the function returns, not after an await`,
      );
    }
    return result;
  } finally {
    now = before;
  }
}

/**
 * Runs `fn` without a tape: what it computes is constant. There is no inference mode beside it: nothing is tracked here
 * that noGrad would still pay for.
 * @throws GradientError if fn returns a promise.
 */
export function noGrad<T>(fn: () => T): T {
  return within('noGrad', { recording: false }, fn);
}

/** Runs `fn` with a tape, also inside noGrad. @throws GradientError if fn returns a promise. */
export function enableGrad<T>(fn: () => T): T {
  return within('enableGrad', { recording: true }, fn);
}
