// Whether ops write on the tape right now. The depth counter is the call stack's shadow, like a scope: noGrad raises it for
// as long as its function runs and puts it back even when that throws, so nothing outlives the call.

import { GradientError } from './errors.ts';

let suspended = 0;

export function recording(): boolean {
  return suspended === 0;
}

/**
 * Runs `fn` without a tape: what it computes is constant.
 * @throws GradientError if fn returns a promise: a tape is suspended only until fn returns.
 */
export function noGrad<T>(fn: () => T): T {
  suspended++;
  try {
    const result = fn();
    if (result instanceof Promise) {
      throw new GradientError('noGrad: the function returned a promise; what runs after an await would be on the tape');
    }
    return result;
  } finally {
    suspended--;
  }
}
