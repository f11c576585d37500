// NumPy's broadcasting rule, for every kind of op that lines shapes up, against the rule written out in support/model.ts.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { devices, errors, ones, tensor, where, zeros } from '../src/index.ts';
import { expectModel, thrown } from './support/expect.ts';
import { broadcast, expanded, zipped } from './support/model.ts';
import { samples, shapes } from './support/samples.ts';

const pairs = fc
  .tuple(shapes(0, 3), fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), fc.nat(5), shapes(0, 3))
  // The second shape is any shape, or the first with some axes cut off or made 1, so that most pairs fit.
  .map(([a, repeated, cut, any]): [number[], number[]] => [
    a,
    cut > 3 ? any : a.map((d, i) => (repeated[i] ? 1 : d)).slice(Math.min(cut, a.length)),
  ])
  .chain(([a, b]) => fc.boolean().map((swap): [number[], number[]] => (swap ? [b, a] : [a, b])));

describe.each(devices)('%s', (device) => {
  test('two shapes meet, or the error names both', () => {
    const found = { fit: 0, misfit: 0 };
    const cases = pairs.chain(([a, b]) => fc.tuple(samples('int32', a), samples('int32', b)));
    fc.assert(
      fc.property(cases, ([a, b]) => {
        const [x, y] = [a.on(device), b.on(device)];
        if (broadcast(a.model.shape, b.model.shape) === null) {
          found.misfit++;
          const error = thrown(() => x.add(y));
          expect(error).toBeInstanceOf(errors.ShapeError);
          expect(error.message).toContain(`add: shapes [${a.model.shape}] and [${b.model.shape}] do not broadcast`);
          return;
        }
        found.fit++;
        expectModel(
          x.sub(y),
          zipped('int32', (v, w) => v - w, a.model, b.model),
        );
        expectModel(
          x.gt(y),
          zipped('bool', (v, w) => Number(v > w), a.model, b.model),
        );
        expectModel(x.maximum(y), zipped('int32', Math.max, a.model, b.model));
      }),
      { numRuns: 150 },
    );
    expect(Math.min(found.fit, found.misfit)).toBeGreaterThan(0);
  });

  test('three shapes meet in where', () => {
    const cases = fc
      .tuple(
        shapes(0, 3),
        fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }),
        fc.array(fc.nat(3), { minLength: 3, maxLength: 3 }),
      )
      .chain(([shape, repeated, cuts]) => {
        const part = (k: number) =>
          shape.map((d, i) => (repeated[3 * k + i] ? 1 : d)).slice(Math.min(cuts[k]!, shape.length));
        return fc.tuple(samples('bool', part(0)), samples('float32', part(1)), samples('float32', part(2)));
      });
    fc.assert(
      fc.property(cases, ([c, a, b]) => {
        const expected = zipped('float32', (t, v, w) => (t ? v! : w!), c.model, a.model, b.model);
        expectModel(where(c.on(device), a.on(device), b.on(device)), expected);
      }),
      { numRuns: 60 },
    );
  });

  test('empty axes and scalars follow the same rule', () => {
    const sum = (a: number[], b: number[]) => ones(a, { device }).add(ones(b, { device }));
    expect(sum([0], [1]).shape).toEqual([0]);
    expect(sum([0], []).shape).toEqual([0]);
    expect(sum([2, 1], [0]).shape).toEqual([2, 0]);
    expect(sum([], []).shape).toEqual([]);
    expect(sum([], [2, 1]).toArray()).toEqual([[2], [2]]);
    expect(ones([3, 0], { device }).add(1).shape).toEqual([3, 0]);
    expect(() => sum([0], [2])).toThrow(errors.ShapeError);
    expect(() => sum([2, 0], [2, 3])).toThrow(errors.ShapeError);
  });

  test('a repeated operand is a view, and is not written out', () => {
    const row = tensor([1, 2, 3], { device });
    const tall = row.expand([1000, 3]);
    expect(tall.storage.length).toBe(3);
    expect(tall.add(tall).slice(999).toArray()).toEqual([2, 4, 6]);
    const column = tensor([[1], [2]], { device });
    expectModel(column.expand([2, 2]).mul(row.slice([0, 2])), {
      ...zipped('float32', (a, b) => a * b, expanded({ shape: [2, 1], dtype: 'float32', values: [1, 2] }, [2, 2]), {
        shape: [2],
        dtype: 'float32',
        values: [1, 2],
      }),
    });
  });

  test.each([
    [[2, 3], [4], 'shapes [2,3] and [4] do not broadcast: 3 and 4 differ on axis -1 and neither is 1'],
    [[2, 3], [4, 3], 'shapes [2,3] and [4,3] do not broadcast: 2 and 4 differ on axis -2 and neither is 1'],
    [[0], [2], 'shapes [0] and [2] do not broadcast: 0 and 2 differ on axis -1 and neither is 1'],
    [[5, 1, 2], [3, 3], 'shapes [5,1,2] and [3,3] do not broadcast: 2 and 3 differ on axis -1 and neither is 1'],
  ])('[%s] beside [%s] is explained', (a, b, text) => {
    const [x, y] = [zeros(a, { device }), zeros(b, { device })];
    expect(thrown(() => x.mul(y)).message).toBe(`mul: ${text}`);
    expect(thrown(() => x.le(y)).message).toBe(`le: ${text}`);
    expect(thrown(() => x.ge(y)).message).toBe(`ge: ${text}`);
    expect(thrown(() => x.ne(y)).message).toBe(`ne: ${text}`);
    expect(thrown(() => x.logicalXor(y)).message).toBe(`logicalXor: ${text}`);
    expect(thrown(() => where(x.eq(0), x, y)).message).toBe(`where: ${text}`);
    expect((thrown(() => x.mul(y)) as errors.ShapeError).fields).toMatchObject({ shapes: [a, b] });
  });
});
