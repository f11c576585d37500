// The cpu backend: the same primitives as the reference, by WebAssembly vectors where operands and result lie in the heap (heap.ts,
// vectors.ts), and by merged strided loops over typed arrays elsewhere. Both give the same bits.

import { type Backend, type Kernel, type Kernels, kernelsFor, type Operand } from '../../backend.ts';
import { arrayType, bytesOf, convert, type TypedArray } from '../../dtype.ts';
import { ARG_REDUCE, BINARY, COMPARE, REDUCE, SCAN, SOFTMAX, type Spec, UNARY } from '../../primitives.ts';
import { sizeOf } from '../../shape.ts';
import type { Storage } from '../../storage.ts';
import {
  contiguousView,
  isContiguous,
  permuteView,
  positions,
  type Range,
  sliceView,
  type View,
  windowView,
} from '../../view.ts';
import { createSortLine } from './argsort.ts';
import { fuses } from './fma.ts';
import { createGemm } from './gemm.ts';
import {
  addLoop,
  addScaledLoop,
  binaryLoop,
  compareLoop,
  copy,
  gatherLoop,
  type IndexedLoop,
  type Loop1,
  type Loop2,
  reluBackwardLoop,
  scanLoop,
  scatterAddLoop,
  scatterSetLoop,
  unaryLoop,
  whereLoop,
} from './loops.ts';
import type { CpuMemory } from './memory.ts';
import { nestOf, walk } from './nest.ts';
import { Patience } from './patience.ts';
import { createProducts } from './products.ts';
import { foldViews, placesInto, reduceInto } from './reduce.ts';
import { softmaxLine } from './softmax.ts';
import { createSparseProducts } from './sparse-products.ts';
import { Vectors } from './vectors.ts';

/** Elements side by side that are copied as memory: to say so takes as long as to copy a few. */
const LONG_RUN = 64;

const VECTOR_UNARY = ['neg', 'abs', 'sqrt', 'relu', 'floor', 'ceil', 'trunc', 'round'] as const;
const VECTOR_BINARY = ['add', 'sub', 'mul', 'div', 'maximum', 'minimum'] as const;
const isOneOf = <T extends string>(names: readonly T[], name: string): name is T => names.includes(name as T);

/**
 * The device 'cpu', or as 'cpu-fma' the same with float32 products whose multiplications and additions are fused. Those of one memory
 * share their tensors' storage.
 */
export function createCpuBackend(name: 'cpu' | 'cpu-fma', memory: CpuMemory, patience = new Patience()): Backend {
  const relaxed = name === 'cpu-fma';
  const { heap } = memory;
  const gemm = createGemm(heap === null ? { relaxed } : { relaxed, workspace: heap });
  const vectors = Vectors.over(heap, gemm, patience);
  const sparse = heap && createSparseProducts(heap, relaxed);
  const fresh = (out: Spec) => memory.take(out.dtype, sizeOf(out.shape));

  /** An array in which a storage's elements lie: what lies in the heap shares one, so that none is made for it. */
  const arrayOf = (storage: Storage): TypedArray =>
    heap === null || storage.address < 0 ? storage.data : heap.elements(storage.dtype);
  /** A view of a storage as one of that array. */
  const inArray = ({ shape, strides, offset }: View, { address, dtype }: Storage): View => ({
    shape,
    strides,
    offset: address < 0 ? offset : offset + address / bytesOf(dtype),
  });

  /** Maps x into the part of `to` that `where` looks at. */
  const map1 = (loop: Loop1, x: Operand, to: TypedArray, where: View) => {
    const nest = nestOf(x.shape, [where, inArray(x, x.storage)]);
    const from = arrayOf(x.storage);
    const [so, sx] = [nest.steps[0]!, nest.steps[1]!];
    walk(nest, (at) => loop(nest.inner, to, at[0]!, so, from, at[1]!, sx));
  };
  const map2 = (loop: Loop2, a: Operand, b: Operand, out: Spec, result = fresh(out)) => {
    const views = [inArray(contiguousView(out.shape), result), inArray(a, a.storage), inArray(b, b.storage)];
    const nest = nestOf(out.shape, views);
    const [to, left, right] = [arrayOf(result), arrayOf(a.storage), arrayOf(b.storage)];
    const [so, sx, sy] = [nest.steps[0]!, nest.steps[1]!, nest.steps[2]!];
    walk(nest, (at) => loop(nest.inner, to, at[0]!, so, left, at[1]!, sx, right, at[2]!, sy));
    return result;
  };
  /** An elementwise map into fresh storage. */
  const mapped = (loop: Loop1, x: Operand, out: Spec, result = fresh(out)) => {
    map1(loop, x, arrayOf(result), inArray(contiguousView(out.shape), result));
    return result;
  };

  const addInPlace = (sum: Operand, x: Operand): void => {
    if (sum.storage.address >= 0 && vectors?.binary('add', sum, x, sum, sum.storage)) return;
    map2(binaryLoop('add', 'float64'), sum, x, sum, sum.storage);
  };

  const read = (x: Operand): TypedArray => {
    const { data } = x.storage;
    if (isContiguous(x)) return data.slice(x.offset, x.offset + sizeOf(x.shape));
    const host = new (arrayType(x.dtype))(sizeOf(x.shape));
    map1(copy, x, host, contiguousView(x.shape));
    return host;
  };

  const where: Kernel<'where'> = (_, [condition, a, b], out) => {
    const result = fresh(out);
    if (result.address >= 0 && vectors?.where(condition!, a!, b!, out, result)) return result;
    const nest = nestOf(out.shape, [contiguousView(out.shape), condition!, a!, b!]);
    const [to, c, x, y] = [result.data, condition!.storage.data, a!.storage.data, b!.storage.data];
    const [so, sc, sx, sy] = nest.steps as [number, number, number, number];
    walk(nest, (at) => whereLoop(nest.inner, to, at[0]!, so, c, at[1]!, sc, x, at[2]!, sx, y, at[3]!, sy));
    return result;
  };

  /** Lines along one axis, each by a loop. */
  const lines = (loop: Loop1, axis: number, x: Operand, out: Spec, result = fresh(out)) => {
    const last = x.shape.length - 1;
    if (axis === last && isContiguous(x)) {
      const [length, from, to] = [x.shape[last]!, x.storage.data, result.data];
      for (let at = 0; at < to.length; at += length) loop(length, to, at, 1, from, x.offset + at, 1);
      return result;
    }
    const target: Operand = { ...contiguousView(out.shape), dtype: out.dtype, storage: result };
    const from = foldViews(x, [axis]);
    const to = foldViews(target, [axis]);
    const [n, step, stepTo] = [from.inner.shape[0]!, from.inner.strides[0]!, to.inner.strides[0]!];
    const source = x.storage.data;
    const nest = nestOf(from.outer.shape, [from.outer, to.outer]);
    const row = (start: number, startTo: number) => loop(n, result.data, startTo, stepTo, source, start, step);
    walk(nest, (at) => {
      for (let i = 0; i < nest.inner; i++) row(at[0]! + i * nest.steps[0]!, at[1]! + i * nest.steps[1]!);
    });
    return result;
  };

  const argsort: Kernel<'argsort'> = ({ axis, descending }, [x], out) => {
    const result = fresh(out);
    const target: Operand = { ...contiguousView(out.shape), dtype: out.dtype, storage: result };
    const from = foldViews(x!, [axis]);
    const to = foldViews(target, [axis]);
    const [n, step, stepTo] = [from.inner.shape[0]!, from.inner.strides[0]!, to.inner.strides[0]!];
    const sortLine = createSortLine(n);
    const starts = positions(to.outer);
    for (const start of positions(from.outer)) {
      sortLine(n, result.data, starts.next().value as number, stepTo, x!.storage.data, start, step, descending);
    }
    return result;
  };

  /** Runs an indexed loop over `index`, beside the positions it points at in `target` and those of a third operand. */
  const indexed = (
    loop: IndexedLoop,
    index: Operand,
    axis: number,
    target: View,
    targets: Storage,
    other: View,
    others: Storage,
  ) => {
    const { shape, offset } = target;
    const along = { shape, strides: target.strides.map((s, i) => (i === axis ? 0 : s)), offset };
    const stride = target.strides[axis]!;
    const [indices, to, from] = [arrayOf(index.storage), arrayOf(targets), arrayOf(others)];
    const views = [inArray(index, index.storage), inArray(along, targets), inArray(other, others)];
    const nest = nestOf(index.shape, views);
    const [si, st, so] = nest.steps as [number, number, number];
    walk(nest, (at) => loop(nest.inner, indices, at[0]!, si, stride, to, at[1]!, st, from, at[2]!, so));
  };

  const gather: Kernel<'gather'> = ({ axis }, [x, index], out) => {
    const result = fresh(out);
    indexed(gatherLoop, index!, axis, x!, x!.storage, contiguousView(out.shape), result);
    return result;
  };

  const scatter: Kernel<'scatter'> = ({ axis, mode }, [base, index, updates], out) => {
    const result = mapped(copy, base!, out);
    const loop = mode === 'add' ? scatterAddLoop : scatterSetLoop;
    indexed(loop, index!, axis, contiguousView(out.shape), result, updates!, updates!.storage);
    return result;
  };

  /** Copies x into a part of the result. */
  const put = (x: Operand, ranges: readonly Range[], out: Spec, result: Storage) => {
    const part = sliceView(contiguousView(out.shape), ranges);
    if (vectors === null || !vectors.copyInto(x, part, result)) map1(copy, x, result.data, part);
  };

  const concat: Kernel<'concat'> = ({ axis }, inputs, out) => {
    const result = fresh(out);
    const behind = sizeOf(out.shape.slice(axis + 1));
    const run = out.shape[axis]! * behind;
    let start = 0;
    for (const x of inputs) {
      const length = x.shape[axis]! * behind;
      if (length >= LONG_RUN && isContiguous(x)) {
        const { data } = x.storage;
        for (let to = start * behind, from = x.offset; to < result.length; to += run, from += length) {
          result.data.set(data.subarray(from, from + length), to);
        }
      } else {
        put(
          x,
          x.shape.map((d, i) => ({ start: i === axis ? start : 0, step: 1, length: d })),
          out,
          result,
        );
      }
      start += x.shape[axis]!;
    }
    return result;
  };

  const embed: Kernel<'embed'> = ({ ranges, fill }, [x], out) => {
    const result = fresh(out);
    result.data.fill(convert(fill, out.dtype));
    put(x!, ranges, out, result);
    return result;
  };

  // Element by element of a window, for all windows at once: where they lie side by side both sides are long runs.
  const fold: Kernel<'fold'> = ({ windows }, [x], out) => {
    const result = fresh(out);
    if (result.address >= 0 && vectors?.fold(x!, windows, out, result)) return result;
    const total = out.dtype === 'float32' ? new Float64Array(result.length) : result.data;
    total.fill(0);
    const rank = out.shape.length;
    const counted = windows.map((w) => w.axis);
    const order = [
      ...out.shape.map((_, i) => i).filter((i) => !counted.includes(i)),
      ...windows.map((_, i) => rank + i),
      ...counted,
    ];
    const to = permuteView(windowView(contiguousView(out.shape), windows), order);
    const from = permuteView(x!, order);
    const nest = nestOf(to.shape, [to, from]);
    const [st, sf] = nest.steps as [number, number];
    const source = x!.storage.data;
    walk(nest, (at) => addLoop(nest.inner, total, at[0]!, st, source, at[1]!, sf));
    if (result.data !== total) result.data.set(total);
    return result;
  };

  const kernels: Kernels = {
    ...kernelsFor(UNARY, (op) => {
      const loop = unaryLoop(op, 'float64');
      const fast = vectors !== null && isOneOf(VECTOR_UNARY, op) ? op : null;
      const isRelu = op === 'relu';
      return (_, [x], out) => {
        const result = fresh(out);
        if (isRelu) sparse?.rectified(result, out);
        if (fast !== null && result.address >= 0 && vectors!.unary(fast, x!, out, result)) return result;
        return mapped(loop, x!, out, result);
      };
    }),
    exp: (_, [x], out) => {
      const result = fresh(out);
      if (result.address >= 0 && vectors?.exp(x!, out, result)) return result;
      return mapped(unaryLoop('exp', out.dtype), x!, out, result);
    },
    ...kernelsFor(BINARY, (op) => {
      const loops = { int32: binaryLoop(op, 'int32'), float: binaryLoop(op, 'float64') };
      const fast = vectors !== null && isOneOf(VECTOR_BINARY, op) ? op : null;
      return (_, [a, b], out) => {
        const result = fresh(out);
        if (fast !== null && result.address >= 0 && vectors!.binary(fast, a!, b!, out, result)) return result;
        return map2(out.dtype === 'int32' ? loops.int32 : loops.float, a!, b!, out, result);
      };
    }),
    ...kernelsFor(COMPARE, (op) => {
      const loop = compareLoop(op);
      return (_, [a, b], out) => {
        const result = fresh(out);
        if (result.address >= 0 && vectors?.compare(op, a!, b!, out, result)) return result;
        return map2(loop, a!, b!, out, result);
      };
    }),
    ...kernelsFor(REDUCE, (op) => (p, [x], out) => {
      const result = fresh(out);
      if (result.address >= 0 && vectors?.reduce(op, p.axes, x!, out, result)) return result;
      reduceInto(result.data, op, x!, p.axes);
      return result;
    }),
    ...kernelsFor(ARG_REDUCE, (op) => ({ axis }, [x], out) => {
      const result = fresh(out);
      placesInto(result.data, op, x!, axis);
      return result;
    }),
    ...kernelsFor(
      SCAN,
      (op) =>
        ({ axis }, [x], out) =>
          lines(scanLoop(op, out.dtype), axis, x!, out),
    ),
    ...kernelsFor(SOFTMAX, (op) => ({ axis }, [x], out) => {
      const result = fresh(out);
      if (result.address >= 0 && vectors?.softmax(op, axis, x!, out, result)) return result;
      return lines(softmaxLine(op, out.shape[axis]!), axis, x!, out, result);
    }),
    addScaled: ({ scale }, [a, b], out) => {
      const result = fresh(out);
      if (result.address >= 0 && vectors?.addScaled(scale, a!, b!, out, result)) return result;
      return map2(addScaledLoop(scale, out.dtype), a!, b!, out, result);
    },
    reluBackward: (_, [x, g], out) => {
      const result = fresh(out);
      if (result.address >= 0 && vectors?.binary('reluBackward', x!, g!, out, result)) return result;
      return map2(reluBackwardLoop, x!, g!, out, result);
    },
    where,
    argsort,
    ...createProducts({ memory, gemm, vectors, sparse, addInPlace }),
    gather,
    scatter,
    concat,
    embed,
    fold,
    cast: ({ dtype }, [x], out) => {
      const result = fresh(out);
      if (result.address >= 0 && vectors?.cast(x!, out, result)) return result;
      const widens = dtype === 'float64' || dtype === 'float32';
      const loop: Loop1 = widens
        ? copy
        : (n, to, o, so, a, at, sx) => {
            for (let i = 0; i < n; i++) to[o + i * so] = convert(a[at + i * sx]!, dtype);
          };
      return mapped(loop, x!, out, result);
    },
    copy: (_, [x], out) => {
      const result = fresh(out);
      if (result.address >= 0 && vectors?.copy(x!, result)) return result;
      return mapped(copy, x!, out, result);
    },
  };

  return {
    name,
    kernels,
    memory,
    upload: (data, dtype) => memory.upload(data, dtype),
    scalar: (value, dtype) => memory.scalar(value, dtype),
    ...(sparse && { compressRows: sparse.compressRows }),
    read: async (x) => read(x),
    readSync: read,
    setThreads: (size) => gemm.setThreads(size),
    describe: () => ({
      'float32 matmul': gemm.kernel,
      ...(name === 'cpu-fma' ? { 'multiply-add': fuses(gemm) ? 'rounded once' : 'rounded twice on this machine' } : {}),
      threads: String(gemm.threads),
      others: `${vectors === null ? '' : 'vectors over one WebAssembly memory, else '}strided loops in JavaScript`,
    }),
  };
}
