// Errors of the tape. Like those of @gemlab/tensor they carry the values found and say how to mend it.

import { errors } from '@gemlab/tensor';

/** A gradient was asked of something that has none: an integer, a constant, a non-scalar without a seed. */
export class GradientError extends errors.GemlabError {}

/**
 * A step's derivative failed. `fields` says which step, and where it was called if detectAnomaly was watching; `cause`
 * is why.
 */
export class BackwardError extends GradientError {
  override readonly cause: unknown;

  constructor(message: string, fields: Record<string, unknown>, cause: unknown) {
    super(message, fields);
    this.cause = cause;
  }
}

/**
 * NaN or an infinity arose under detectAnomaly; `fields` says in which op, where that was called, and at which element.
 */
export class AnomalyError extends GradientError {}

/** Analytic and numeric derivative disagree; `fields` has both numbers and the order. */
export class GradcheckError extends GradientError {}

/** A module got parameters or inputs that do not fit it. */
export class ModuleError extends errors.GemlabError {}

/** An optimizer's setting outside its range. */
export class OptimizerError extends errors.GemlabError {}

/**
 * A saved state that does not fit the module or optimizer that it is loaded into; `fields` has what is wrong with it.
 */
export class StateError extends errors.GemlabError {}

/**
 * A dataset that cannot be built, or a question that it cannot answer; `fields` has the offending argument and what it
 * was.
 */
export class DatasetError extends errors.GemlabError {
  constructor(operation: string, argument: string, found: unknown, message: string) {
    super(`${operation}: ${message}`, { argument, found });
  }
}
