// Numbers as an explanation writes them.

import { expect, test } from 'vitest';
import { column } from '../../src/plain-text.ts';

test('a column has one notation', () => {
  expect(column([1.23456, -0.00012, 10])).toEqual(['1.23', '0.00', '10.00']);
  expect(column([0.5, null])).toEqual(['0.5000', '-']);
  expect(column([1e-5, -2.5e-4, 0])).toEqual(['1.000e-5', '-2.500e-4', '0.000e+0']);
  expect(column([123456, 1])).toEqual(['123456', '1']);
  expect(column([0, 0])).toEqual(['0.000', '0.000']);
  expect(column([])).toEqual([]);
});
