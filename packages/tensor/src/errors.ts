// Errors teach: every error is a named class that carries the values it speaks of, and its message
// states the op, what was found, the rule that was broken and a likely fix.

/** The base of every error this workspace throws. `fields` holds the values found, for programs. */
export class GemlabError extends Error {
  /** A string, for a minifier renames classes. */
  static override readonly name: string = 'GemlabError';
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(message: string, fields: Record<string, unknown> = {}) {
    super(message);
    this.name = new.target.name;
    this.fields = fields;
  }
}

/** Shapes that do not fit together, or a shape that is not a list of non-negative integers. */
export class ShapeError extends GemlabError {
  static override readonly name: string = 'ShapeError';
}

/** An axis outside `[-rank, rank)`, or one named twice. */
export class AxisError extends GemlabError {
  static override readonly name: string = 'AxisError';
}

/** An index outside its axis, or an index that is not an integer. */
export class IndexError extends GemlabError {
  static override readonly name: string = 'IndexError';
}

/** A dtype that an op does not accept. */
export class DTypeError extends GemlabError {
  static override readonly name: string = 'DTypeError';
}

/** Input data that is ragged, or holds something that is neither a number nor a boolean. */
export class DataError extends GemlabError {
  static override readonly name: string = 'DataError';
}

/** A device that does not exist here, or operands that live on different devices. */
export class DeviceError extends GemlabError {
  static override readonly name: string = 'DeviceError';
}

/** A tensor read after the scope that owned its storage has ended. */
export class ScopeError extends GemlabError {
  static override readonly name: string = 'ScopeError';
}

/** An option that has no such value: an unknown mode. */
export class OptionError extends GemlabError {
  static override readonly name: string = 'OptionError';
}

/** An einsum equation that is malformed, or does not fit the number of its operands. */
export class EquationError extends GemlabError {
  static override readonly name: string = 'EquationError';
}

/** A matrix that has no inverse. */
export class SingularMatrixError extends GemlabError {
  static override readonly name: string = 'SingularMatrixError';
}

/** A matrix that has no Cholesky factor. */
export class NotPositiveDefiniteError extends GemlabError {
  static override readonly name: string = 'NotPositiveDefiniteError';
}

/** A window that cannot be laid: a kernel size, stride, padding, dilation or number of groups outside its range, or no room. */
export class WindowError extends GemlabError {
  static override readonly name: string = 'WindowError';
}

/** `[2, 3]` as it appears in messages. */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(',')}]`;
}
