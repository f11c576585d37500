// The closed set of primitives. Every public op of Tensor and Variable lowers to these and to nothing else: a backend
// implements the ones that compute, the derivative table (in @gemlab/autograd) has one entry for each.
//
// Operands arrive ready: the op layer has checked them, brought them to one dtype and expanded them to one shape, so
// a primitive has one form. (Broadcasting is thereby differentiated once, in `expand`.)

import type { DType } from './dtype.ts';
import { reducedShape, type Shape } from './shape.ts';
import { type Range, type Window, windowShape } from './view.ts';

/** Maps one element to one element. Those up to relu take any numbers and keep the dtype; the others get floats. */
export const UNARY = [
  'neg',
  'abs',
  'sign',
  'floor',
  'ceil',
  'round',
  'trunc',
  'relu',
  'exp',
  'expm1',
  'log',
  'log1p',
  'log2',
  'log10',
  'sqrt',
  'sin',
  'cos',
  'tan',
  'asin',
  'acos',
  'atan',
  'sinh',
  'cosh',
  'tanh',
  'asinh',
  'acosh',
  'atanh',
  'sigmoid',
  'erf',
  'erfc',
] as const;
/** Combines two elements of one dtype into one of that dtype. */
export const BINARY = ['add', 'sub', 'mul', 'div', 'pow', 'mod', 'maximum', 'minimum', 'atan2', 'hypot'] as const;
/** Compares two elements of one dtype; gives bool. */
export const COMPARE = ['eq', 'lt', 'le'] as const;
/** Folds axes away. */
export const REDUCE = ['sum', 'max', 'min'] as const;
/** Folds each element with all those before it along one axis. */
export const SCAN = ['cumsum', 'cumprod'] as const;
/** Turns the elements along one axis into a distribution, or into the logarithms of one. */
export const SOFTMAX = ['softmax', 'logSoftmax'] as const;
/** Finds where along one axis the extreme stands; gives int32. */
export const ARG_REDUCE = ['argmax', 'argmin'] as const;

export type Unary = (typeof UNARY)[number];
export type Binary = (typeof BINARY)[number];
export type Compare = (typeof COMPARE)[number];
export type Reduce = (typeof REDUCE)[number];
export type Scan = (typeof SCAN)[number];
export type Softmax = (typeof SOFTMAX)[number];
export type ArgReduce = (typeof ARG_REDUCE)[number];

type None = Readonly<Record<never, never>>;
type Each<Names extends string, Params> = { [P in Names]: Params };

/** Primitives that compute new elements: what a backend must implement. */
export type ComputeParams = Each<Unary | Binary | Compare, None> &
  Each<Reduce, { readonly axes: readonly number[]; readonly keepDims: boolean }> &
  Each<Scan | Softmax, { readonly axis: number }> &
  Each<ArgReduce, { readonly axis: number; readonly keepDims: boolean }> & {
    /** (a, b): a + scale b, where scale is first rounded to their dtype, a float, and the product then. */
    addScaled: { readonly scale: number };
    /** (x, g), floats: g, but 0 where x is at most 0. What relu's derivative at x does to a gradient. */
    reluBackward: None;
    /** (condition: bool, a, b): a where the condition holds, else b. */
    where: None;
    /** Where the elements of the sorted line stand (int32): stable, and NaN counts as the largest. */
    argsort: { readonly axis: number; readonly descending: boolean };
    /**
     * [...batch, m, k] x [...batch, k, n] -> [...batch, m, n]. With `dtype` the operands, each float32 or float64, are multiplied and
     * summed in float64, as if they had been cast first.
     */
    matmul: { readonly dtype?: 'float64' };
    /** (x [..., in], w [out, in], b [out], which may be missing): x w' + b, bit for bit as matmul and then add. */
    linear: None;
    /** (x, index: int32): out[..., i, ...] = x[..., index[..., i, ...], ...] along the axis. */
    gather: { readonly axis: number };
    /** (base, index: int32, updates): base with updates written ('set': the last one wins) or added at index. */
    scatter: { readonly axis: number; readonly mode: 'set' | 'add' };
    /** Joins any number of operands along an axis. */
    concat: { readonly axis: number };
    /** Writes x into the window `ranges` of a tensor of shape `shape` that holds `fill` elsewhere: the adjoint of slice. */
    embed: { readonly shape: Shape; readonly ranges: readonly Range[]; readonly fill: number };
    /** Adds the windows of x up where they lie in a tensor of shape `shape`: the adjoint of window. */
    fold: { readonly shape: Shape; readonly windows: readonly Window[] };
    cast: { readonly dtype: DType };
    /** The same elements in fresh, contiguous storage. */
    copy: None;
  };

/** Primitives that only look at the same storage in another way: no backend is asked. */
export type ViewParams = {
  reshape: { readonly shape: Shape };
  permute: { readonly axes: readonly number[] };
  slice: { readonly ranges: readonly Range[] };
  expand: { readonly shape: Shape };
  /** Overlapping windows: each windowed axis counts them, and new last axes, in the order of `windows`, go through them. */
  window: { readonly windows: readonly Window[] };
};

export type PrimitiveParams = ComputeParams & ViewParams;
export type ComputePrimitive = keyof ComputeParams;
export type Primitive = keyof PrimitiveParams;

/** Every primitive's name, for tests and tables that must leave none out. */
export const PRIMITIVES = [
  ...UNARY,
  ...BINARY,
  ...COMPARE,
  ...REDUCE,
  ...SCAN,
  ...SOFTMAX,
  ...ARG_REDUCE,
  'addScaled',
  'reluBackward',
  'where',
  'argsort',
  'matmul',
  'linear',
  'gather',
  'scatter',
  'concat',
  'embed',
  'fold',
  'cast',
  'copy',
  'reshape',
  'permute',
  'slice',
  'expand',
  'window',
] as const satisfies readonly Primitive[];

/** What an operand looks like from outside. */
export interface Spec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Of the parameters, the first operand and all of them. */
type SpecRule<P extends Primitive> = (params: PrimitiveParams[P], x: Spec, inputs: readonly Spec[]) => Spec;

const same = (_: unknown, x: Spec): Spec => ({ shape: x.shape, dtype: x.dtype });
const truth = (_: unknown, x: Spec): Spec => ({ shape: x.shape, dtype: 'bool' });
const folded = (p: { axes: readonly number[]; keepDims: boolean }, x: Spec): Spec => ({
  shape: reducedShape(x.shape, p.axes, p.keepDims),
  dtype: x.dtype,
});
const found = (p: { axis: number; keepDims: boolean }, x: Spec): Spec => ({
  shape: reducedShape(x.shape, [p.axis], p.keepDims),
  dtype: 'int32',
});
const each = <N extends string, R>(names: readonly N[], rule: R) =>
  Object.fromEntries(names.map((n) => [n, rule])) as { [P in N]: R };

const SPECS: { readonly [P in Primitive]: SpecRule<P> } = {
  ...each([...UNARY, ...BINARY, ...SCAN, ...SOFTMAX], same),
  ...each(COMPARE, truth),
  ...each(REDUCE, folded),
  ...each(ARG_REDUCE, found),
  addScaled: same,
  reluBackward: same,
  where: (_, _condition, inputs) => same(_, inputs[1]!),
  argsort: (_, x) => ({ shape: x.shape, dtype: 'int32' }),
  matmul: ({ dtype }, a, inputs) => {
    const shape = a.shape.slice();
    shape[shape.length - 1] = inputs[1]!.shape[shape.length - 1]!;
    return { shape, dtype: dtype ?? a.dtype };
  },
  linear: (_, x, inputs) => {
    const shape = x.shape.slice();
    shape[shape.length - 1] = inputs[1]!.shape[0]!;
    return { shape, dtype: x.dtype };
  },
  gather: (_, x, inputs) => ({ shape: inputs[1]!.shape, dtype: x.dtype }),
  scatter: same,
  concat: ({ axis }, x, inputs) => ({
    shape: x.shape.with(
      axis,
      inputs.reduce((n, { shape }) => n + shape[axis]!, 0),
    ),
    dtype: x.dtype,
  }),
  embed: ({ shape }, x) => ({ shape, dtype: x.dtype }),
  fold: ({ shape }, x) => ({ shape, dtype: x.dtype }),
  cast: ({ dtype }, x) => ({ shape: x.shape, dtype }),
  copy: same,
  reshape: ({ shape }, x) => ({ shape, dtype: x.dtype }),
  permute: ({ axes }, x) => ({ shape: axes.map((a) => x.shape[a]!), dtype: x.dtype }),
  slice: ({ ranges }, x) => ({ shape: ranges.map((r) => r.length), dtype: x.dtype }),
  expand: ({ shape }, x) => ({ shape, dtype: x.dtype }),
  window: ({ windows }, x) => ({ shape: windowShape(x.shape, windows), dtype: x.dtype }),
};

/** Shape and dtype of a primitive's result, known before anything is computed. */
export function specOf<P extends Primitive>(op: P, params: PrimitiveParams[P], inputs: readonly Spec[]): Spec {
  return (SPECS[op] as SpecRule<P>)(params, inputs[0]!, inputs);
}
