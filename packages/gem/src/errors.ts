/**
 * The errors of @gemlab/gem. Every error is a named class that carries what a program needs to react (fields) and what a person needs to
 * fix the call (message): the operation, the argument in the caller's own words, what was found, what was expected.
 */

import { errors } from '@gemlab/tensor';

/** The root of every error that this package throws on purpose; `catch (e) { if (e instanceof GemError) ... }` takes them all. */
export class GemError extends errors.GemlabError {
  static override readonly name: string = 'GemError';
  /** The public function that was called. */
  readonly operation: string;

  /** @param found what the message speaks of, for `fields` */
  constructor(operation: string, message: string, found: Record<string, unknown> = {}) {
    super(`${operation}: ${message}`, { operation, ...found });
    this.operation = operation;
  }
}

/** An argument whose length, row count or row length contradicts another argument. */
export class ShapeMismatchError extends GemError {
  static override readonly name: string = 'ShapeMismatchError';
  /** The offending argument in the caller's words: `G`, `G[3]`, `ub`. */
  readonly argument: string;
  readonly found: number;
  readonly expected: number;

  constructor(operation: string, argument: string, found: number, expected: number, why: string) {
    super(operation, `${argument} has length ${found}, expected ${expected}: ${why}`, {
      argument,
      found,
      expected,
    });
    this.argument = argument;
    this.found = found;
    this.expected = expected;
  }
}

/** A matrix, right-hand side or bound of a quadratic program that is missing, of the wrong kind or holds a value it must not hold. */
export class QPInputError extends GemError {
  static override readonly name: string = 'QPInputError';
  /** `P`, `q`, `G`, `h`, `A`, `b`, `lb`, `ub` or the name of an option. */
  readonly argument: string;
  /** Row of a matrix or position in a vector, when one entry is to blame. */
  readonly row: number | undefined;
  /** Column of a matrix, when one entry is to blame. */
  readonly column: number | undefined;

  constructor(argument: string, message: string, at: { readonly row?: number; readonly column?: number } = {}) {
    super('solveQP', message, { argument, ...at });
    this.argument = argument;
    this.row = at.row;
    this.column = at.column;
  }
}

/** A solver's trace that does not follow from its problem: it was changed, is of another problem, or the solver is wrong. */
export class TraceMismatchError extends GemError {
  static override readonly name: string = 'TraceMismatchError';
  /** The first step that does not fit, from 1; 0 for what comes before it. */
  readonly iteration: number;
  /** What does not fit, such as `x` or `multiplier of lower 3`. */
  readonly what: string;

  constructor(iteration: number, what: string, found: string | number | null, expected: string) {
    super('replayTrace', `iteration ${iteration}: ${what} is ${found}, expected ${expected}`, {
      iteration,
      what,
      found,
      expected,
    });
    this.iteration = iteration;
    this.what = what;
  }
}

/** A NaN or an infinity inside a gradient: the projection of such a gradient has no meaning, and the training run has diverged. */
export class NonFiniteGradientError extends GemError {
  static override readonly name: string = 'NonFiniteGradientError';
  /** The offending vector in the caller's words: `g`, `G[3]`, `gRef`. */
  readonly argument: string;
  /** The row of G, undefined for `g` and `gRef`. */
  readonly row: number | undefined;
  /** Position of the first offending entry inside that vector. */
  readonly index: number;
  /** NaN, Infinity or -Infinity. */
  readonly value: number;
  /** In training: the task whose memory it is the gradient on; undefined for that of the current batch. */
  readonly task: number | undefined;
  /** In training: the parameter that the entry belongs to, by its path in the model. */
  readonly parameter: string | undefined;

  constructor(
    operation: string,
    argument: string,
    row: number | undefined,
    index: number,
    value: number,
    { task, parameter, text }: { readonly task?: number; readonly parameter?: string; readonly text?: string } = {},
  ) {
    super(
      operation,
      `${argument}[${index}] is ${value}${text === undefined ? '' : `: ${text}`}; every entry of a gradient must be finite. ` +
        'Lower the learning rate, clip the gradient, or look for log(0) and x/0 in the loss',
      { argument, row, index, value, ...(parameter === undefined ? {} : { task, parameter }) },
    );
    this.argument = argument;
    this.row = row;
    this.index = index;
    this.value = value;
    this.task = task;
    this.parameter = parameter;
  }
}

/** Gradients in float64 so large or so small that their inner products leave its range: of those the signs say nothing. */
export class GradientScaleError extends GemError {
  static override readonly name: string = 'GradientScaleError';
  /** The largest |entry| of g, and of the gradients on the memories. */
  readonly largest: readonly [g: number, G: number];

  constructor(operation: string, largest: readonly [g: number, G: number]) {
    super(
      operation,
      `the largest entries of g and G are ${largest.join(' and ')}, and inner products of such gradients are no float64; ` +
        'scale the loss so that the entries are between 1e-130 and 1e130',
      { largest },
    );
    this.largest = largest;
  }
}

/** An option outside its domain: an unknown profile, a negative memory strength or ridge. */
export class InvalidOptionError extends GemError {
  static override readonly name: string = 'InvalidOptionError';
  readonly option: string;
  readonly value: unknown;

  constructor(operation: string, option: string, value: unknown, expected: string) {
    super(operation, `${option} is ${String(value)}; expected ${expected}`, { option, value });
    this.option = option;
    this.value = value;
  }
}

/** The projection's quadratic program did not reach its optimum. The cone always holds z = 0, so this reports a defect, not bad luck. */
export class ProjectionFailedError extends GemError {
  static override readonly name: string = 'ProjectionFailedError';
  /** The status that solveQP returned. */
  readonly status: string;

  constructor(operation: string, status: string, relativeResidual: number) {
    super(
      operation,
      `the projection's quadratic program ended as '${status}' (relative KKT residual ${relativeResidual}); ` +
        'this should be impossible: please report g and G',
      { status, relativeResidual },
    );
    this.status = status;
  }
}
