// The trace of a solve is a proof that can be read: each step follows from the one before it, and nothing in it can be changed unnoticed.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TraceMismatchError } from '../../src/errors.ts';
import { type QPSolution, replayTrace, solveQP } from '../../src/qp/index.ts';
import { problems, runs } from './problems.ts';

const traced = (options: Parameters<typeof problems>[0]) =>
  problems(options).map((problem) => ({ problem, solution: solveQP(problem, { trace: true }) }));

describe('a trace', () => {
  test('replays: every iterate and multiplier follows from the decisions alone', () => {
    fc.assert(
      fc.property(traced({ definite: true, feasible: true }), ({ problem, solution }) => {
        const replay = replayTrace(problem, solution);
        expect(replay.iterations).toBe(solution.iterations);
        expect(replay.deviation).toBeLessThanOrEqual(1e-9);
        const size = 1 + Math.max(...solution.x.map(Math.abs));
        replay.x.forEach((value, j) => {
          expect(Math.abs(value - solution.x[j]!)).toBeLessThanOrEqual(1e-9 * size);
        });
        const names = (refs: QPSolution['activeSet']) => refs.map(({ kind, index }) => kind + index).sort();
        expect(names(replay.activeSet)).toEqual(names(solution.activeSet));
      }),
      runs(100),
    );
  });

  test.each([
    { definite: false, feasible: true },
    { definite: true, feasible: false },
    { definite: false, feasible: false },
  ])('replays whatever the outcome: %o', (kind) => {
    fc.assert(
      fc.property(traced(kind), ({ problem, solution }) => {
        // Where P is semidefinite x is held by weights of 1e-10 on its way: a few in 100,000 such problems amplify rounding to 1e-2.
        const options = kind.definite ? {} : { tolerance: 0.1 };
        expect(replayTrace(problem, solution, options).iterations).toBe(solution.iterations);
      }),
      runs(100),
    );
  });

  test('has one entry for each iteration, survives JSON, and recording it changes nothing', () => {
    fc.assert(
      fc.property(traced({ definite: true, feasible: true }), ({ problem, solution }) => {
        const { trace, rounds, ...plain } = solution;
        expect(plain).toEqual(solveQP(problem));
        expect(trace!.map(({ iteration }) => iteration)).toEqual(trace!.map((_, i) => i + 1));
        expect(trace).toHaveLength(solution.iterations);
        const thawed = JSON.parse(JSON.stringify({ trace, rounds }));
        expect(replayTrace(problem, thawed)).toEqual(replayTrace(problem, solution));
      }),
    );
  });

  test('is refused by name when it was tampered with', () => {
    const problem = {
      P: [
        [2, 0],
        [0, 2],
      ],
      q: [-2, -5],
      G: [
        [1, 2],
        [-1, 2],
        [-1, -2],
      ],
      h: [6, 2, 2],
      lb: [0, 0],
    };
    const solution = solveQP(problem, { trace: true });
    expect(solution.iterations).toBeGreaterThan(0);
    const step = solution.trace!.at(-1)!;
    const change = (changes: object) => ({
      ...solution,
      trace: [...solution.trace!.slice(0, -1), { ...step, ...changes }],
    });
    const ref = { kind: 'lower', index: 1 };
    const cases: [string, object][] = [
      ['x', { x: step.x.map((value) => value * 1.01) }],
      ['the multiplier of inequality 1', { multipliers: { ...step.multipliers, inequality: [0, 0.1, 0] } }],
      ['the multiplier of lower 0', { multipliers: { ...step.multipliers, lower: [0.5, 0] } }],
      ['step', { step: 2 * step.step }],
      ['step', { primalStep: 2 * step.primalStep! }],
      ['added', { added: ref }],
      ['added or dropped', { dropped: ref }],
      ['activeSet', { activeSet: [] }],
      ['iteration', { iteration: 7 }],
      ['dropped', { entering: null, added: null, dropped: ref, step: 0 }],
      ['slack of the entering constraint', { entering: ref, added: ref, x: step.x }],
    ];
    for (const [what, changes] of cases) {
      expect(() => replayTrace(problem, change(changes)), what).toThrow(TraceMismatchError);
      expect(() => replayTrace(problem, change(changes)), what).toThrow(what);
    }
    expect(() => replayTrace({ ...problem, q: [-2, -4] }, solution)).toThrow(TraceMismatchError);
    expect(() => replayTrace(problem, solveQP(problem))).toThrow(/the trace is missing/);
  });

  test('tells a step in the units of the multiplier that it moves', () => {
    // min 1/2 x^2, 100 x >= 200: the multiplier of that row is x / 100 = 0.02.
    const { trace } = solveQP({ P: [[1]], q: [0], G: [[-100]], h: [-200] }, { trace: true });
    expect(trace).toHaveLength(1);
    expect(trace![0]!.step).toBeCloseTo(0.02, 15);
    expect(trace![0]!.multipliers.inequality[0]).toBeCloseTo(0.02, 15);
  });
});
