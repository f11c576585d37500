// One surface, two carriers. Every public op is written once, here in ops/, in terms of a single abstract method,
// `apply`, that performs one primitive. Tensor applies it to numbers; autograd's Variable applies it to numbers and
// writes it on the tape. So both have the same names, argument forms and errors, and a model runs with or without a tape.
//
// The families of ops extend one another, a dozen deep. Their helpers are `private _name`, not `#name`: a class with private names has
// something to construct, so that every new tensor would pass through a dozen constructors and carry the mark of each. That took a fifth
// of a small training step.

import { describe } from '../describe.ts';
import { type DType, promote, type TypedArray, weakDType } from '../dtype.ts';
import { DataError, DTypeError } from '../errors.ts';
import type { Primitive, PrimitiveParams } from '../primitives.ts';
import { broadcastShapes, type Shape, sameShape, sizeOf } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

/** Another operand: a carrier of the same kind, or a Tensor, which is a constant to every carrier. */
export type ArrayOf<Self> = Self | Tensor;
/** What a binary op accepts beside the carrier itself: another operand, or a plain number. */
export type OperandOf<Self> = ArrayOf<Self> | number;

export abstract class Carrier<Self extends Carrier<Self>> {
  /** Sizes of the axes; [] is a scalar. */
  abstract readonly shape: Shape;
  abstract readonly dtype: DType;

  /** True for a carrier that wraps tensors, and so can lift a plain one beside it. */
  abstract readonly wraps: boolean;

  /** Performs one primitive. Inputs are checked, of one dtype and shape where the primitive wants that. */
  abstract apply<P extends Primitive>(op: P, params: PrimitiveParams[P], inputs: readonly Self[]): Self;

  /**
   * A constant, or any other operand, as this kind of carrier. A number becomes a scalar, or is repeated to `shape`.
   * @throws DataError if it is neither a carrier nor a number.
   */
  abstract lift(op: string, operand: OperandOf<Self>, dtype: DType, shape?: Shape): Self;

  /** The same values as a constant: no gradient flows through (a Tensor is one already). */
  abstract detach(): Self;

  /** Host copy of the elements in row-major order: the op layer reads indices, masks and pivots, to check and to follow them. */
  protected abstract hostValues(): TypedArray;

  /** The other way round: elements that the op layer has worked out, as a constant beside this carrier. */
  protected abstract constant(values: TypedArray, shape: Shape, dtype: DType): Self;

  protected get self(): Self {
    return this as unknown as Self;
  }

  /** How many axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** How many elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /**
   * The same values as another dtype. Floats become int32 by truncation (NaN becomes 0, out-of-range values saturate);
   * anything but 0 becomes true.
   */
  cast(dtype: DType): Self {
    return dtype === this.dtype ? this.self : this.apply('cast', { dtype }, [this.self]);
  }
}

/** The operand that lifts the others: a wrapping carrier if there is one. @throws DataError if all are numbers, or it is no list. */
export function leader<T extends Carrier<T>>(op: string, operands: readonly OperandOf<T>[]): T {
  if (!Array.isArray(operands)) {
    throw new DataError(`${op}: wants an array of tensors, found ${describe(operands)}; did you mean ${op}([a, b])?`, {
      operands,
    });
  }
  let found: T | undefined;
  for (const x of operands) {
    if (!(x instanceof Carrier)) continue;
    if (x.wraps) return x as T;
    found ??= x as T;
  }
  if (found === undefined) {
    throw new DataError(
      `${op}: wants at least one tensor, found ${operands.length === 0 ? 'nothing' : 'only numbers'}`,
      {
        operands,
      },
    );
  }
  return found;
}

/** Expands x to `shape` (which it broadcasts to). */
export function expandTo<T extends Carrier<T>>(x: T, shape: Shape): T {
  return sameShape(x.shape, shape) ? x : x.apply('expand', { shape }, [x]);
}

/** Two operands brought to one dtype and one shape, ready for a primitive. bool counts as int32 in arithmetic. */
export function meet<T extends Carrier<T>>(op: string, a: T, operand: OperandOf<T>, arithmetic: boolean): [T, T] {
  const b = a.lift(op, operand, typeof operand === 'number' ? weakDType(operand, a.dtype) : a.dtype, a.shape);
  const met = promote(a.dtype, b.dtype);
  const dtype = arithmetic && met === 'bool' ? 'int32' : met;
  const shape = sameShape(a.shape, b.shape) ? a.shape : broadcastShapes(op, a.shape, b.shape);
  return [expandTo(a.cast(dtype), shape), expandTo(b.cast(dtype), shape)];
}

/** An index operand as int32. @throws DTypeError if it is not made of integers. */
export function wantIndex<T extends Carrier<T>>(op: string, index: T): T {
  if (index.dtype !== 'int32') {
    throw new DTypeError(`${op}: indices must be int32, found ${index.dtype}; did you mean .cast('int32')?`, {
      dtype: index.dtype,
    });
  }
  return index;
}
