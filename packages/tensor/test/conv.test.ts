// Convolutions against their sums written out, element by element, and the laws that tie them together. Values are small whole
// numbers, so that every sum is exact and both sides are equal to the last bit.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ConvOptions,
  type ConvTransposeOptions,
  concat,
  type DType,
  devices,
  errors,
  ones,
  Rng,
  randn,
  type Tensor,
  tensor,
  zeros,
} from '../src/index.ts';
import { expectModel, leavingUntouched, thrown } from './support/expect.ts';
import { at, indicesOf, type Model, tabulate } from './support/model.ts';
import type { Sample } from './support/samples.ts';
import { type AxisPlan, countOf, placeOf, wholes, windowPlans } from './support/windows.ts';

type Names = 'conv' | 'convTranspose';
const run = (name: Names, x: Tensor, w: Tensor, options?: ConvTransposeOptions<Tensor>): Tensor => {
  const d = w.rank - 2;
  const op = `${name}${d}d` as 'conv1d';
  return x[op](w, options as ConvOptions<Tensor>);
};

/** y[n, o, p] = b[o] + sum over the channels of o's group and the window at p. */
function convModel(x: Model, w: Model, b: Model | null, axes: readonly AxisPlan[], groups: number): Model {
  const [filters, perGroup, ...kernel] = w.shape as [number, number, ...number[]];
  return tabulate([x.shape[0]!, filters, ...axes.map(countOf)], x.dtype, ([n, o, ...p]) => {
    let total = b ? at(b, [o!]) : 0;
    const group = Math.floor(o! / (filters / groups));
    for (const [c, ...k] of indicesOf([perGroup, ...kernel])) {
      const place = axes.map((a, i) => placeOf(a, p[i]!, k[i]!));
      if (place.some((q, i) => q < 0 || q >= axes[i]!.length)) continue;
      total += at(w, [o!, c!, ...k]) * at(x, [n!, group * perGroup + c!, ...place]);
    }
    return total;
  });
}

/** Each element of x stamps its filters, times itself, onto the result. */
function transposeModel(x: Model, w: Model, axes: readonly AxisPlan[], groups: number): Model {
  const [channels, perGroup, ...kernel] = w.shape as [number, number, ...number[]];
  const shape = [x.shape[0]!, perGroup * groups, ...axes.map((a) => a.length)];
  const sums = new Map(Array.from(indicesOf(shape), (i): [string, number] => [String(i), 0]));
  for (const index of indicesOf(x.shape)) {
    const [n, c, ...p] = index as [number, number, ...number[]];
    const group = Math.floor(c / (channels / groups));
    for (const [o, ...k] of indicesOf([perGroup, ...kernel])) {
      const to = String([n, group * perGroup + o!, ...axes.map((a, i) => placeOf(a, p[i]!, k[i]!))]);
      if (sums.has(to)) sums.set(to, sums.get(to)! + at(w, [c, o!, ...k]) * at(x, index));
    }
  }
  return { shape, dtype: x.dtype, values: [...sums.values()] };
}

interface Problem {
  readonly axes: readonly AxisPlan[];
  readonly groups: number;
  readonly options: ConvOptions<Tensor>;
  readonly x: Sample;
  readonly w: Sample;
  readonly b: Sample;
  /** Of the result's shape. */
  readonly y: Sample;
}

const problems = (dtype: 'float32' | 'float64' | 'int32' = 'float64'): fc.Arbitrary<Problem> =>
  fc
    .tuple(fc.constantFrom(1, 1, 2, 2, 2, 3), fc.nat(2), fc.constantFrom(1, 1, 2, 3), fc.nat(2), fc.nat(2))
    .chain(([d, n, groups, perGroup, filters]) =>
      windowPlans(d, d === 3 ? 2 : 5).chain(({ axes, kernelSize, options }) => {
        const f = groups * Math.max(1, filters);
        return fc.record({
          axes: fc.constant(axes),
          groups: fc.constant(groups),
          options: fc.constant({ ...options, groups }),
          x: wholes([n, groups * perGroup, ...axes.map((a) => a.length)], dtype),
          w: wholes([f, perGroup, ...kernelSize], dtype),
          b: wholes([f], dtype),
          y: wholes([n, f, ...axes.map(countOf)], dtype),
        });
      }),
    );

const inner = (a: Tensor, b: Tensor) => a.mul(b).sum().item() as number;
const same = (a: Tensor, b: Tensor) => {
  expect([a.dtype, ...a.shape]).toEqual([b.dtype, ...b.shape]);
  expect(a.add(0).toArray()).toEqual(b.add(0).toArray());
};

describe.each(devices)('%s', (device) => {
  const small = (data: readonly number[], shape: readonly number[]) =>
    tensor(data, { shape, dtype: 'float64', device });

  test.each(['float64', 'float32', 'int32'] as const)('conv is the sum written out (%s)', (dtype) => {
    fc.assert(
      fc.property(problems(dtype), fc.boolean(), ({ x, w, b, axes, groups, options }, biased) => {
        const [input, filters, bias] = [x.on(device), w.on(device), b.on(device)];
        const found = leavingUntouched([input, filters, bias], () =>
          run('conv', input, filters, biased ? { ...options, bias } : options),
        );
        expectModel(found, convModel(x.model, w.model, biased ? b.model : null, axes, groups));
      }),
      { numRuns: dtype === 'float64' ? 100 : 25 },
    );
  });

  test('convTranspose is every element stamping its filters', () => {
    fc.assert(
      fc.property(problems(), ({ y, w, axes, groups, options }) => {
        const outputSize = axes.map((a) => a.length);
        const found = run('convTranspose', y.on(device), w.on(device), { ...options, outputSize });
        expectModel(found, transposeModel(y.model, w.model, axes, groups));
      }),
      { numRuns: 100 },
    );
  });

  test('the two are adjoint: <conv(x), y> = <x, convTranspose(y)>', () => {
    fc.assert(
      fc.property(problems(), ({ x, y, w, axes, options }) => {
        const [input, filters, output] = [x.on(device), w.on(device), y.on(device)];
        const outputSize = axes.map((a) => a.length);
        const back = run('convTranspose', output, filters, { ...options, outputSize });
        expect(inner(run('conv', input, filters, options), output)).toBe(inner(input, back));
      }),
      { numRuns: 60 },
    );
  });

  test('conv is linear in input and filters', () => {
    fc.assert(
      fc.property(problems(), fc.integer({ min: -3, max: 3 }), ({ x, w, options }, k) => {
        const [input, filters] = [x.on(device), w.on(device)];
        const [dx, dw] = [input.flip().square(), filters.flip().square()];
        const f = (a: Tensor, b: Tensor) => run('conv', a, b, options);
        same(f(input.mul(k).add(dx), filters), f(input, filters).mul(k).add(f(dx, filters)));
        same(f(input, filters.mul(k).add(dw)), f(input, filters).mul(k).add(f(input, dw)));
      }),
      { numRuns: 30 },
    );
  });

  test('a filter that is 1 at one place shifts; with padding same and an odd size it can be the identity', () => {
    const x = tensor(randn([2, 1, 5, 4], new Rng(0)), { device });
    const at = (i: number, j: number) =>
      zeros([1, 1, 3, 3], { device }).add(
        tensor(
          Array.from({ length: 9 }, (_, k) => (k === 3 * i + j ? 1 : 0)),
          { shape: [1, 1, 3, 3], device },
        ),
      );
    same(x.conv2d(at(1, 1), { padding: 'same' }), x);
    same(x.conv2d(at(0, 2)), x.slice(null, null, [0, 3], [2, 4]));
    same(x.convTranspose2d(at(1, 1), { padding: 1 }), x);
  });

  test('groups are convolutions side by side', () => {
    fc.assert(
      fc.property(problems(), ({ x, w, groups, options }) => {
        const inputs = x.on(device).split(groups, 1);
        const filters = w.on(device).split(groups, 0);
        const apart = inputs.map((part, i) => run('conv', part, filters[i]!, { ...options, groups: 1 }));
        same(run('conv', x.on(device), w.on(device), options), concat(apart, 1));
      }),
      { numRuns: 30 },
    );
  });

  test('a strided one is part of the dense one, a dilated one has filters with holes', () => {
    const rng = new Rng(1);
    const x = tensor(rng.integers(2 * 3 * 9 * 8, -4, 5), { shape: [2, 3, 9, 8], dtype: 'float64', device });
    const w = tensor(rng.integers(4 * 3 * 3 * 2, -4, 5), { shape: [4, 3, 3, 2], dtype: 'float64', device });
    same(x.conv2d(w, { stride: [2, 3] }), x.conv2d(w).slice(null, null, [null, null, 2], [null, null, 3]));
    const holes = w
      .reshape([4, 3, 3, 1, 2, 1])
      .pad([
        [0, 0],
        [0, 0],
        [0, 0],
        [0, 1],
        [0, 0],
        [0, 2],
      ])
      .reshape([4, 3, 6, 6])
      .slice(null, null, [0, 5], [0, 4]);
    same(x.conv2d(w, { dilation: [2, 3] }), x.conv2d(holes));
  });

  test('an input without a batch axis is a batch of one', () => {
    const rng = new Rng(2);
    const x = randn([3, 6, 5], rng, { device });
    const w = randn([4, 3, 2, 2], rng, { device });
    const bias = randn([4], rng, { device });
    same(x.conv2d(w, { bias }), x.unsqueeze(0).conv2d(w, { bias }).squeeze(0));
    const v = randn([3, 4, 2, 2], rng, { device });
    same(x.convTranspose2d(v, { bias }), x.unsqueeze(0).convTranspose2d(v, { bias }).squeeze(0));
  });

  test('by hand', () => {
    const x = small([1, 2, 3, 4], [1, 1, 4]);
    expect(x.conv1d(small([1, 10], [1, 1, 2])).toArray()).toEqual([[[21, 32, 43]]]);
    expect(x.conv1d(small([1, 10], [1, 1, 2]), { padding: [[0, 2]] }).toArray()).toEqual([[[21, 32, 43, 4, 0]]]);
    expect(x.conv1d(small([1, 10], [1, 1, 2]), { padding: 'same' }).toArray()).toEqual([[[21, 32, 43, 4]]]);
    expect(x.conv1d(small([1, 10], [1, 1, 2]), { padding: 'sameLower' }).toArray()).toEqual([[[10, 21, 32, 43]]]);
    expect(x.convTranspose1d(small([1, 10], [1, 1, 2]), { stride: 3, outputPadding: 2 }).toArray()).toEqual([
      [[1, 10, 0, 2, 20, 0, 3, 30, 0, 4, 40, 0, 0]],
    ]);
    // ONNX's ConvTranspose with output_shape: natural size 3, two elements more than the windows make; and two fewer.
    const y = small([5], [1, 1, 1]);
    const k = small([1, 2, 3], [1, 1, 3]);
    expect(y.convTranspose1d(k, { stride: 4, outputSize: 5 }).toArray()).toEqual([[[5, 10, 15, 0, 0]]]);
    expect(y.convTranspose1d(k, { padding: 'same', outputSize: 2 }).toArray()).toEqual([[[5, 10]]]);
    expect(y.convTranspose1d(k, { padding: 'sameLower', outputSize: 2 }).toArray()).toEqual([[[10, 15]]]);
    expect(y.convTranspose1d(k, { padding: 'same', stride: 5 }).toArray()).toEqual([[[5, 10, 15, 0, 0]]]);
    // What is cropped in front is more than there is: only outputPadding is left.
    expect(
      y.convTranspose1d(small([1], [1, 1, 1]), { stride: 9, padding: [[3, 0]], outputPadding: 8 }).toArray(),
    ).toEqual([[[0, 0, 0, 0, 0, 0]]]);
  });

  test('operands meet at one dtype', () => {
    const dtypeOf = (a: DType, b: DType, c: DType) =>
      ones([1, 1, 3], { dtype: a, device }).conv1d(ones([1, 1, 2], { dtype: b, device }), {
        bias: ones([1], { dtype: c, device }),
      }).dtype;
    expect(dtypeOf('float32', 'float32', 'float32')).toBe('float32');
    expect(dtypeOf('float32', 'float64', 'float32')).toBe('float64');
    expect(dtypeOf('int32', 'bool', 'float32')).toBe('float32');
    expect(dtypeOf('bool', 'bool', 'bool')).toBe('int32');
  });
});

describe('errors', () => {
  const x = zeros([2, 4, 5, 6]);
  const w = zeros([6, 4, 3, 3]);
  const failing: Record<string, [() => unknown, keyof typeof errors, string]> = {
    'channels that differ': [
      () => x.conv2d(zeros([6, 3, 3, 3])),
      'ShapeError',
      'conv2d: input [2,4,5,6] and filters [6,3,3,3] do not fit: 6 filters in 1 groups take 3 channels each, the input has 4',
    ],
    'groups that do not divide the filters': [
      () => x.conv2d(zeros([5, 2, 3, 3]), { groups: 2 }),
      'ShapeError',
      'conv2d: input [2,4,5,6] and filters [5,2,3,3] do not fit: 5 filters in 2 groups take 2 channels each, the input has 4',
    ],
    'groups that do not divide the channels': [
      () => x.convTranspose2d(zeros([4, 2, 3, 3]), { groups: 3 }),
      'ShapeError',
      'convTranspose2d: input [2,4,5,6] and filters [4,2,3,3] do not fit: there is a filter for each of 4 channels in 3 ' +
        'groups, the input has 4',
    ],
    'another number of axes': [
      () => x.conv1d(w),
      'ShapeError',
      'conv1d: wants an input [N,C,L] or [C,L] and filters with 3 axes; found [2,4,5,6] and [6,4,3,3]',
    ],
    'a bias that is none': [
      () => x.conv2d(w, { bias: zeros([4]) }),
      'ShapeError',
      'conv2d: wants a bias [6], found [4]',
    ],
    'a filter larger than the input': [
      () => x.conv2d(w, { dilation: 3, padding: [0, 1] }),
      'WindowError',
      'conv2d: a window that reaches over 7 elements does not fit into the 5 of spatial axis 0 (5 and padding 0 + 0)',
    ],
    'a stride of 0': [
      () => x.conv2d(w, { stride: 0 }),
      'WindowError',
      'conv2d: stride is an integer of at least 1, or 2 of them, one for each spatial axis; found 0',
    ],
    'too many dilations': [
      () => x.conv2d(w, { dilation: [1, 1, 1] }),
      'WindowError',
      'conv2d: dilation is an integer of at least 1, or 2 of them, one for each spatial axis; found [1,1,1]',
    ],
    'a padding of less than nothing': [
      () =>
        x.conv2d(w, {
          padding: [
            [0, -1],
            [0, 0],
          ],
        }),
      'WindowError',
      'conv2d: padding is an integer of at least 0, one for each of the 2 spatial axes, a pair [before, after] for each, ' +
        "'valid', 'same' or 'sameLower'; found [[0,-1],[0,0]]",
    ],
    'half a group': [
      () => x.conv2d(w, { groups: 0.5 }),
      'WindowError',
      'conv2d: groups is an integer of at least 1; found 0.5',
    ],
    'an output padding that makes room for another window': [
      () => x.convTranspose2d(zeros([4, 1, 2, 2]), { stride: 2, outputPadding: [0, 2] }),
      'WindowError',
      'convTranspose2d: 6 windows on spatial axis 1 make 12 elements, and up to 1 more by outputPadding; found 14',
    ],
    'a size out of reach': [
      () => x.convTranspose2d(zeros([4, 1, 2, 2]), { outputSize: [6, 6] }),
      'WindowError',
      'convTranspose2d: 6 windows on spatial axis 1 make 7 elements, and up to 0 more by outputPadding; found 6',
    ],
    'a size and a padding': [
      () => x.convTranspose2d(zeros([4, 1, 2, 2]), { outputSize: [6, 7], outputPadding: 0 }),
      'WindowError',
      'convTranspose2d: outputSize says what outputPadding is; give one of the two',
    ],
    'a result of nothing': [
      () => zeros([1, 1, 2]).convTranspose1d(zeros([1, 1, 1]), { padding: 1 }),
      'WindowError',
      'convTranspose1d: 2 windows on spatial axis 0 make 0 elements, and up to 0 more by outputPadding; found 0',
    ],
  };
  test.each(Object.keys(failing))('%s', (what) => {
    const [fn, kind, message] = failing[what]!;
    const error = thrown(fn) as errors.GemlabError;
    expect(error).toBeInstanceOf(errors[kind]);
    expect(error.message).toBe(message);
    expect(Object.keys(error.fields).length).toBeGreaterThan(0);
  });

  test('a padding that is no padding, of any kind', () => {
    for (const padding of ['full', [1], [1, 2, 3], 1.5, Number.NaN, [[1, 1]], [[1], [1]], [1, [0, 1, 2]], {}]) {
      expect(() => x.conv2d(w, { padding: padding as 1 }), JSON.stringify(padding)).toThrow(errors.WindowError);
    }
  });
});
