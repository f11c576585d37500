// Making tensors: from data, from a rule. (From a generator: draw.ts.)

import { describe } from './describe.ts';
import { backendOf, type DeviceChoice } from './device.ts';
import { type DType, type TypedArray, weakDType } from './dtype.ts';
import { DataError, ShapeError } from './errors.ts';
import { expandTo } from './ops/carrier.ts';
import { checkShape, fitShape, type Shape, sizeOf, withRoom } from './shape.ts';
import { fromArray, type Nested, Tensor } from './tensor.ts';
import { contiguousView } from './view.ts';

export interface TensorOptions {
  /** Element type. By default `tensor` sees it in the data, `full` in the value, `arange` in the bounds; else float32. */
  readonly dtype?: DType;
  /** 'cpu' by default; a tensor given as data stays where it is. */
  readonly device?: DeviceChoice;
}

/**
 * A tensor of the given values: a number, a boolean, nested arrays (one level for each axis), a typed array (1-d) or another
 * tensor; reshaped to `shape` if one is given. Float64Array gives float64, Int32Array int32, booleans alone bool, any other
 * numbers float32, unless `dtype` says otherwise.
 * @throws DataError if the nesting is ragged or holds something else; ShapeError if the values do not fill the shape.
 */
export function tensor(
  data: Nested | TypedArray | Uint8ClampedArray | Tensor,
  options: TensorOptions & { readonly shape?: Shape } = {},
): Tensor {
  if (data instanceof Tensor) {
    const moved = data.cast(options.dtype ?? data.dtype).to(options.device ?? data.device);
    return options.shape === undefined ? moved : moved.reshape(options.shape);
  }
  const backend = backendOf(options.device ?? 'cpu');
  const { values, shape, dtype } = ArrayBuffer.isView(data) ? readTyped(data) : readNested(data);
  const fitted = options.shape === undefined ? shape : fitShape('tensor', shape, options.shape);
  return fromArray(values, fitted, options.dtype ?? dtype, backend);
}

/**
 * As `tensor`, of a typed array whose memory the tensor takes over in place of a copy: the array is empty afterwards, as one that was
 * transferred to another thread is. (One that is a part of a larger buffer, or of one that cannot be transferred, is copied, and stays.)
 * @throws DataError for anything but a Float64Array, Float32Array or Int32Array; ShapeError if the values do not fill the shape.
 */
export function fromBuffer(
  array: Float64Array | Float32Array | Int32Array,
  options: { readonly shape?: Shape; readonly device?: DeviceChoice } = {},
): Tensor {
  const isOwnType = [Float64Array, Float32Array, Int32Array].some((type) => array instanceof type);
  if (!isOwnType) {
    const fix = 'tensor() takes other data';
    throw new DataError(
      `fromBuffer: expected a Float64Array, Float32Array or Int32Array, found ${describe(array)}; ${fix}`,
      { array },
    );
  }
  const { dtype } = readTyped(array);
  const shape = fitShape('fromBuffer', [array.length], options.shape ?? [array.length]);
  const backend = backendOf(options.device ?? 'cpu');
  return new Tensor(backend, backend.upload(transferred(array), dtype), contiguousView(shape));
}

/** The same elements in an array that nobody else has. */
function transferred<A extends Float64Array | Float32Array | Int32Array>(array: A): A {
  const { buffer, byteLength } = array;
  const clone = (globalThis as { structuredClone?: (value: unknown, options: { transfer: unknown[] }) => A })
    .structuredClone;
  const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && byteLength > 0;
  if (!isWhole || clone === undefined) return array.slice() as A;
  try {
    return clone(array, { transfer: [buffer] });
  } catch {
    // A buffer that its owner does not let go, such as a WebAssembly memory's.
    return array.slice() as A;
  }
}

/** Data as it was found: its elements in row-major order, and the shape and dtype that suit it. */
interface Found {
  readonly values: ArrayLike<number>;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

function readTyped(data: TypedArray | Uint8ClampedArray): Found {
  if (typeof data[0] === 'bigint' || !('length' in data)) {
    throw new DataError(`tensor: expected an array of numbers, found ${describe(data)}`, { data });
  }
  const dtype = data instanceof Float64Array ? 'float64' : data instanceof Int32Array ? 'int32' : 'float32';
  return { values: data, shape: [data.length], dtype };
}

function readNested(data: Nested): Found {
  const shape = nestedShape(data);
  const values: number[] = [];
  const kinds = new Set<string>();
  flattenInto(values, kinds, data, shape, []);
  return { values, shape, dtype: kinds.has('boolean') && !kinds.has('number') ? 'bool' : 'float32' };
}

/** The shape that the first path down the nesting suggests; flattenInto checks the others against it. */
function nestedShape(data: Nested): number[] {
  const shape: number[] = [];
  for (let level: Nested | undefined = data; Array.isArray(level); level = level[0]) shape.push(level.length);
  return shape;
}

function flattenInto(values: number[], kinds: Set<string>, data: Nested, shape: Shape, path: number[]): void {
  const at = () => (path.length === 0 ? 'the top level' : `[${path.join('][')}]`);
  if (path.length === shape.length) {
    if (typeof data !== 'number' && typeof data !== 'boolean') {
      throw new DataError(`tensor: expected a number or boolean at ${at()}, found ${describe(data)}`, { path });
    }
    kinds.add(typeof data);
    values.push(Number(data));
    return;
  }
  const want = shape[path.length]!;
  if (!Array.isArray(data) || data.length !== want) {
    throw new DataError(`tensor: ragged data: expected an array of ${want} at ${at()}, found ${describe(data)}`, {
      path,
    });
  }
  // By index, because forEach would pass over the holes of a sparse array.
  for (let i = 0; i < want; i++) {
    path.push(i);
    flattenInto(values, kinds, data[i], shape, path);
    path.pop();
  }
}

/** A tensor that holds `value` everywhere. @throws ShapeError; DataError if the value is none. */
export function full(shape: Shape, value: number | boolean, options: TensorOptions = {}): Tensor {
  return filled('full', shape, value, options);
}

/** @throws ShapeError */
export function zeros(shape: Shape, options: TensorOptions = {}): Tensor {
  return filled('zeros', shape, 0, options);
}

/** @throws ShapeError */
export function ones(shape: Shape, options: TensorOptions = {}): Tensor {
  return filled('ones', shape, 1, options);
}

function filled(op: string, shape: Shape, value: number | boolean, options: TensorOptions): Tensor {
  checkShape(op, shape);
  if (typeof value !== 'number' && typeof value !== 'boolean') {
    throw new DataError(`${op}: the value is a number or a boolean, found ${describe(value)}`, { value });
  }
  const dtype = options.dtype ?? (typeof value === 'boolean' ? 'bool' : 'float32');
  const one = fromArray([Number(value)], [], dtype, backendOf(options.device ?? 'cpu'));
  return withRoom(op, shape, () => expandTo(one, [...shape]).copy());
}

/**
 * start + i * step for i < ceil((stop - start) / step), with `start` 0 when only one argument is given: up to, not including,
 * `stop` (as in NumPy, rounding of a fractional step may let one more through; linspace is exact). int32 when all three are
 * int32 values.
 * @throws ShapeError if step is 0 or anything is not finite.
 */
export function arange(start: number, stop?: number, step = 1, options: TensorOptions = {}): Tensor {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (step === 0 || ![from, to, step].every(Number.isFinite)) {
    throw new ShapeError(`arange: wants finite numbers and a step other than 0, found ${from}, ${to}, ${step}`, {
      start: from,
      stop: to,
      step,
    });
  }
  const n = Math.max(0, Math.ceil((to - from) / step));
  const dtype =
    options.dtype ?? ([from, to, step].every((x) => weakDType(x, 'int32') === 'int32') ? 'int32' : 'float32');
  return made('arange', [n], dtype, options, (values) => {
    for (let i = 0; i < n; i++) values[i] = from + i * step;
  });
}

/** `count` evenly spaced numbers from start to stop, both included. @throws ShapeError; DataError for ends that are no numbers. */
export function linspace(start: number, stop: number, count: number, options: TensorOptions = {}): Tensor {
  if (typeof start !== 'number' || typeof stop !== 'number') {
    const found = `${describe(start)} and ${describe(stop)}`;
    throw new DataError(`linspace: start and stop are numbers, found ${found}`, { start, stop });
  }
  checkShape('linspace', [count]);
  return made('linspace', [count], options.dtype ?? 'float32', options, (values) => {
    for (let i = 0; i < count; i++) values[i] = start + ((stop - start) * i) / Math.max(1, count - 1);
    if (count > 1) values[count - 1] = stop;
  });
}

/** Ones on the diagonal: [rows, columns], square when one number is given. @throws ShapeError */
export function eye(rows: number, columns = rows, options: TensorOptions = {}): Tensor {
  checkShape('eye', [rows, columns]);
  return made('eye', [rows, columns], options.dtype ?? 'float32', options, (values) => {
    for (let i = 0; i < Math.min(rows, columns); i++) values[i * columns + i] = 1;
  });
}

/** A tensor of the numbers that `write` puts in the place of zeros. @throws ShapeError where there is no memory for it. */
function made(
  op: string,
  shape: Shape,
  dtype: DType,
  { device }: TensorOptions,
  write: (values: Float64Array) => void,
): Tensor {
  const backend = backendOf(device ?? 'cpu');
  return withRoom(op, shape, () => {
    const values = new Float64Array(sizeOf(shape));
    write(values);
    return fromArray(values, shape, dtype, backend);
  });
}
