// dot, outer and everything about diagonals and triangles, against their definitions, on any strides, and what they refuse.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { devices, errors, eye, ones, type Tensor, tensor, zeros } from '../src/index.ts';
import { expectModel, leavingUntouched, thrown } from './support/expect.ts';
import { at, indicesOf, type Model, stored, tabulate } from './support/model.ts';
import { anySample, dtypes, numeric, type Sample, samples, shapes, sizes } from './support/samples.ts';

/** Small integers: sums of products are exact in every dtype. */
const small = fc.integer({ min: -9, max: 9 });
const offsets = fc.integer({ min: -5, max: 5 });
/** A sample with at least two axes, and two different ones of them, negative or not. */
const planes = fc
  .tuple(anySample(dtypes, shapes(2, 4)), fc.nat(3), fc.nat(3), fc.boolean())
  .map(([x, i, j, negative]) => {
    const rank = x.model.shape.length;
    const first = i % rank;
    const second = (first + 1 + (j % (rank - 1))) % rank;
    return { x, first, second, name: (axis: number) => (negative ? axis - rank : axis) };
  });

/** x[..., i, i + offset] of two axes. */
function diagonal(m: Model, offset: number, first: number, second: number): Model {
  const [rows, columns] = [m.shape[first]!, m.shape[second]!];
  const length = Array.from({ length: rows }, (_, i) => i + offset).filter((j) => j >= 0 && j < columns).length;
  const rest = m.shape.filter((_, axis) => axis !== first && axis !== second);
  return tabulate([...rest, length], m.dtype, (index) => {
    const i = index.at(-1)! + Math.max(0, -offset);
    const others = index.slice(0, -1);
    return at(
      m,
      m.shape.map((_, axis) => (axis === first ? i : axis === second ? i + offset : others.shift()!)),
    );
  });
}

describe.each(devices)('%s', (device) => {
  test('dot: the last axis against the last but one', () => {
    const operands = fc
      .tuple(fc.constantFrom(...numeric), shapes(0, 2), shapes(0, 1), sizes, sizes, fc.nat(3))
      .chain(([dtype, a, b, inner, n, form]): fc.Arbitrary<[Sample, Sample]> => {
        const left = form === 3 ? [] : [...a, inner];
        const right = form === 2 ? [] : form === 1 ? [inner] : [...b, inner, n];
        return fc.tuple(samples(dtype, left, small), samples(dtype, right, small));
      });
    fc.assert(
      fc.property(operands, ([a, b]) => {
        const [p, q] = [a.model, b.model];
        const scalar = p.shape.length === 0 || q.shape.length === 0;
        const place = Math.max(0, q.shape.length - 2);
        const inner = scalar ? 1 : p.shape.at(-1)!;
        const lead = scalar ? p.shape : p.shape.slice(0, -1);
        const rest = scalar ? q.shape : q.shape.toSpliced(place, 1);
        const expected = tabulate([...lead, ...rest], p.dtype, (index) => {
          const [i, j] = [index.slice(0, lead.length), index.slice(lead.length)];
          const terms = Array.from({ length: inner }, (_, k) =>
            scalar ? at(p, i) * at(q, j) : at(p, [...i, k]) * at(q, j.toSpliced(place, 0, k)),
          );
          return terms.reduce((sum, v) => sum + v, 0);
        });
        const [x, y] = [a.on(device), b.on(device)];
        expectModel(
          leavingUntouched([x, y], () => x.dot(y)),
          expected,
        );
      }),
      { numRuns: 100 },
    );
  });

  test('outer', () => {
    const vectors = fc
      .tuple(fc.constantFrom(...numeric), sizes, sizes)
      .chain(([dtype, m, n]) => fc.tuple(samples(dtype, [m], small), samples(dtype, [n], small)));
    fc.assert(
      fc.property(vectors, ([a, b]) => {
        const expected = tabulate([a.model.values.length, b.model.values.length], a.model.dtype, ([i, j]) =>
          Number(a.model.values[i!]! * b.model.values[j!]!),
        );
        expectModel(a.on(device).outer(b.on(device)), expected);
      }),
    );
    expect(
      tensor([true, false], { device })
        .outer(tensor([2.5], { device }))
        .toArray(),
    ).toEqual([[2.5], [0]]);
  });

  test('diagonal and trace of any two axes', () => {
    fc.assert(
      fc.property(planes, offsets, ({ x, first, second, name }, offset) => {
        const t = x.on(device);
        const expected = diagonal(x.model, offset, first, second);
        expectModel(
          leavingUntouched([t], () => t.diagonal(offset, name(first), name(second))),
          expected,
        );
        // A sum of the diagonal has nothing of its own but the axes that it takes.
        const sum = t.trace(offset, name(first), name(second));
        expect(sum.toArray()).toEqual(t.diagonal(offset, first, second).sum(-1).toArray());
        expect(sum.shape).toEqual(expected.shape.slice(0, -1));
      }),
    );
    const x = tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3], device });
    expect([x.trace().item(), x.trace(1).item(), x.trace(-1).item(), x.trace(9).item()]).toEqual([6, 8, 4, 0]);
    expect([x.diagonal().toArray(), x.transpose().diagonal(-1).toArray()]).toEqual([
      [1, 5],
      [2, 6],
    ]);
    expect(eye(3, 3, { dtype: 'bool', device }).trace().item()).toBe(3);
    expect(x.diagonal().storage).toBe(x.storage);
  });

  test('triu and tril keep their triangle, and with the rest they are all', () => {
    fc.assert(
      fc.property(anySample(dtypes, shapes(2, 4)), offsets, (x, offset) => {
        const t = x.on(device);
        const part = (keeps: (above: number) => boolean) =>
          tabulate(x.model.shape, x.model.dtype, (i) => (keeps(i.at(-1)! - i.at(-2)!) ? at(x.model, i) : 0));
        expectModel(
          leavingUntouched([t], () => t.triu(offset)),
          part((above) => above >= offset),
        );
        expectModel(
          t.tril(offset),
          part((above) => above <= offset),
        );
        expectModel(t.triu(offset).logicalOr(t.tril(offset - 1)), {
          ...x.model,
          dtype: 'bool',
          values: x.model.values.map((v) => stored(v, 'bool')),
        });
      }),
    );
  });

  test('diag puts a vector on a diagonal and takes it off again', () => {
    fc.assert(
      fc.property(anySample(dtypes, shapes(1, 1)), offsets, (v, offset) => {
        const n = v.model.values.length + Math.abs(offset);
        const matrix = tabulate([n, n], v.model.dtype, ([i, j]) =>
          j! - i! === offset ? v.model.values[Math.min(i!, j!)]! : 0,
        );
        const t = v.on(device);
        expectModel(t.diag(offset), matrix);
        expectModel(t.diag(offset).diag(offset), v.model);
      }),
    );
    fc.assert(
      fc.property(anySample(dtypes, shapes(2, 2)), offsets, (x, offset) => {
        expectModel(x.on(device).diag(offset), diagonal(x.model, offset, 0, 1));
      }),
    );
  });

  test('the laws that tie them: trace of a product, outer as matmul, dot of matrices', () => {
    const pair = fc
      .tuple(sizes, sizes)
      .chain(([m, n]) => fc.tuple(samples('int32', [m, n], small), samples('int32', [n, m], small)));
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const [x, y] = [a.on(device), b.on(device)];
        expect(x.matmul(y).trace().item()).toBe(y.matmul(x).trace().item());
        expect(x.dot(y).toArray()).toEqual(x.matmul(y).toArray());
        const [u, v] = [x.flatten(), y.flatten()];
        expect(u.outer(v).toArray()).toEqual(u.unsqueeze(1).matmul(v.unsqueeze(0)).toArray());
      }),
    );
    for (const [index] of indicesOf([3])) {
      const offset = index! - 1;
      expect(ones([3, 3], { device }).triu(offset).sum().item()).toBe([8, 6, 3][index!]);
    }
  });

  const x = (...shape: number[]) => zeros(shape, { device });
  test.each<[string, () => Tensor, typeof errors.GemlabError, string]>([
    [
      'dot where the inner sizes differ',
      () => x(2, 3).dot(x(2, 4, 3)),
      errors.ShapeError,
      'dot: inner dimensions differ: [2,3] . [2,4,3] (3 != 4)',
    ],
    [
      'outer of a matrix',
      () => x(2, 3).outer(x(2)),
      errors.ShapeError,
      'outer: wants two vectors, found [2,3] and [2]; did you mean .flatten()?',
    ],
    [
      'a diagonal of one axis',
      () => x(2, 2).diagonal(0, 1, -1),
      errors.AxisError,
      'diagonal: needs two axes, found 1 twice',
    ],
    [
      'a diagonal of a vector',
      () => x(2).trace(),
      errors.AxisError,
      'diagonal: axis 1 is out of range for rank 1; valid axes are -1..0',
    ],
    [
      'diag of a stack',
      () => x(2, 2, 2).diag(),
      errors.ShapeError,
      'diag: wants a vector or a matrix, found [2,2,2]; did you mean diagonal?',
    ],
    ['half an offset', () => x(2).diag(0.5), errors.IndexError, 'diag: the offset must be an integer, found 0.5'],
    ['a triangle of a vector', () => x(3).triu(), errors.ShapeError, 'triu: wants matrices, [..., m, n], found [3]'],
    ['no offset', () => x(2, 2).tril(Number.NaN), errors.IndexError, 'tril: the offset must be an integer, found NaN'],
  ])('refuses %s', (_, fn, kind, message) => {
    const error = thrown(fn);
    expect(error.message).toBe(message);
    expect(error).toBeInstanceOf(kind);
  });
});
