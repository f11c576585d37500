// The reference backend: every primitive as the plainest loop that says what it means, with sums in float64.
// It is the oracle: a faster backend is right when it agrees with this one. Nothing here is tuned.

import { type Backend, type Kernel, type Kernels, kernelsFor, type Operand } from '../backend.ts';
import { arrayType, convert, type DType, type TypedArray } from '../dtype.ts';
import {
  ARG_REDUCE,
  BINARY,
  COMPARE,
  REDUCE,
  SCAN,
  type Scan,
  SOFTMAX,
  type Softmax,
  type Spec,
  UNARY,
} from '../primitives.ts';
import * as scalar from '../scalar.ts';
import { reducedShape, sizeOf } from '../shape.ts';
import { Storage } from '../storage.ts';
import { contiguousView, positions, sliceView, type View, windowView } from '../view.ts';

/** Fresh storage for a result. */
function fresh(out: Spec): Storage {
  return new Storage(out.dtype, new (arrayType(out.dtype))(sizeOf(out.shape)));
}

function* elements(x: Operand): Generator<number> {
  for (const p of positions(x)) yield x.storage.data[p]!;
}

/** The elements of an operand in row-major order, as an array of their own. */
export function readElements(x: Operand): TypedArray {
  const data = new (arrayType(x.dtype))(sizeOf(x.shape));
  let i = 0;
  for (const value of elements(x)) data[i++] = value;
  return data;
}

/** One output element for each step of the operands' common walk. */
function zip(out: Spec, inputs: readonly Operand[], f: (...values: number[]) => number): Storage {
  const result = fresh(out);
  const walks = inputs.map(elements);
  for (let i = 0; i < result.length; i++) {
    result.data[i] = f(...walks.map((w) => w.next().value as number));
  }
  return result;
}

/**
 * The operand seen as rows to be folded: for each output element (row-major), the view of all the elements behind it.
 * Kept axes are walked outside, reduced axes inside.
 */
function* rows(x: Operand, axes: readonly number[]): Generator<View> {
  const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const outer: View = {
    shape: reducedShape(x.shape, axes, false),
    strides: kept.map((i) => x.strides[i]!),
    offset: x.offset,
  };
  const inner = { shape: axes.map((i) => x.shape[i]!), strides: axes.map((i) => x.strides[i]!) };
  for (const offset of positions(outer)) yield { ...inner, offset };
}

function reduce(out: Spec, x: Operand, axes: readonly number[], fold: (values: Iterable<number>) => number): Storage {
  const result = fresh(out);
  let i = 0;
  for (const row of rows(x, axes)) result.data[i++] = fold(elements({ ...x, ...row }));
  return result;
}

const folds: { readonly [P in (typeof REDUCE)[number]]: (values: Iterable<number>, dtype: DType) => number } = {
  sum: (values, dtype) => {
    const plus = scalar.binary('add', dtype);
    let total = 0;
    for (const v of values) total = plus(total, v);
    return total;
  },
  max: (values) => {
    let best = -Infinity;
    for (const v of values) best = Math.max(best, v);
    return best;
  },
  min: (values) => {
    let best = Infinity;
    for (const v of values) best = Math.min(best, v);
    return best;
  },
};

/** The place of the first extreme element; the first NaN counts as the extreme (NumPy's rule). */
function place(values: Iterable<number>, beats: (a: number, b: number) => boolean): number {
  let at = 0;
  let best = Number.NaN;
  let i = 0;
  for (const v of values) {
    if (i === 0 || (!Number.isNaN(best) && (Number.isNaN(v) || beats(v, best)))) {
      best = v;
      at = i;
    }
    i++;
  }
  return at;
}

const argsort: Kernel<'argsort'> = ({ axis, descending }, [x], out) => {
  const result = fresh(out);
  const to = rows({ ...x!, ...contiguousView(out.shape) }, [axis]);
  // NaN is the largest.
  const ascending = (a: number, b: number) => Number(a > b || Number.isNaN(a)) - Number(a < b || Number.isNaN(b));
  for (const from of rows(x!, [axis])) {
    const line = [...elements({ ...x!, ...from })];
    const order = line.map((_, i) => i).sort((i, j) => (descending ? -1 : 1) * ascending(line[i]!, line[j]!));
    const walk = positions(to.next().value as View);
    for (const i of order) result.data[walk.next().value as number] = i;
  }
  return result;
};

const matmul: Kernel<'matmul'> = (_, [a, b], out) => {
  const result = fresh(out);
  const [m, n] = [out.shape.at(-2)!, out.shape.at(-1)!];
  const k = a!.shape.at(-1)!;
  const [plus, times] = [scalar.binary('add', out.dtype), scalar.binary('mul', out.dtype)];
  const batch = (x: Operand) => positions({ shape: x.shape.slice(0, -2), strides: x.strides, offset: x.offset });
  const batchB = batch(b!);
  let i = 0;
  for (const startA of batch(a!)) {
    const startB = batchB.next().value as number;
    for (let row = 0; row < m; row++) {
      for (let col = 0; col < n; col++) {
        let total = 0;
        for (let j = 0; j < k; j++) {
          const left = a!.storage.data[startA + row * a!.strides.at(-2)! + j * a!.strides.at(-1)!]!;
          const right = b!.storage.data[startB + j * b!.strides.at(-2)! + col * b!.strides.at(-1)!]!;
          total = plus(total, times(left, right));
        }
        result.data[i++] = total;
      }
    }
  }
  return result;
};

const linear: Kernel<'linear'> = (_, [x, weight, bias], out) => {
  const result = fresh(out);
  const [plus, times] = [scalar.binary('add', out.dtype), scalar.binary('mul', out.dtype)];
  const biases = bias && readElements(bias);
  let i = 0;
  for (const row of rows(x!, [x!.shape.length - 1])) {
    let col = 0;
    for (const of of rows(weight!, [1])) {
      const weights = elements({ ...weight!, ...of });
      let total = 0;
      for (const value of elements({ ...x!, ...row }))
        total = plus(total, times(value, weights.next().value as number));
      result.data[i] = total;
      // The product is rounded before the bias is added, as two primitives would have it.
      if (biases) result.data[i] = plus(result.data[i]!, biases[col++]!);
      i++;
    }
  }
  return result;
};

/** Where element (.., i, ..) of `index` points in `target`: the position with i replaced by the index's value. */
function* targets(target: View, index: Operand, axis: number): Generator<number> {
  const along = target.strides.map((s, i) => (i === axis ? 0 : s));
  const stride = target.strides[axis]!;
  const walk = positions({ shape: index.shape, strides: along, offset: target.offset });
  for (const i of elements(index)) yield (walk.next().value as number) + i * stride;
}

const gather: Kernel<'gather'> = ({ axis }, [x, index], out) => {
  const result = fresh(out);
  let i = 0;
  for (const p of targets(x!, index!, axis)) result.data[i++] = x!.storage.data[p]!;
  return result;
};

const scatter: Kernel<'scatter'> = ({ axis, mode }, [base, index, updates], out) => {
  const result = new Storage(out.dtype, readElements(base!));
  const walk = elements(updates!);
  for (const p of targets(contiguousView(out.shape), index!, axis)) {
    const value = walk.next().value as number;
    result.data[p] = mode === 'add' ? result.data[p]! + value : value;
  }
  return result;
};

/** Writes an operand into the part of `result` that `where` looks at. */
function write(result: Storage, where: View, x: Operand): void {
  const walk = elements(x);
  for (const p of positions(where)) result.data[p] = walk.next().value as number;
}

const concat: Kernel<'concat'> = ({ axis }, inputs, out) => {
  const result = fresh(out);
  let start = 0;
  for (const x of inputs) {
    const ranges = x.shape.map((length, i) => ({ start: i === axis ? start : 0, step: 1, length }));
    write(result, sliceView(contiguousView(out.shape), ranges), x);
    start += x.shape[axis]!;
  }
  return result;
};

const embed: Kernel<'embed'> = ({ ranges, fill }, [x], out) => {
  const result = fresh(out);
  result.data.fill(convert(fill, out.dtype));
  write(result, sliceView(contiguousView(out.shape), ranges), x!);
  return result;
};

const fold: Kernel<'fold'> = ({ windows }, [x], out) => {
  const total = new Float64Array(sizeOf(out.shape));
  const add = scalar.binary('add', out.dtype);
  const walk = elements(x!);
  for (const p of positions(windowView(contiguousView(out.shape), windows))) {
    total[p] = add(total[p]!, walk.next().value as number);
  }
  return new Storage(out.dtype, arrayType(out.dtype).from(total));
};

const scan =
  (op: Scan): Kernel<Scan> =>
  ({ axis }, [x], out) => {
    const result = fresh(out);
    const step = scalar.binary(op === 'cumsum' ? 'add' : 'mul', out.dtype);
    // The same rows of the operand and of the result, side by side.
    const to = rows({ ...x!, ...contiguousView(out.shape) }, [axis]);
    for (const from of rows(x!, [axis])) {
      const row = to.next().value as View;
      let total = op === 'cumsum' ? 0 : 1;
      const walk = positions(row);
      for (const v of elements({ ...x!, ...from })) {
        total = step(total, v);
        result.data[walk.next().value as number] = total;
      }
    }
    return result;
  };

const softmax =
  (op: Softmax): Kernel<Softmax> =>
  ({ axis }, [x], out) => {
    const result = fresh(out);
    const to = rows({ ...x!, ...contiguousView(out.shape) }, [axis]);
    for (const from of rows(x!, [axis])) {
      const line = [...elements({ ...x!, ...from })];
      const largest = folds.max(line, out.dtype);
      const shifted = line.map((v) => v - (Number.isFinite(largest) ? largest : 0));
      const sum = folds.sum(shifted.map(Math.exp), 'float64');
      const walk = positions(to.next().value as View);
      for (const v of shifted) {
        result.data[walk.next().value as number] = op === 'softmax' ? Math.exp(v) / sum : v - Math.log(sum);
      }
    }
    return result;
  };

export const referenceKernels: Kernels = {
  ...kernelsFor(UNARY, (op) => (_, inputs, out) => zip(out, inputs, scalar.unary[op])),
  ...kernelsFor(BINARY, (op) => (_, inputs, out) => zip(out, inputs, scalar.binary(op, out.dtype))),
  ...kernelsFor(COMPARE, (op) => (_, inputs, out) => zip(out, inputs, (a, b) => (scalar.compare[op](a, b) ? 1 : 0))),
  ...kernelsFor(
    REDUCE,
    (op) =>
      (p, [x], out) =>
        reduce(out, x!, p.axes, (values) => folds[op](values, out.dtype)),
  ),
  ...kernelsFor(SCAN, scan),
  ...kernelsFor(SOFTMAX, softmax),
  ...kernelsFor(
    ARG_REDUCE,
    (op) =>
      (p, [x], out) =>
        reduce(out, x!, [p.axis], (values) => place(values, op === 'argmax' ? (a, b) => a > b : (a, b) => a < b)),
  ),
  addScaled: ({ scale }, inputs, out) =>
    zip(out, inputs, (a, b) => a + convert(convert(scale, out.dtype) * b, out.dtype)),
  reluBackward: (_, inputs, out) => zip(out, inputs, (x, g) => (x <= 0 ? 0 : g)),
  where: (_, inputs, out) => zip(out, inputs, (c, a, b) => (c !== 0 ? a : b)),
  argsort,
  matmul,
  linear,
  gather,
  scatter,
  concat,
  embed,
  fold,
  cast: ({ dtype }, inputs, out) => zip(out, inputs, (x) => convert(x, dtype)),
  copy: (_, [x], out) => new Storage(out.dtype, readElements(x!)),
};

/** The oracle, as a device of its own: `tensor(data, { device: 'reference' })`. */
export function createReferenceBackend(): Backend {
  return {
    name: 'reference',
    kernels: referenceKernels,
    upload: (data: TypedArray, dtype: DType) => new Storage(dtype, data),
    read: async (x) => readElements(x),
    readSync: readElements,
    describe: () => ({ kernels: 'naive loops, float64 sums' }),
  };
}
