// A function for each primitive, and inputs at which it is smooth: what the tests of the derivative table differentiate.
// The stencil of gradcheck reaches about 0.01 to each side, so inputs stay further than that from every kink and pole.

import { concat, type Primitive, type PrimitiveParams, type Shape, type Tensor, where, zeros } from '@gemlab/tensor';
import { type Variable, variable } from '../src/index.ts';
import type { Draw } from './draw.ts';

export interface Case {
  readonly f: (...xs: Variable[]) => Variable;
  readonly inputs: readonly Tensor[];
}

type MakeCase = (d: Draw) => Case;
type Map1 = (x: Variable) => Variable;
type Map2 = (a: Variable, b: Variable) => Variable;

/** f of one input looked at in some way; what else f needs is chosen once, from the shape that it will see. */
function one(d: Draw, x: Tensor, make: (shape: Shape) => Map1): Case {
  const f = make(d.look(variable(x)).shape);
  return { f: (v) => f(d.look(v!)), inputs: [x] };
}

/** f of two inputs that broadcast together; one of them is looked at in some way. */
function two(d: Draw, drawA: (shape: Shape) => Tensor, drawB: (shape: Shape) => Tensor, f: Map2): Case {
  const full = d.look(variable(zeros(d.shape))).shape;
  return d.coin()
    ? { f: (a, b) => f(d.look(a!), b!), inputs: [drawA(d.shape), drawB(d.broadcastable(full))] }
    : { f: (a, b) => f(a!, d.look(b!)), inputs: [drawA(d.broadcastable(full)), drawB(d.shape)] };
}

/** Of either sign, and no nearer to 0 than `least`. */
const apart = (d: Draw, least: number, most: number, shape: Shape = d.shape): Tensor =>
  d.within(least, most, shape).mul(d.integers(0, 1, shape).mul(2).sub(1));

/** Whole numbers, each plus a fraction between `low` and `high`: away from the steps of floor and its kin. */
const between = (d: Draw, low: number, high: number): Tensor => d.integers(-3, 3).add(d.within(low, high));

/** Folds random axes, of which none may be empty. */
const extreme =
  (op: 'max' | 'min'): MakeCase =>
  (d) =>
    one(d, d.distinct(), (shape) => {
      const axes = d.some(shape.flatMap((n, i) => (n > 0 ? [i] : [])));
      const keepDims = d.coin();
      return (x) => x[op](axes, { keepDims });
    });

/** The place of the extreme along an axis that is not empty. */
const place =
  (op: 'argmax' | 'argmin'): MakeCase =>
  (d) =>
    one(d, d.distinct(), () => (x) => x.reshape([-1, 1])[op](1));

const along =
  (op: 'cumsum' | 'cumprod' | 'softmax' | 'logSoftmax'): MakeCase =>
  (d) =>
    one(d, d.normal(), (shape) => {
      const axis = d.integer(0, Math.max(0, shape.length - 1));
      return (x) => atLeast1d(x)[op](axis);
    });

/** An index tensor for an axis of `shape`, with repeats, that may be shorter than it elsewhere; and that axis. */
function indexFor(d: Draw, shape: Shape): { axis: number; index: Tensor } {
  const axis = d.integer(0, shape.length - 1);
  const n = shape[axis]!;
  const size = shape.map((m, i) => (i === axis ? (n === 0 ? 0 : d.integer(0, 4)) : d.integer(Math.min(m, 1), m)));
  return { axis, index: d.integers(0, Math.max(0, n - 1), size, 'int32') };
}

/** Windows along some axes of `shape`, none longer than its axis. */
function windowsFor(d: Draw, shape: Shape): PrimitiveParams['window']['windows'] {
  return d.some([...shape.keys()].filter((axis) => shape[axis]! > 0)).map((axis) => {
    const size = d.integer(1, shape[axis]!);
    const most = size === 1 ? 3 : Math.floor((shape[axis]! - 1) / (size - 1));
    return { axis, size, stride: d.integer(1, 3), dilation: d.integer(1, most) };
  });
}

const atLeast1d = (x: Variable): Variable => (x.rank === 0 ? x.unsqueeze(0) : x);

export const cases: { readonly [P in Primitive]: MakeCase } = {
  neg: (d) => one(d, d.normal(), () => (x) => x.neg()),
  abs: (d) => one(d, apart(d, 0.1, 2), () => (x) => x.abs()),
  sign: (d) => one(d, apart(d, 0.1, 2), () => (x) => x.sign()),
  floor: (d) => one(d, between(d, 0.1, 0.9), () => (x) => x.floor()),
  ceil: (d) => one(d, between(d, 0.1, 0.9), () => (x) => x.ceil()),
  round: (d) => one(d, between(d, -0.4, 0.4), () => (x) => x.round()),
  trunc: (d) => one(d, between(d, 0.1, 0.9), () => (x) => x.trunc()),
  relu: (d) => one(d, apart(d, 0.1, 2), () => (x) => x.relu()),

  exp: (d) => one(d, d.within(-2, 1), () => (x) => x.exp()),
  expm1: (d) => one(d, d.within(-2, 1), () => (x) => x.expm1()),
  log: (d) => one(d, d.within(1, 3), () => (x) => x.log()),
  log1p: (d) => one(d, d.within(0, 3), () => (x) => x.log1p()),
  log2: (d) => one(d, d.within(1, 3), () => (x) => x.log2()),
  log10: (d) => one(d, d.within(1, 3), () => (x) => x.log10()),
  sqrt: (d) => one(d, d.within(1, 3), () => (x) => x.sqrt()),
  sin: (d) => one(d, d.within(-4, 4), () => (x) => x.sin()),
  cos: (d) => one(d, d.within(-4, 4), () => (x) => x.cos()),
  tan: (d) => one(d, d.within(-0.6, 0.6), () => (x) => x.tan()),
  asin: (d) => one(d, d.within(-0.5, 0.5), () => (x) => x.asin()),
  acos: (d) => one(d, d.within(-0.5, 0.5), () => (x) => x.acos()),
  atan: (d) => one(d, d.within(-3, 3), () => (x) => x.atan()),
  sinh: (d) => one(d, d.within(-2, 2), () => (x) => x.sinh()),
  cosh: (d) => one(d, d.within(-2, 2), () => (x) => x.cosh()),
  tanh: (d) => one(d, d.within(-3, 3), () => (x) => x.tanh()),
  asinh: (d) => one(d, d.within(-3, 3), () => (x) => x.asinh()),
  acosh: (d) => one(d, d.within(1.5, 3), () => (x) => x.acosh()),
  atanh: (d) => one(d, d.within(-0.5, 0.5), () => (x) => x.atanh()),
  sigmoid: (d) => one(d, d.within(-6, 6), () => (x) => x.sigmoid()),
  erf: (d) => one(d, d.within(-2, 2), () => (x) => x.erf()),
  erfc: (d) => one(d, d.within(-2, 2), () => (x) => x.erfc()),

  add: (d) =>
    two(
      d,
      (s) => d.normal(s),
      (s) => d.normal(s),
      (a, b) => a.add(b),
    ),
  addScaled: (d) => {
    const alpha = d.integer(-3, 1) / 2;
    return two(
      d,
      (s) => d.normal(s),
      (s) => d.normal(s),
      (a, b) => a.add(b, { alpha }),
    );
  },
  reluBackward: (d) => ({
    f: (x, g) => d.look(g!.apply('reluBackward', {}, [x!, g!])),
    inputs: [apart(d, 0.1, 2), d.normal()],
  }),
  sub: (d) =>
    two(
      d,
      (s) => d.normal(s),
      (s) => d.normal(s),
      (a, b) => a.sub(b),
    ),
  mul: (d) =>
    two(
      d,
      (s) => d.normal(s),
      (s) => d.normal(s),
      (a, b) => a.mul(b),
    ),
  div: (d) =>
    two(
      d,
      (s) => d.normal(s),
      (s) => apart(d, 1, 2, s),
      (a, b) => a.div(b),
    ),
  // Exponents -2 ... 2, whole and broken: at 0 too the function is smooth in both.
  pow: (d) =>
    two(
      d,
      (s) => d.within(1, 2, s),
      (s) => d.integers(-4, 4, s).div(2),
      (a, b) => a.pow(b),
    ),
  // The quotient has a fraction away from 0 and 1.
  mod: (d) => {
    const b = apart(d, 1, 2, d.broadcastable(d.shape));
    return { f: (x, y) => x!.mod(y!), inputs: [b.mul(between(d, 0.2, 0.8)), b] };
  },
  maximum: (d) =>
    two(
      d,
      (s) => d.distinct(s),
      (s) => d.distinct(s, 0.125),
      (a, b) => a.maximum(b),
    ),
  minimum: (d) =>
    two(
      d,
      (s) => d.distinct(s),
      (s) => d.distinct(s, 0.125),
      (a, b) => a.minimum(b),
    ),
  atan2: (d) =>
    two(
      d,
      (s) => apart(d, 1, 2, s),
      (s) => apart(d, 1, 2, s),
      (a, b) => a.atan2(b),
    ),
  hypot: (d) =>
    two(
      d,
      (s) => apart(d, 1, 2, s),
      (s) => apart(d, 1, 2, s),
      (a, b) => a.hypot(b),
    ),
  eq: (d) =>
    two(
      d,
      (s) => d.integers(0, 1, s),
      (s) => d.integers(0, 1, s),
      (a, b) => a.eq(b),
    ),
  lt: (d) =>
    two(
      d,
      (s) => d.normal(s),
      (s) => d.normal(s),
      (a, b) => a.lt(b),
    ),
  le: (d) =>
    two(
      d,
      (s) => d.normal(s),
      (s) => d.normal(s),
      (a, b) => a.le(b),
    ),
  where: (d) => {
    const condition = d.integers(0, 1, d.broadcastable(d.look(variable(zeros(d.shape))).shape)).cast('bool');
    const choose: Map2 = (a, b) => where<Variable>(condition.to(a.value.device), a, b);
    return two(
      d,
      (s) => d.normal(s),
      (s) => d.normal(s),
      choose,
    );
  },

  sum: (d) =>
    one(d, d.normal(), (shape) => {
      const axes = d.some([...shape.keys()]);
      const keepDims = d.coin();
      return (x) => x.sum(axes, { keepDims });
    }),
  max: extreme('max'),
  min: extreme('min'),
  argmax: place('argmax'),
  argmin: place('argmin'),
  argsort: (d) => one(d, d.distinct(), () => (x) => atLeast1d(x).argsort(0, { descending: d.coin() })),
  cumsum: along('cumsum'),
  cumprod: along('cumprod'),
  softmax: along('softmax'),
  logSoftmax: along('logSoftmax'),

  // The first two axes of the draw are batches, each operand without some of them; either operand may be a vector.
  matmul: (d) => {
    const [m, k, n] = [d.integer(0, 3), d.integer(0, 3), d.integer(0, 3)];
    const batch = d.shape.slice(0, 2);
    const a = d.normal(d.integer(0, 4) === 0 ? [k] : [...d.broadcastable(batch), k, m]);
    const b = d.normal(d.integer(0, 4) === 0 ? [k] : [...d.broadcastable(batch), k, n]);
    return { f: (x, y) => (x!.rank === 1 ? x! : x!.transpose()).matmul(y!), inputs: [a, b] };
  },
  // Rows on any number of axes, looked at in some way; with a bias or without.
  linear: (d) => {
    const n = d.integer(0, 3);
    const seen = atLeast1d(d.look(variable(zeros(d.shape)))).shape;
    const [w, b] = [d.normal([n, seen.at(-1)!]), d.normal([n])];
    const f = (x?: Variable, v?: Variable, bias?: Variable) => atLeast1d(d.look(x!)).linear(v!, bias);
    return { f, inputs: d.coin() ? [d.normal(), w, b] : [d.normal(), w] };
  },
  gather: (d) =>
    one(d, d.normal(), (shape) => {
      const { axis, index } = indexFor(d, shape.length === 0 ? [1] : shape);
      return (x) => atLeast1d(x).gather(axis, index.to(x.value.device));
    }),
  scatter: (d) => {
    const seen = atLeast1d(d.look(variable(zeros(d.shape)))).shape;
    const { axis, index } = indexFor(d, seen);
    const write = d.coin() ? 'scatter' : 'scatterAdd';
    return {
      f: (x, y) => atLeast1d(d.look(x!))[write](axis, index.to(x!.value.device), y!),
      inputs: [d.normal(), d.normal(index.shape)],
    };
  },
  // One part twice, the other of a length of its own.
  concat: (d) => {
    const seen = atLeast1d(d.look(variable(zeros(d.shape)))).shape;
    const axis = d.integer(0, seen.length - 1);
    const other = seen.map((n, i) => (i === axis ? d.integer(0, 3) : n));
    return {
      f: (x, y) => concat<Variable>([atLeast1d(d.look(x!)), y!, atLeast1d(d.look(x!))], axis),
      inputs: [d.normal(), d.normal(other)],
    };
  },
  embed: (d) =>
    one(d, d.normal(), (shape) => {
      const widths = shape.map(() => [d.integer(0, 2), d.integer(0, 2)] as const);
      return (x) => x.pad(widths, 3);
    }),
  cast: (d) => one(d, d.normal(), () => (x) => x.apply('cast', { dtype: 'float64' }, [x])),
  copy: (d) => one(d, d.normal(), () => (x) => x.apply('copy', {}, [x])),
  reshape: (d) => one(d, d.normal(), () => (x) => x.reshape([1, -1])),
  permute: (d) =>
    one(d, d.normal(), (shape) => {
      const axes = [...d.rng.permutation(shape.length)];
      return (x) => x.permute(axes);
    }),
  slice: (d) =>
    one(d, d.normal(), (shape) => {
      const bound = () => (d.coin() ? null : d.integer(-4, 4));
      const specs = shape.map(() => [bound(), bound(), [-2, -1, 1, 2][d.integer(0, 3)]] as const);
      return (x) => x.slice(...specs);
    }),
  window: (d) =>
    one(d, d.normal(), (shape) => {
      const windows = windowsFor(d, shape);
      return (x) => x.apply('window', { windows }, [x]);
    }),
  // Of windows whose axes lie in the other order.
  fold: (d) => {
    const shape = d.look(variable(zeros(d.shape))).shape;
    const windows = windowsFor(d, shape);
    const spread = variable(zeros(shape)).apply('window', { windows }, [variable(zeros(shape))]).shape;
    const reversed = spread.map((_, i) => spread.length - 1 - i);
    return {
      f: (x) => x!.apply('fold', { shape, windows }, [x!.permute(reversed)]),
      inputs: [d.normal(spread.toReversed())],
    };
  },
  expand: (d) => {
    const x = d.normal(d.broadcastable(d.shape));
    return { f: (v) => v!.apply('expand', { shape: d.shape }, [v!]), inputs: [x] };
  },
};

/** The primitives that are linear in each input by itself. */
export const multilinear = [
  'neg',
  'add',
  'addScaled',
  'sub',
  'mul',
  'where',
  'sum',
  'cumsum',
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
] as const satisfies readonly (keyof PrimitiveParams)[];
