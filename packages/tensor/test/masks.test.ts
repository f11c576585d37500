// What masks select, against a walk over every element; broadcasting masks, empty ones, any strides, and what is refused.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { devices, errors, ones, type Tensor, tensor, zeros } from '../src/index.ts';
import { expectModel, leavingUntouched, thrown } from './support/expect.ts';
import { at, broadcast, expanded, indicesOf, stored, tabulate } from './support/model.ts';
import { anySample, dtypes, type Sample, samples } from './support/samples.ts';

/** x, and a mask that broadcasts with it; with `to`, one that broadcasts to it. */
const masked = (to: boolean) =>
  anySample().chain((x) =>
    fc.tuple(fc.nat(x.model.shape.length), fc.infiniteStream(fc.nat(3))).chain(([drop, draw]) => {
      const inner = x.model.shape.slice(drop).map((d) => (draw.next().value === 0 ? 1 : d));
      const lead = to || draw.next().value > 0 ? [] : [2];
      return samples('bool', [...(drop > 0 ? [] : lead), ...inner]).map((mask): [Sample, Sample] => [x, mask]);
    }),
  );

describe.each(devices)('%s', (device) => {
  test('maskedSelect takes the elements in row-major order', () => {
    fc.assert(
      fc.property(masked(false), ([x, mask]) => {
        const shape = broadcast(x.model.shape, mask.model.shape)!;
        const [whole, chosen] = [expanded(x.model, shape), expanded(mask.model, shape)];
        const values = Array.from(indicesOf(shape)).flatMap((i) => (at(chosen, i) === 1 ? [at(whole, i)] : []));
        const [t, m] = [x.on(device), mask.on(device)];
        expectModel(
          leavingUntouched([t, m], () => t.maskedSelect(m)),
          { shape: [values.length], dtype: x.model.dtype, values },
        );
      }),
    );
  });

  test('maskedFill replaces them by a number of the dtype', () => {
    fc.assert(
      fc.property(masked(false), fc.constantFrom(0, 1, -2, 2 ** 40), ([x, mask], value) => {
        const shape = broadcast(x.model.shape, mask.model.shape)!;
        const [whole, chosen] = [expanded(x.model, shape), expanded(mask.model, shape)];
        const { dtype } = x.model;
        const fill = dtype === 'int32' ? Math.min(value, 2 ** 31 - 1) : stored(value, dtype);
        const expected = tabulate(shape, dtype, (i) => (at(chosen, i) === 1 ? fill : at(whole, i)));
        const [t, m] = [x.on(device), mask.on(device)];
        expectModel(
          leavingUntouched([t, m], () => t.maskedFill(m, value)),
          expected,
        );
        expectModel(t.maskedFill(m, tensor(value, { dtype: 'float64', device })), expected);
      }),
    );
  });

  test('maskedScatter puts the first of a source in their place', () => {
    const cases = masked(true).chain(([x, mask]) =>
      fc
        .tuple(fc.constantFrom(...dtypes.filter((d) => d !== 'float64')), fc.nat(3))
        .chain(([dtype, more]) =>
          samples(dtype, [x.model.values.length + more], fc.integer({ min: 0, max: 1 })).map(
            (source) => [x, mask, source] as const,
          ),
        ),
    );
    fc.assert(
      fc.property(cases, ([x, mask, source]) => {
        const chosen = expanded(mask.model, x.model.shape);
        let next = 0;
        const expected = tabulate(x.model.shape, x.model.dtype, (i) =>
          at(chosen, i) === 1 ? source.model.values[next++]! : at(x.model, i),
        );
        const [t, m, s] = [x.on(device), mask.on(device), source.on(device)];
        expectModel(
          leavingUntouched([t, m, s], () => t.maskedScatter(m, s)),
          expected,
        );
        // What was taken out goes back in, and what goes in can be taken out.
        expectModel(t.maskedScatter(m, t.maskedSelect(m)), x.model);
        expect(t.maskedScatter(m, s).maskedSelect(m).dataSync()).toEqual(s.slice([0, next]).cast(t.dtype).dataSync());
      }),
    );
  });

  test('nonzero says where; gatherND finds what is there', () => {
    fc.assert(
      fc.property(anySample(), (x) => {
        const places = Array.from(indicesOf(x.model.shape)).filter((i) => at(x.model, i) !== 0);
        const t = x.on(device);
        const found = t.nonzero();
        expectModel(found, {
          shape: [places.length, x.model.shape.length],
          dtype: 'int32',
          values: places.flat(),
        });
        expect(t.gatherND(found).dataSync()).toEqual(t.maskedSelect(t.cast('bool')).dataSync());
      }),
    );
    expect(tensor([Number.NaN, -0, 0, 1e-40], { device }).nonzero().toArray()).toEqual([[0], [3]]);
  });

  const x = () => ones([2, 3], { device });
  const truths = (...shape: number[]) => ones(shape, { dtype: 'bool', device });
  test.each<[string, () => Tensor, typeof errors.GemlabError, string]>([
    [
      'a mask of numbers',
      () => x().maskedSelect(zeros([2], { dtype: 'int32', device })),
      errors.DTypeError,
      'maskedSelect: the mask must be bool, found int32; did you mean .ne(0), or an op that takes indices?',
    ],
    [
      'a mask that does not broadcast',
      () => x().maskedFill(truths(2), 0),
      errors.ShapeError,
      'maskedFill: shapes [2,3] and [2] do not broadcast: 3 and 2 differ on axis -1 and neither is 1',
    ],
    [
      'a value that is no scalar',
      () => x().maskedFill(truths(3), x()),
      errors.ShapeError,
      'maskedFill: the value must be a scalar, found [2,3]; did you mean where?',
    ],
    [
      'a mask that is larger',
      () => x().maskedScatter(truths(2, 2, 3), zeros([12], { device })),
      errors.ShapeError,
      'maskedScatter: the mask [2,2,3] is larger than what it is for, [2,3]',
    ],
    [
      'a source that is too short',
      () => x().maskedScatter(truths(2, 1), zeros([5], { device })),
      errors.ShapeError,
      'maskedScatter: the mask has 6 true elements, the source only 5',
    ],
  ])('refuses %s', (_, fn, kind, message) => {
    const error = thrown(fn);
    expect(error.message).toBe(message);
    expect(error).toBeInstanceOf(kind);
  });
});
