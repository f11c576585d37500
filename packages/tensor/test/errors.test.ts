// Every error is a named class with fields, and says which op, what was found, which rule it breaks and what may be meant.
// (The messages of each family of ops are tested beside its laws; here is one of each kind, and what all have in common.)

import { describe, expect, test } from 'vitest';
import {
  arange,
  concat,
  devices,
  einsum,
  errors,
  eye,
  full,
  linspace,
  meshgrid,
  type Nested,
  Rng,
  randn,
  scope,
  stack,
  type Tensor,
  tensor,
  where,
  zeros,
} from '../src/index.ts';
import { broadcastShapes } from '../src/shape.ts';
import { leavingUntouched, thrown } from './support/expect.ts';

interface Case {
  readonly kind: Exclude<keyof typeof errors, 'shapeText'>;
  readonly run: (x: Tensor) => unknown;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

/** x is a float32 tensor of shape [2, 3]. */
const cases: Record<string, Case> = {
  'inner sizes that differ': {
    kind: 'ShapeError',
    run: (x) => x.matmul(x),
    message: 'matmul: inner dimensions differ: [2,3] x [2,3] (3 != 2); did you mean b.transpose()?',
    fields: {
      shapes: [
        [2, 3],
        [2, 3],
      ],
    },
  },
  'a window with no room': {
    kind: 'WindowError',
    run: (x) => x.slidingWindows(4, 1),
    message:
      'slidingWindows: a window that reaches over 4 elements does not fit into the 3 of spatial axis 0 (3 and padding 0 + 0)',
    fields: { size: 4, dilation: 1, length: 3, padding: [0, 0] },
  },
  'a size that is none': {
    kind: 'ShapeError',
    run: () => zeros([2, -3]),
    message: 'zeros: a size must be a non-negative integer, found -3 in [2,-3]',
    fields: { shape: [2, -3] },
  },
  'more elements than memory holds': {
    kind: 'ShapeError',
    run: () => zeros([2 ** 20, 2 ** 20]),
    message: 'zeros: no memory for the 1099511627776 elements of [1048576,1048576]',
    fields: { shape: [2 ** 20, 2 ** 20], elements: 2 ** 40 },
  },
  'another number of elements': {
    kind: 'ShapeError',
    run: (x) => x.reshape([4, 2]),
    message: 'reshape: [2,3] has 6 elements, [4,2] has 8',
    fields: { from: [2, 3], to: [4, 2] },
  },
  'a size that cannot be worked out': {
    kind: 'ShapeError',
    run: (x) => x.reshape([4, -1]),
    message: 'reshape: [2,3] has 6 elements, [4,-1] cannot be made to fit by any size in place of -1',
    fields: { from: [2, 3], to: [4, -1] },
  },
  'two sizes to be worked out': {
    kind: 'ShapeError',
    run: (x) => x.reshape([-1, -1]),
    message: 'reshape: only one size may be -1, found [-1,-1]',
    fields: { from: [2, 3], to: [-1, -1] },
  },
  'a size to be worked out beside 0': {
    kind: 'ShapeError',
    run: (x) => x.slice([0, 0]).reshape([0, -1]),
    message: 'reshape: [0,3] has 0 elements, [0,-1] cannot be made to fit by any size in place of -1',
    fields: { from: [0, 3], to: [0, -1] },
  },
  'a negative size beside -1': {
    kind: 'ShapeError',
    run: (x) => x.reshape([-2, -1]),
    message: 'reshape: a size must be a non-negative integer, found -2 in [-2,1]',
    fields: { shape: [-2, 1] },
  },
  'an axis to squeeze that is not 1': {
    kind: 'ShapeError',
    run: (x) => x.squeeze(-1),
    message: 'squeeze: axis 1 of [2,3] has size 3, not 1',
    fields: { shape: [2, 3], axis: 1 },
  },
  'a shape to expand to that is smaller': {
    kind: 'ShapeError',
    run: (x) => x.expand([3]),
    message: 'expand: [2,3] cannot be expanded to [3]',
    fields: { from: [2, 3], to: [3] },
  },
  'a shape to expand to that differs': {
    kind: 'ShapeError',
    run: (x) => x.expand([2, 4]),
    message: 'expand: shapes [2,3] and [2,4] do not broadcast: 3 and 4 differ on axis -1 and neither is 1',
    fields: {
      shapes: [
        [2, 3],
        [2, 4],
      ],
      axis: -1,
    },
  },
  'unequal parts': {
    kind: 'ShapeError',
    run: (x) => x.split(2, 1),
    message: 'split: axis 1 of [2,3] does not split into 2 equal parts',
    fields: { shape: [2, 3], parts: 2 },
  },
  'parts that do not fill': {
    kind: 'ShapeError',
    run: (x) => x.split([1, 1], -1),
    message: 'split: axis 1 of [2,3] does not split into parts of [1,1]',
    fields: { shape: [2, 3], parts: [1, 1] },
  },
  'no parts': {
    kind: 'ShapeError',
    run: (x) => x.slice([0, 0]).split(0),
    message: 'split: axis 0 of [0,3] does not split into 0 equal parts',
    fields: { shape: [0, 3], parts: 0 },
  },
  'fewer than no parts': {
    kind: 'ShapeError',
    run: (x) => x.split(-1),
    message: 'split: axis 0 of [2,3] does not split into -1 equal parts',
    fields: { shape: [2, 3], parts: -1 },
  },
  'an axis too far': {
    kind: 'AxisError',
    run: (x) => x.sum(2),
    message: 'sum: axis 2 is out of range for rank 2; valid axes are -2..1',
    fields: { axis: 2, rank: 2 },
  },
  'an axis too few': {
    kind: 'AxisError',
    run: (x) => x.permute([0]),
    message: 'permute: [0] must name each of the 2 axes once',
    fields: { axes: [0], rank: 2 },
  },
  'a transpose of one axis': {
    kind: 'AxisError',
    run: (x) => x.flatten().transpose(),
    message: 'transpose: axis -2 is out of range for rank 1; valid axes are -1..0',
    fields: { axis: -2, rank: 1 },
  },
  'axes in the wrong order': {
    kind: 'AxisError',
    run: (x) => x.flatten(1, 0),
    message: 'flatten: axis 1 comes after axis 0',
    fields: { start: 1, end: 0 },
  },
  'an index too far': {
    kind: 'IndexError',
    run: (x) => x.slice(null, 3),
    message: 'slice: index 3 is out of range for axis 1 of [2,3]',
    fields: { index: 3, shape: [2, 3], axis: 1 },
  },
  'a step of 0': {
    kind: 'IndexError',
    run: (x) => x.slice([0, 1, 0]),
    message: 'slice: step must be a nonzero integer, found 0',
    fields: { step: 0 },
  },
  'half an index': {
    kind: 'IndexError',
    run: (x) => x.slice([0.5]),
    message: 'slice: 0.5 is not an integer',
    fields: { value: 0.5 },
  },
  'too many slices': {
    kind: 'IndexError',
    run: (x) => x.slice(0, 0, 0),
    message: 'slice: 3 slices for the 2 axes of [2,3]',
    fields: { shape: [2, 3] },
  },
  'an index that is no integer': {
    kind: 'DTypeError',
    run: (x) => x.gather(0, x),
    message: "gather: indices must be int32, found float32; did you mean .cast('int32')?",
    fields: { dtype: 'float32' },
  },
  'draws that are no floats': {
    kind: 'DTypeError',
    run: () => randn([1], new Rng(0), { dtype: 'bool' }),
    message: "randn: draws are floats; found dtype 'bool'",
    fields: { dtype: 'bool' },
  },
  'ragged data': {
    kind: 'DataError',
    run: () => tensor([[1, 2], [3]]),
    message: 'tensor: ragged data: expected an array of 2 at [1], found an array of 1',
    fields: { path: [1] },
  },
  'an array for an operand': {
    kind: 'DataError',
    run: (x) => x.add([1, 2] as unknown as number),
    message: 'add: expected a tensor or a number, found an array of 2; did you mean tensor([...])?',
    fields: { operand: [1, 2] },
  },
  'a truth for an operand': {
    kind: 'DataError',
    run: (x) => x.eq(true as unknown as number),
    message: 'eq: expected a tensor or a number, found true',
    fields: { operand: true },
  },
  'no tensor at all': {
    kind: 'DataError',
    run: () => where<Tensor>(1 as unknown as Tensor, 2, 3),
    message: 'where: wants at least one tensor, found only numbers',
    fields: { operands: [1, 2, 3] },
  },
  'a border that is none': {
    kind: 'OptionError',
    run: (x) =>
      x.pad(
        [
          [1, 1],
          [0, 0],
        ],
        'mirror' as 'edge',
      ),
    message: "pad: the border is a number, 'edge', 'reflect' or 'wrap', found 'mirror'",
    fields: { border: 'mirror' },
  },
  'a letter of an equation that is none': {
    kind: 'EquationError',
    run: (x) => einsum('i2->i', x),
    message: "einsum: '2' is neither a letter nor part of '...'\n  i2->i\n   ^",
    fields: { equation: 'i2->i', at: 1, shapes: [[2, 3]] },
  },
  'a matrix without an inverse': {
    kind: 'SingularMatrixError',
    run: (x) => x.transpose().matmul(x).sub(x.transpose().matmul(x)).inv(),
    message: 'inv: the matrix is singular: its pivot 1 of 3 is 0',
    fields: { shape: [3, 3], matrix: 0, pivot: 0 },
  },
  'a matrix without a Cholesky factor': {
    kind: 'NotPositiveDefiniteError',
    run: (x) => x.matmul(x.transpose()).neg().cholesky(),
    message: 'cholesky: the matrix is not positive definite: its leading minor of order 1 is not positive',
    fields: { shape: [2, 2], matrix: 0, order: 1 },
  },
  'two devices': {
    kind: 'DeviceError',
    run: (x) => x.mul(full([2, 3], 1, { device: x.device === 'cpu' ? 'reference' : 'cpu' })),
    message: "mul: operands live on 'D' and 'E'; move one with .to('D')",
    fields: { devices: ['D', 'E'] },
  },
  'a scope that has ended': {
    kind: 'ScopeError',
    run: (x) => {
      const lost: Tensor[] = [];
      scope(() => void lost.push(x.neg()));
      return lost[0]!.add(x);
    },
    message:
      'this tensor was made inside a scope that has ended, so its storage has been reused; ' +
      'return it from the scope function or pass it to keep() inside the scope',
    fields: {},
  },
};

test('every kind of error has a case', () => {
  const kinds = Object.keys(errors).filter((name) => name !== 'shapeText' && name !== 'GemlabError');
  expect([...new Set(Object.values(cases).map((c) => c.kind))].toSorted()).toEqual(kinds.toSorted());
});

describe.each(devices)('%s', (device) => {
  test.each(Object.keys(cases))('%s', (name) => {
    const { kind, run, message, fields } = cases[name]!;
    const x = tensor(
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      { device },
    );
    const error = leavingUntouched([x], () => thrown(() => run(x))) as errors.GemlabError;
    const other = device === 'cpu' ? 'reference' : 'cpu';
    const named = (text: string) => text.replaceAll("'D'", `'${device}'`).replaceAll("'E'", `'${other}'`);
    expect(error.message).toBe(named(message));
    expect(error.fields).toEqual(
      JSON.parse(JSON.stringify(fields).replace('"D"', `"${device}"`).replace('"E"', `"${other}"`)),
    );
    expect(error).toBeInstanceOf(errors[kind]);
    expect(error).toBeInstanceOf(errors.GemlabError);
    expect([error.name, String(error)]).toEqual([kind, `${kind}: ${error.message}`]);
    expect(x.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  // (What types forbid, but JavaScript and PyTorch's habits lead to.)
  type Any = (...args: unknown[]) => unknown;
  type Loose = Record<string, Any>;
  const image = () => zeros([1, 1, 5], { device }) as unknown as Loose;
  type Row = [name: string, kind: keyof typeof errors, run: (x: Loose, i: Tensor) => unknown, message: string];
  test.each<Row>([
    ['axes apart', 'AxisError', (x) => x.permute!(1, 0), 'permute: [1] must name each of the 2 axes once'],
    [
      'sizes apart',
      'ShapeError',
      (x) => x.expand!(2, 3),
      'expand: a shape is an array of sizes, found 2; did you mean [2]?',
    ],
    [
      'a slice by a tensor',
      'IndexError',
      (x, i) => x.slice!(i),
      'slice: an axis takes an index, null or [start, stop, step]; found a Tensor for axis 0; did you mean take?',
    ],
    [
      'parts by a tensor',
      'ShapeError',
      (x, i) => x.split!(i),
      'split: axis 0 of [2,3] does not split into parts of a Tensor',
    ],
    ...([concat, stack, meshgrid] as unknown as Any[]).map((join) => {
      const message = `${join.name}: wants an array of tensors, found a Tensor; did you mean ${join.name}([a, b])?`;
      return [`${join.name} of tensors apart`, 'DataError', (_, i) => join(i, i), message] as Row;
    }),
    [
      'concat of a number',
      'ShapeError',
      (x) => concat([x, 1] as never),
      'concat: shapes [2,3], [] differ outside axis 0',
    ],
    ['stack of a number', 'ShapeError', (x) => stack([x, 1] as never), 'stack: shapes [2,3], [] differ'],
    [
      'concat of an array',
      'DataError',
      (x) => concat([x, [[1, 2, 3]]] as never),
      'concat: expected a tensor or a number, found an array of 1; did you mean tensor([...])?',
    ],
    [
      'where without a value',
      'DataError',
      (x) => where(x as never, undefined as never, 0),
      'where: expected a tensor or a number, found undefined',
    ],
    ...[3, 0].map(
      (bias): Row => [
        `a bias of ${bias}`,
        'ShapeError',
        () => image().conv1d!(zeros([1, 1, 2], { device }), { bias }),
        'conv1d: wants a bias [1], found []',
      ],
    ),
    ['a weight of 0', 'ShapeError', (x) => x.layerNorm!(3, { weight: 0 }), 'layerNorm: weight must be [3], found []'],
    [
      'one pair apart',
      'ShapeError',
      (x) => x.pad!([1, 1]),
      'pad: [2,3] wants a pair of non-negative integers for each axis, found [1,1]',
    ],
    ['no axes', 'AxisError', (x) => x.sum!(null), 'sum: axes are an integer or an array of integers, found null'],
    ...['sum', 'argmax'].map(
      (op): Row => [
        `${op} with options alone`,
        'AxisError',
        (x) => x[op]!({ keepDims: true }),
        `${op}: axes are an integer or an array of integers, found an Object; options come after the axes`,
      ],
    ),
    ...['softmax', 'sort'].map(
      (op): Row => [
        `${op} with options alone`,
        'AxisError',
        (x) => x[op]!({ axis: 1 }),
        `${op}: an axis is an integer, found an Object; options come after the axes`,
      ],
    ),
    [
      'no axis',
      'AxisError',
      (x) => x.moveAxis!(0),
      'moveAxis: axes are an integer or an array of integers, found undefined',
    ],
    [
      'no shape',
      'ShapeError',
      (x) => x.layerNorm!(),
      'layerNorm: normalizedShape is an array of sizes, found undefined',
    ],
    [
      'no size',
      'WindowError',
      (x) => x.adaptiveAvgPool1d!(),
      'adaptiveAvgPool1d: outputSize is an integer of at least 1; found undefined',
    ],
    ['no repeats', 'ShapeError', (x) => x.tile!(), 'tile: repeats must be non-negative integers, found [undefined]'],
    [
      'fractions in a tensor',
      'DataError',
      (x, i) => x.quantile!(i),
      'quantile: a fraction must be from 0 to 1, found tensor([0, 1], dtype=int32)',
    ],
    ['a norm by its name', 'DataError', (x) => x.norm!('fro'), "norm: ord must be a number, found 'fro'"],
    [
      'nothing to fill with',
      'DataError',
      () => (full as Any)([2]),
      'full: the value is a number or a boolean, found undefined',
    ],
    [
      'ends that are none',
      'DataError',
      () => (linspace as Any)('a', 1, 3),
      "linspace: start and stop are numbers, found 'a' and 1",
    ],
  ])('%s', (_, kind, run, message) => {
    const x = zeros([2, 3], { device });
    const error = leavingUntouched([x], () =>
      thrown(() => run(x as never, tensor([0, 1], { dtype: 'int32', device }))),
    );
    expect(error.message).toBe(message);
    expect(error.name).toBe(kind);
  });

  test.each<[string, (x: Tensor) => Tensor, shape: number[]]>([
    ['zeros', () => zeros([2 ** 40], { device }), [2 ** 40]],
    ['arange', () => arange(2 ** 40, undefined, 1, { device }), [2 ** 40]],
    ['linspace', () => linspace(0, 1, 2 ** 40, { device }), [2 ** 40]],
    ['eye', () => eye(2 ** 20, 2 ** 20, { device }), [2 ** 20, 2 ** 20]],
    ['mul', (x) => x.expand([2 ** 20]).outer(x.expand([2 ** 20])), [2 ** 20, 2 ** 20]],
    ['add', (x) => x.expand([2 ** 20]).add(x.expand([2 ** 20, 1])), [2 ** 20, 2 ** 20]],
    [
      'copy',
      (x) =>
        x
          .tile(2 ** 40)
          .reshape([2 ** 20, 2 ** 20])
          .copy(),
      [2 ** 20, 2 ** 20],
    ],
    ['scatter', (x) => x.cast('int32').oneHot(2 ** 40), [1, 2 ** 40]],
    ['embed', (x) => x.pad([[0, 2 ** 40 - 1]]), [2 ** 40]],
    ['pad', (x) => x.pad([[0, 2 ** 40 - 1]], 'wrap'), [2 ** 40]],
    ['repeatInterleave', (x) => x.repeatInterleave(2 ** 40), [2 ** 40]],
    ['dataSync', (x) => x.take(x.cast('int32').expand([2 ** 40])), [2 ** 40]],
  ])('%s says what there is no memory for', (op, run, shape) => {
    const error = thrown(() => run(zeros([1], { device }))) as errors.GemlabError;
    expect(error).toBeInstanceOf(errors.ShapeError);
    expect(error.message).toBe(`${op}: no memory for the ${2 ** 40} elements of [${shape}]`);
    expect(error.fields).toEqual({ shape, elements: 2 ** 40 });
  });

  test('an op that fails leaves nothing behind', () => {
    const before = zeros([2], { device });
    expect(() => before.add(zeros([3], { device }))).toThrow(errors.ShapeError);
    expect(before.add(1).toArray()).toEqual([1, 1]);
    expect(() => tensor([[1], 2] as Nested, { device })).toThrow(errors.DataError);
  });
});

test('shapes of several operands are all named', () => {
  expect(thrown(() => broadcastShapes('op', [2], [1], [3])).message).toBe(
    'op: shapes [2] and [1] and [3] do not broadcast: 2 and 3 differ on axis -1 and neither is 1',
  );
});
