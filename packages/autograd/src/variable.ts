// Variable: a tensor that remembers how it was made. Each op on Variables computes the value and, if an input wants a gradient,
// links the result to its inputs: those links are the tape. There is no other record; drop the result and the tape is gone.

import {
  ArrayOps,
  type DType,
  errors,
  type HoldsStorage,
  isFloat,
  type OperandOf,
  type Primitive,
  type PrimitiveParams,
  type PrintOptions,
  type Shape,
  type Storage,
  storagesOf,
  Tensor,
  type TypedArray,
  tensor,
} from '@gemlab/tensor';
import { type BackwardOptions, backward } from './backward.ts';
import { GradientError } from './errors.ts';
import { recording } from './mode.ts';

/** How a Variable was made. `depth` exceeds every input's, so descending depth is a topological order. */
export interface TapeNode<P extends Primitive = Primitive> {
  readonly op: P;
  readonly params: PrimitiveParams[P];
  readonly inputs: readonly Variable[];
  /** What the inputs held then: a leaf may have been given another value since. */
  readonly values: readonly Tensor[];
  readonly depth: number;
}

export class Variable extends ArrayOps<Variable> implements HoldsStorage {
  /** True if backward reaches this variable. */
  readonly requiresGrad: boolean;
  /** The step that made this variable, or null for a leaf or a constant. */
  readonly node: TapeNode | null;
  /** What backward has accumulated here (leaves only); null before. Itself on the tape if createGraph was asked. */
  grad: Variable | null = null;
  /** The variable that gradients for this one belong to: itself, save for what asOf returns. */
  readonly origin: Variable;
  override readonly wraps = true;
  #value: Tensor;

  /** For the engine; users call `variable`. */
  constructor(value: Tensor, requiresGrad: boolean, node: TapeNode | null = null, origin?: Variable) {
    super();
    this.#value = value;
    this.requiresGrad = requiresGrad;
    this.node = node;
    this.origin = origin ?? this;
  }

  get value(): Tensor {
    return this.#value;
  }

  override get shape(): Shape {
    return this.#value.shape;
  }

  override get dtype(): DType {
    return this.#value.dtype;
  }

  /**
   * Gives a leaf a new value of the same shape and dtype, on any device: what an optimizer does. A tape holds the values
   * that it was made with, so the gradients of one made before stay right.
   * @throws GradientError if this variable was computed; ShapeError or DTypeError if the value does not fit.
   */
  assign(value: Tensor): void {
    if (this.node !== null) {
      throw new GradientError('assign: this variable was computed by an op; only a leaf can be given a value', {
        op: this.node.op,
      });
    }
    if (value.shape.length !== this.rank || value.shape.some((d, i) => d !== this.shape[i])) {
      throw new errors.ShapeError(
        `assign: the new value is ${errors.shapeText(value.shape)}, the variable ${errors.shapeText(this.shape)}`,
        { found: value.shape, expected: this.shape },
      );
    }
    if (value.dtype !== this.dtype) {
      throw new errors.DTypeError(`assign: the new value is ${value.dtype}, the variable ${this.dtype}`, {
        found: value.dtype,
        expected: this.dtype,
      });
    }
    this.#value = value;
  }

  /** For the engine: this variable as it was when it held `value`. Gradients for the answer belong to this one. */
  asOf(value: Tensor): Variable {
    return value === this.#value ? this : new Variable(value, this.requiresGrad, null, this.origin);
  }

  override apply<P extends Primitive>(op: P, params: PrimitiveParams[P], inputs: readonly Variable[]): Variable {
    const values = inputs.map((v) => v.value);
    const value = values[0]!.apply(op, params, values);
    if (!isFloat(value.dtype) || !recording() || !inputs.some((v) => v.requiresGrad)) return new Variable(value, false);
    const depth = 1 + inputs.reduce((most, v) => Math.max(most, v.node?.depth ?? 0), 0);
    return new Variable(value, true, { op, params, inputs, values, depth } as TapeNode);
  }

  override lift(op: string, operand: OperandOf<Variable>, dtype: DType): Variable {
    if (operand instanceof Variable) return operand;
    return new Variable(operand instanceof Tensor ? operand : this.value.lift(op, operand, dtype), false);
  }

  /** The same value as a constant. */
  override detach(): Variable {
    return new Variable(this.value, false);
  }

  protected override hostValues(): TypedArray {
    return this.value.dataSync();
  }

  protected override constant(values: TypedArray, shape: Shape, dtype: DType): Variable {
    return new Variable(tensor(values, { shape, dtype, device: this.value.device }), false);
  }

  /**
   * Accumulates d(this)/d(leaf), weighted by `seed` (ones for a scalar), into the `grad` of every leaf behind this variable.
   * @throws GradientError if nothing here requires a gradient, or a non-scalar has no seed; ShapeError if the seed does not fit.
   */
  backward(seed?: Tensor | Variable, options?: BackwardOptions): void {
    backward(this, seed, options);
  }

  /** The one element of a size-1 variable. @throws ShapeError */
  item(): number | boolean {
    return this.value.item();
  }

  /** As its tensor is printed. @throws PrintOptionError */
  override toString(options: PrintOptions = {}): string {
    // What stands inside the tensor's brackets, with its later lines under the first: 'variable(' is two longer.
    const inside = this.value
      .toString(options)
      .slice('tensor('.length, -1)
      .replaceAll(/\n(?!\n)/g, '\n  ');
    return `variable(${inside}${this.requiresGrad ? ', requiresGrad=true' : ''})`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.value.storage.released ? `variable(released, shape=${errors.shapeText(this.shape)})` : this.toString();
  }

  /** The storages a scope keeps with this variable: its value, its gradient and all of its tape. */
  *[storagesOf](): Generator<Storage> {
    const seen = new Set<Variable>();
    const stack: Variable[] = [this];
    for (let v = stack.pop(); v !== undefined; v = stack.pop()) {
      if (seen.has(v)) continue;
      seen.add(v);
      yield v.value.storage;
      if (v.grad) stack.push(v.grad);
      for (const value of v.node?.values ?? []) yield value.storage;
      for (const input of v.node?.inputs ?? []) stack.push(input);
    }
  }
}

/**
 * A leaf of the tape. With requiresGrad, backward accumulates into its `grad`; without (the default) it is a constant.
 * @throws GradientError if a gradient is wanted of an integer or bool tensor.
 */
export function variable(value: Tensor, options: { readonly requiresGrad?: boolean } = {}): Variable {
  const { requiresGrad = false } = options;
  if (requiresGrad && !isFloat(value.dtype)) {
    throw new GradientError(
      `variable: only floats have gradients, found ${value.dtype}; did you mean .cast('float32')?`,
      {
        dtype: value.dtype,
      },
    );
  }
  return new Variable(value, requiresGrad);
}
