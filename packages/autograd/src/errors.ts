// Errors of the tape. Like those of @gemlab/tensor they carry the values found and say how to mend it.

import { errors } from '@gemlab/tensor';

/** A gradient was asked of something that has none: an integer, a constant, a non-scalar without a seed. */
export class GradientError extends errors.GemlabError {
  static override readonly name: string = 'GradientError';
}

/**
 * A step's derivative failed. `fields` says which step, and where it was called if detectAnomaly was watching; `cause`
 * is why.
 */
export class BackwardError extends GradientError {
  static override readonly name: string = 'BackwardError';
  override readonly cause: unknown;

  constructor(message: string, fields: Record<string, unknown>, cause: unknown) {
    super(message, fields);
    this.cause = cause;
  }
}

/**
 * NaN or an infinity arose under detectAnomaly; `fields` says in which op, where that was called, and at which element.
 */
export class AnomalyError extends GradientError {
  static override readonly name: string = 'AnomalyError';
}

/** Analytic and numeric derivative disagree; `fields` has both numbers and the order. */
export class GradcheckError extends GradientError {
  static override readonly name: string = 'GradcheckError';
}

/** A module got parameters or inputs that do not fit it. */
export class ModuleError extends errors.GemlabError {
  static override readonly name: string = 'ModuleError';
}

/** An optimizer's setting outside its range. */
export class OptimizerError extends errors.GemlabError {
  static override readonly name: string = 'OptimizerError';
}

/**
 * A saved state that does not fit the module or optimizer that it is loaded into; `fields` has what is wrong with it.
 */
export class StateError extends errors.GemlabError {
  static override readonly name: string = 'StateError';
}

/**
 * A dataset that cannot be built, or a question that it cannot answer; `fields` has the offending argument and what it
 * was.
 */
export class DatasetError extends errors.GemlabError {
  static override readonly name: string = 'DatasetError';
  constructor(operation: string, argument: string, found: unknown, message: string) {
    super(`${operation}: ${message}`, { argument, found });
  }
}
