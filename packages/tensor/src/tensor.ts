// Tensor: an immutable n-dimensional array, i.e. a storage and a view of it. All its ops are inherited from ops/;
// this file says how a primitive is performed on numbers, and how the numbers get out.

import type { Backend, Operand } from './backend.ts';
import { describe } from './describe.ts';
import { backendOf, type Device, type DeviceChoice } from './device.ts';
import type { DType, TypedArray } from './dtype.ts';
import { arrayType, convert } from './dtype.ts';
import { DataError, DeviceError, ShapeError, shapeText } from './errors.ts';
import type { OperandOf } from './ops/carrier.ts';
import { NormalizeOps } from './ops/normalize.ts';
import {
  type ComputePrimitive,
  type Primitive,
  type PrimitiveParams,
  type Spec,
  specOf,
  type ViewParams,
} from './primitives.ts';
import { formatArray, type PrintOptions } from './print.ts';
import { type Shape, sizeOf, withRoom } from './shape.ts';
import { type HoldsStorage, type Storage, storagesOf } from './storage.ts';
import {
  contiguousView,
  expandView,
  isContiguous,
  permuteView,
  reshapeView,
  sliceView,
  type View,
  windowView,
} from './view.ts';

/** Numbers or booleans in nested arrays, one level for each axis. */
export type Nested = number | boolean | readonly Nested[];

type ViewRule<P extends keyof ViewParams> = (view: View, params: ViewParams[P]) => View | null;

const viewRules: { readonly [P in keyof ViewParams]: ViewRule<P> } = {
  reshape: (view, { shape }) => reshapeView(view, shape),
  permute: (view, { axes }) => permuteView(view, axes),
  slice: (view, { ranges }) => sliceView(view, ranges),
  expand: (view, { shape }) => expandView(view, shape),
  window: (view, { windows }) => windowView(view, windows),
};

const SCALAR = contiguousView([]);

type KernelOf = (params: unknown, inputs: readonly Operand[], out: Spec) => Storage;

/** For so many elements there may be no memory. */
const LARGE = 2 ** 24;

/** A function of its own: who catches errors in each op makes a small training step 2% slower. */
function large(op: string, kernel: KernelOf, params: unknown, inputs: readonly Operand[], out: Spec): Storage {
  return withRoom(op, out.shape, () => kernel(params, inputs, out));
}

export class Tensor extends NormalizeOps<Tensor> implements Operand, HoldsStorage {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Storage elements between neighbours along each axis. */
  readonly strides: readonly number[];
  /** Where in the storage the first element lies. */
  readonly offset: number;
  readonly storage: Storage;
  readonly backend: Backend;

  /** For the engine; users call `tensor`, `zeros` and their like. */
  constructor(backend: Backend, storage: Storage, view: View) {
    super();
    this.backend = backend;
    this.storage = storage;
    this.dtype = storage.dtype;
    this.shape = view.shape;
    this.strides = view.strides;
    this.offset = view.offset;
  }

  override get wraps(): boolean {
    return false;
  }

  /** The name of the device that holds the elements. */
  get device(): Device {
    return this.backend.name as Device;
  }

  /** True if the elements lie one after another in row-major order. */
  get isContiguous(): boolean {
    return isContiguous(this);
  }

  override apply<P extends Primitive>(op: P, params: PrimitiveParams[P], inputs: readonly Tensor[]): Tensor {
    const source = inputs[0]!;
    const rule = viewRules[op as keyof ViewParams] as ((view: View, params: unknown) => View | null) | undefined;
    if (rule !== undefined) {
      const view = rule(source, params);
      if (view !== null) return new Tensor(source.backend, source.storage, view);
      return this.apply(op, params, [this.apply('copy', {}, [source])]);
    }
    const { backend } = source;
    for (const x of inputs) if (x.backend !== backend) throw devicesDiffer(op, inputs);
    const out = specOf(op, params, inputs);
    const kernel = backend.kernels[op as ComputePrimitive] as KernelOf;
    const made = sizeOf(out.shape) < LARGE ? kernel(params, inputs, out) : large(op, kernel, params, inputs, out);
    return new Tensor(backend, made, contiguousView(out.shape));
  }

  override lift(op: string, operand: OperandOf<Tensor>, dtype: DType, shape: Shape = []): Tensor {
    if (operand instanceof Tensor) return operand;
    if (typeof operand !== 'number') {
      const hint = Array.isArray(operand) ? '; did you mean tensor([...])?' : '';
      throw new DataError(`${op}: expected a tensor or a number, found ${describe(operand)}${hint}`, { operand });
    }
    const { backend } = this;
    const value = convert(operand, dtype);
    const storage = backend.scalar?.(value, dtype) ?? backend.upload(arrayType(dtype).of(value), dtype);
    return new Tensor(backend, storage, expandView(SCALAR, shape));
  }

  override detach(): Tensor {
    return this;
  }

  protected override hostValues(): TypedArray {
    return this.dataSync();
  }

  protected override constant(values: TypedArray, shape: Shape, dtype: DType): Tensor {
    return fromArray(values, shape, dtype, this.backend);
  }

  /** The same values on another device. Between 'cpu' and 'cpu-fma' nothing is copied. */
  to(device: DeviceChoice): Tensor {
    const backend = backendOf(device);
    if (backend === this.backend) return this;
    const isShared = backend.memory !== undefined && backend.memory === this.backend.memory;
    if (isShared) return new Tensor(backend, this.storage, this);
    return new Tensor(backend, backend.upload(this.dataSync(), this.dtype), contiguousView(this.shape));
  }

  /** A tensor of its own, contiguous, with the same values. */
  copy(): Tensor {
    return this.apply('copy', {}, [this]);
  }

  /** A fresh host copy of the elements in row-major order (bool as bytes 0 and 1). @throws ScopeError */
  data(): Promise<TypedArray> {
    return this.backend.read(this);
  }

  /** As `data`, at once. @throws ScopeError; DeviceError where the device cannot be read synchronously. */
  dataSync(): TypedArray {
    return withRoom('dataSync', this.shape, () => this.backend.readSync(this));
  }

  /** The one element of a size-1 tensor; true or false for bool. @throws ShapeError for any other size. */
  item(): number | boolean {
    if (this.size !== 1) {
      throw new ShapeError(`item: only a tensor of one element is a number; this one is ${shapeText(this.shape)}`, {
        shape: this.shape,
      });
    }
    const value = this.dataSync()[0]!;
    return this.dtype === 'bool' ? value !== 0 : value;
  }

  /** The elements as nested arrays, one level for each axis; a scalar gives a number or boolean. */
  toArray(): Nested {
    const data = this.dataSync();
    const element = (i: number) => (this.dtype === 'bool' ? data[i] !== 0 : data[i]!);
    const build = (axis: number, start: number, span: number): Nested => {
      if (axis === this.rank) return element(start);
      const step = span / Math.max(1, this.shape[axis]!);
      return Array.from({ length: this.shape[axis]! }, (_, i) => build(axis + 1, start + i * step, step));
    };
    return build(0, 0, this.size);
  }

  /** As NumPy prints arrays; above `threshold` elements only those at the edges. @throws PrintOptionError */
  override toString(options: PrintOptions = {}): string {
    const data = this.dataSync();
    const shape = this.size === 0 && this.rank > 1 ? `, shape=${shapeText(this.shape)}` : '';
    const suffix = `${shape}${this.dtype === 'float32' ? '' : `, dtype=${this.dtype}`})`;
    const source = { shape: this.shape, dtype: this.dtype, at: (i: number) => data[i]! };
    return `tensor(${formatArray(source, { ...options, prefix: 'tensor(', suffix })}${suffix}`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.storage.released ? `tensor(released, shape=${shapeText(this.shape)})` : this.toString();
  }

  [storagesOf](): Iterable<Storage> {
    return [this.storage];
  }
}

function devicesDiffer(op: string, inputs: readonly Tensor[]): DeviceError {
  const devices = inputs.map((t) => t.device);
  const other = devices.find((device) => device !== devices[0]);
  return new DeviceError(`${op}: operands live on '${devices[0]}' and '${other}'; move one with .to('${devices[0]}')`, {
    devices,
  });
}

/** Elements in row-major order as a tensor of their own. */
export function fromArray(values: ArrayLike<number>, shape: Shape, dtype: DType, backend: Backend): Tensor {
  const data = new (arrayType(dtype))(sizeOf(shape));
  if (dtype === 'int32' || dtype === 'bool') {
    for (let i = 0; i < data.length; i++) data[i] = convert(values[i]!, dtype);
  } else data.set(values);
  return new Tensor(backend, backend.upload(data, dtype), contiguousView(shape));
}
