// Every error of the workspace is one family: a caller catches GemlabError and reads the values found from `fields`.

import { errors, Rng, zeros } from '@gemlab/tensor';
import { describe, expect, it } from 'vitest';
import { AccuracyMatrix, GemError, permutedStream, projectGradient, solveQP } from '../../src/index.ts';

const thrown = (call: () => unknown): errors.GemlabError => {
  try {
    call();
  } catch (error) {
    return error as errors.GemlabError;
  }
  throw new Error('nothing was thrown');
};

const part = { inputs: zeros([2, 3]), targets: zeros([2], { dtype: 'int32' }) };

describe('errors', () => {
  it.each([
    ['ShapeMismatchError', () => projectGradient([1, 2], [[1]]), { argument: 'G[0]', found: 1, expected: 2 }],
    ['NonFiniteGradientError', () => projectGradient([1, Number.NaN], []), { argument: 'g', index: 1 }],
    ['InvalidOptionError', () => projectGradient([1], [], { memoryStrength: -1 }), { value: -1 }],
    ['QPInputError', () => solveQP({ P: [[Number.NaN]], q: [0] }), { argument: 'P', row: 0, column: 0 }],
    ['MetricError', () => new AccuracyMatrix(2).acc(), { missing: ['R[1][0]', 'R[1][1]'] }],
    ['StreamError', () => permutedStream({ train: part, test: part, tasks: 0, rng: new Rng(0) }), { found: 0 }],
  ])('%s is a GemlabError with fields', (name, call, fields) => {
    const error = thrown(call);
    expect(error).toBeInstanceOf(errors.GemlabError);
    expect(error).toBeInstanceOf(GemError);
    expect(error.name).toBe(name);
    expect(error.message.startsWith(`${(error as GemError).operation}: `)).toBe(true);
    expect(error.fields).toMatchObject(fields);
  });
});
