// Variable: a tensor that remembers how it was made. Each op on Variables computes the value and, if an input wants a
// gradient, links the result to its inputs: those links are the tape. There is no other record; drop the result and the
// tape is gone.

import {
  ArrayOps,
  type Device,
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
import { inspectStep } from './anomaly.ts';
import { type BackwardOptions, backward } from './backward.ts';
import { kindOf, wantTensor } from './checks.ts';
import { GradientError } from './errors.ts';
import { current, mode } from './mode.ts';
import { type StepKind, type StepParams, stepName, type TapeNode } from './tape.ts';

/** Looks at a gradient as it comes by, and may put another in its place. */
export type GradientHook = (gradient: Variable) => Variable | Tensor | undefined;

const NONE = Object.freeze([]);

export class Variable extends ArrayOps<Variable> implements HoldsStorage {
  /** True if backward reaches this variable. */
  readonly requiresGrad: boolean;
  /** The step that made this variable, or null for a leaf or a constant. */
  readonly node: TapeNode | null;
  /** What backward has accumulated here (see retainGrad); null before. Itself on the tape if createGraph was asked. */
  grad: Variable | null = null;
  /** The variable that gradients for this one belong to: itself, save for what asOf returns. */
  readonly origin: Variable;
  #value: Tensor;
  #hooks: readonly { readonly hook: GradientHook }[] = NONE;
  #retains = false;

  /** For the engine; users call `variable`. */
  constructor(value: Tensor, requiresGrad: boolean, node: TapeNode | null = null, origin?: Variable) {
    super();
    this.#value = value;
    this.requiresGrad = requiresGrad;
    this.node = node;
    this.origin = origin ?? this;
  }

  /** The value: a tensor like any other, which neither changes nor dies when this is given another one. */
  get value(): Tensor {
    const value = current(this).#value;
    value.storage.share();
    return value;
  }

  /** For the engine: the value, for ops only. Whoever lets anyone hold it must take `value` (see `privately`). */
  get peek(): Tensor {
    return current(this).#value;
  }

  override get wraps(): boolean {
    return true;
  }

  override get shape(): Shape {
    return this.#value.shape;
  }

  override get dtype(): DType {
    return this.#value.dtype;
  }

  /** The name of the device that holds the value. */
  get device(): Device {
    return this.#value.device;
  }

  /**
   * Gives a leaf a new value of the same shape and dtype, on any device: what an optimizer does. A tape holds the
   * values that it was made with, so the gradients of one made before stay right.
   * @throws GradientError if this variable was computed; DataError, ShapeError or DTypeError if the value does not fit.
   */
  assign(value: Tensor): void {
    wantTensor('assign: the new value', value);
    const target = current(this);
    if (target.node !== null) {
      throw new GradientError('assign: this variable was computed by an op; only a leaf can be given a value', {
        op: stepName(target.node),
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
    const before = target.#value;
    target.#value = value;
    if (before.storage !== value.storage) before.storage.retire();
  }

  /** For the engine: this variable as it was when it held `value`. Gradients for the answer belong to this one. */
  asOf(value: Tensor): Variable {
    return value === this.#value ? this : new Variable(value, this.requiresGrad, null, this.origin);
  }

  override apply<P extends Primitive>(op: P, params: PrimitiveParams[P], given: readonly Variable[]): Variable {
    const inputs = mode().substitutes === null ? given : given.map(current);
    const values = new Array<Tensor>(inputs.length);
    for (let i = 0; i < inputs.length; i++) {
      const value = inputs[i]!.#value;
      if (value.storage.isPrivate) value.storage.use();
      values[i] = value;
    }
    return record(op, params, inputs, values, values[0]!.apply(op, params, values));
  }

  override lift(op: string, operand: OperandOf<Variable>, dtype: DType, shape?: Shape): Variable {
    if (operand instanceof Variable) return operand;
    return new Variable(operand instanceof Tensor ? operand : this.peek.lift(op, operand, dtype, shape), false);
  }

  /** The same value as a constant. */
  override detach(): Variable {
    return new Variable(this.value, false);
  }

  protected override hostValues(): TypedArray {
    return this.peek.dataSync();
  }

  protected override constant(values: TypedArray, shape: Shape, dtype: DType): Variable {
    return new Variable(tensor(values, { shape, dtype, device: this.peek.device }), false);
  }

  /**
   * Accumulates d(this)/d(leaf), weighted by `seed` (ones for a scalar), into the `grad` of every leaf behind this
   * variable.
   * @throws GradientError if nothing here requires a gradient, or a non-scalar has no seed; DataError or ShapeError if the
   * seed does not fit.
   */
  backward(seed?: Tensor | Variable, options?: BackwardOptions): void {
    backward(this, seed, options);
  }

  /** Whether backward leaves a gradient in `grad`: in leaves that require one, and where retainGrad was called. */
  get retainsGrad(): boolean {
    return this.requiresGrad && (this.node === null || this.#retains);
  }

  /**
   * Has backward leave its gradient in `grad` though this is no leaf.
   * @throws GradientError if this requires no gradient.
   */
  retainGrad(): this {
    this.#wantGradient('retainGrad');
    this.#retains = true;
    return this;
  }

  /**
   * Calls `hook` with the gradient of this variable, all of its contributions added up, in each walk that reaches it:
   * before it is passed on, and before it is added to `grad`. What the hook returns, if anything, takes the gradient's
   * place. Hooks are called in the order in which they were registered.
   * @returns a function that removes the hook again.
   * @throws GradientError if this requires no gradient, or the hook is no function; later, in backward, GradientError or
   * ShapeError if what the hook returns is no gradient, or has another shape.
   */
  registerHook(hook: GradientHook): () => void {
    this.#wantGradient('registerHook');
    if (typeof hook !== 'function')
      throw new GradientError(`registerHook: a hook is a function, found ${kindOf(hook)}`, { hook });
    const entry = { hook };
    this.#hooks = [...this.#hooks, entry];
    return () => {
      this.#hooks = this.#hooks.filter((other) => other !== entry);
    };
  }

  /** Whether hooks look at the gradients of this variable. */
  get hasHooks(): boolean {
    return this.#hooks.length > 0;
  }

  /** For the engine: a gradient as the hooks leave it. */
  hooked(gradient: Variable): Variable {
    if (this.#hooks.length === 0) return gradient;
    return this.#hooks.reduce((g, { hook }) => {
      const returned = hook(g) ?? g;
      if (!(returned instanceof ArrayOps)) {
        throw new GradientError(
          `registerHook: the hook returned ${kindOf(returned)}; it returns a gradient, or nothing: (g) => { ... }`,
          { found: returned },
        );
      }
      if (errors.shapeText(returned.shape) !== errors.shapeText(g.shape)) {
        throw new errors.ShapeError(
          `registerHook: the hook returned ${errors.shapeText(returned.shape)} for a gradient of ${errors.shapeText(g.shape)}`,
          { found: returned.shape, expected: g.shape },
        );
      }
      return g.lift('registerHook', returned, g.dtype).cast(g.dtype);
    }, gradient);
  }

  #wantGradient(what: string): void {
    if (!this.requiresGrad) {
      throw new GradientError(
        `${what}: no gradient ever reaches this variable, as it does not require one; make it with ` +
          'variable(x, { requiresGrad: true }), and check that it was not computed under noGrad',
      );
    }
  }

  /** The one element of a size-1 variable. @throws ShapeError */
  item(): number | boolean {
    return this.peek.item();
  }

  /** As its tensor is printed. @throws PrintOptionError */
  override toString(options: PrintOptions = {}): string {
    // What stands inside the tensor's brackets, with its later lines under the first: 'variable(' is two longer.
    const inside = this.peek
      .toString(options)
      .slice('tensor('.length, -1)
      .replaceAll(/\n(?!\n)/g, '\n  ');
    const origin = this.node !== null ? `, op=${stepName(this.node)}` : this.requiresGrad ? ', requiresGrad=true' : '';
    return `variable(${inside}${origin})`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.peek.storage.released ? `variable(released, shape=${errors.shapeText(this.shape)})` : this.toString();
  }

  /** The storages a scope keeps with this variable: its value, its gradient and all of its tape. */
  *[storagesOf](): Generator<Storage> {
    const seen = new Set<Variable>();
    const stack: Variable[] = [this];
    for (let v = stack.pop(); v !== undefined; v = stack.pop()) {
      if (seen.has(v)) continue;
      seen.add(v);
      yield v.#value.storage;
      if (v.grad) stack.push(v.grad);
      for (const value of v.node?.values ?? []) yield value.storage;
      for (const input of v.node?.inputs ?? []) stack.push(input);
    }
  }
}

/** For the engine: the result of a step, on the tape if it can be differentiated and the tape is on. */
export function record(
  op: StepKind,
  params: StepParams[StepKind],
  inputs: readonly Variable[],
  values: readonly Tensor[],
  value: Tensor,
): Variable {
  const { recording, made, watch } = mode();
  const site = watch === null ? null : inspectStep(watch, stepName({ op, params }), values, value);
  if (!recording || !isFloat(value.dtype)) return new Variable(value, false);
  let requiresGrad = false;
  let depth = 1;
  for (const input of inputs) {
    if (input.requiresGrad) requiresGrad = true;
    if (input.node !== null && input.node.depth >= depth) depth = input.node.depth + 1;
  }
  if (!requiresGrad) return new Variable(value, false);
  const v = new Variable(value, true, { op, params, inputs, values, depth, site } as TapeNode);
  made?.add(v);
  return v;
}

/**
 * A leaf of the tape. With requiresGrad, backward accumulates into its `grad`; without (the default) it is a constant.
 * @throws DataError unless the value is a tensor; GradientError if a gradient is wanted of an integer or bool tensor.
 */
export function variable(value: Tensor, options: { readonly requiresGrad?: boolean } = {}): Variable {
  wantTensor('variable: the value', value);
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
