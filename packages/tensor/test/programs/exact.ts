// Steps for integers and truths: nothing is rounded, so nothing comes apart.

import { type Tensor, where } from '../../src/index.ts';
import { axesOf, axisOf, choose, fits, indices, type Maker, overlapped, shapeOf, structural } from './step.ts';

const exactly =
  (run: (t: Tensor) => Tensor): Maker =>
  (x) => ({ operands: [x], run, apart: 0 });
const exactPair =
  (run: (a: Tensor, b: Tensor) => Tensor): Maker =>
  (x, pick, others) => ({
    operands: [x, choose(others.filter(fits(x)), pick)],
    run,
    apart: 0,
  });
const folding =
  (run: (t: Tensor, axes: readonly number[], keepDims: boolean) => Tensor): Maker =>
  (x, pick) => {
    const axes = axesOf(x, pick);
    const keepDims = pick(2) === 0;
    return { operands: [x], run: (t) => (t.size === 0 ? t : run(t, axes, keepDims)), apart: 0 };
  };
const numberWise = [
  'add',
  'sub',
  'mul',
  'pow',
  'mod',
  'maximum',
  'minimum',
  'eq',
  'ne',
  'lt',
  'le',
  'gt',
  'ge',
] as const;
const bitWise = ['logicalAnd', 'logicalOr', 'logicalXor'] as const;

export const exact: Record<string, Maker> = {
  ...structural,
  ...Object.fromEntries([...numberWise, ...bitWise].map((op) => [op, exactPair((a, b) => a[op](b))])),
  ...Object.fromEntries(
    (['neg', 'abs', 'sign', 'relu', 'round', 'square', 'logicalNot'] as const).map((op) => [
      op,
      exactly((t) => t[op]()),
    ]),
  ),
  ...Object.fromEntries(
    (['sum', 'prod', 'max', 'min', 'any', 'all'] as const).map((op) => [
      op,
      folding((t, axes, keepDims) => t[op](axes, { keepDims })),
    ]),
  ),
  argmax: folding((t) => t.argmax()),
  argmin: folding((t, axes, keepDims) => (axes[0] === undefined ? t : t.argmin(axes[0], { keepDims }))),
  cumsum: folding((t, axes) => (axes[0] === undefined ? t : t.cumsum(axes[0]))),
  cumprod: folding((t, axes) => (axes[0] === undefined ? t : t.cumprod(axes[0]))),
  argsort: folding((t, axes, descending) => (axes[0] === undefined ? t : t.argsort(axes[0], { descending }))),
  topk: folding((t, axes, largest) => (axes[0] === undefined ? t : t.topk(1, axes[0], { largest }).values)),
  toInt: exactly((t) => t.cast('int32')),
  toBool: exactly((t) => t.cast('bool')),
  overlapped: exactly(overlapped),
  oneHot: exactly((t) => t.cast('int32').mod(3).oneHot(3, 'int32')),
  where: (x, pick, others) => {
    const y = choose(others.filter(fits(x)), pick);
    return { operands: [x, y], run: (a, b) => where(a, a, b), apart: 0 };
  },
  matmul: exactPair((a, b) =>
    a.rank === 0 || a.shape.at(-1) !== b.shape.at(-1) || b.rank < 2 ? a : a.matmul(b.transpose()),
  ),
  scatterAdd: (x, pick) => {
    if (x.cpu.size === 0 || x.cpu.rank === 0) return { operands: [x], run: (a) => a, apart: 0 };
    const axis = axisOf(x, pick);
    const index = indices(x, axis, pick, shapeOf(x));
    return { operands: [x], run: (a) => a.scatterAdd(axis, index(a), a.flip()), apart: 0 };
  },
};
