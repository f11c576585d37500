// A warm start saves steps and changes nothing else, however good or bad it is.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ConstraintRef, constraintKinds, type QPSolution, solveQP } from '../../src/qp/index.ts';
import { entry, problems, runs } from './problems.ts';

const anyConstraints = fc.array(
  fc.record({ kind: fc.constantFrom(...constraintKinds), index: fc.nat(9) }) as fc.Arbitrary<ConstraintRef>,
  { maxLength: 12 },
);

/** Same status, same objective, and where the solution is unique the same x, to rounding. */
function expectSameAnswer(warm: QPSolution, cold: QPSolution, isUnique: boolean): void {
  expect(warm.status).toBe(cold.status);
  if (cold.status !== 'optimal') return;
  const size = 1 + Math.max(...cold.x.map(Math.abs));
  expect(Math.abs(warm.objective - cold.objective)).toBeLessThanOrEqual(1e-9 * size * size * 100);
  expect(warm.kkt.relative).toBeLessThanOrEqual(Math.max(1e-13, 4 * cold.kkt.relative));
  if (!isUnique) return;
  warm.x.forEach((value, j) => {
    expect(Math.abs(value - cold.x[j]!)).toBeLessThanOrEqual(1e-9 * size);
  });
}

describe.each([
  { definite: true, feasible: true },
  { definite: false, feasible: true },
  { definite: true, feasible: false },
])('problems with %o', (kind) => {
  test('any active set at all leads to the same answer', () => {
    fc.assert(
      fc.property(problems(kind), anyConstraints, (problem, warmStart) => {
        expectSameAnswer(solveQP(problem, { warmStart }), solveQP(problem), kind.definite);
      }),
      runs(100),
    );
  });

  test('so does any point at all', () => {
    fc.assert(
      fc.property(problems(kind), fc.array(entry, { minLength: 6, maxLength: 6 }), (problem, numbers) => {
        const x = numbers.slice(0, problem.q.length);
        expectSameAnswer(solveQP(problem, { warmStart: { x } }), solveQP(problem), kind.definite);
      }),
      runs(100),
    );
  });
});

test('the solution itself takes no step, given whole, as an active set or as a point', () => {
  fc.assert(
    fc.property(problems({ definite: true, feasible: true }), (problem) => {
      const cold = solveQP(problem);
      for (const warmStart of [cold, cold.activeSet, { activeSet: cold.activeSet }]) {
        const warm = solveQP(problem, { warmStart });
        expect(warm.iterations).toBeLessThanOrEqual(cold.iterations);
        expectSameAnswer(warm, cold, true);
      }
      expectSameAnswer(solveQP(problem, { warmStart: { x: cold.x } }), cold, true);
    }),
    runs(100),
  );
});

test('a neighbouring problem is reached in fewer steps', () => {
  // 40 variables in a box, all of which end at a bound; then the target of one changes sides.
  const n = 40;
  const P = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (__, j) => (i === j ? 2 : 1 / (1 + i + j))));
  const q = Array.from({ length: n }, (_, i) => (i % 2 === 0 ? 50 : -50));
  const box = { lb: new Array<number>(n).fill(-1), ub: new Array<number>(n).fill(1) };
  const first = solveQP({ P, q, ...box });
  const next = { P, q: q.with(3, 50), ...box };
  const cold = solveQP(next);
  expect(cold.iterations).toBeGreaterThanOrEqual(n);
  for (const warmStart of [first, first.activeSet, { x: first.x }]) {
    const warm = solveQP(next, { warmStart });
    expect(warm.iterations).toBeLessThanOrEqual(2);
    expectSameAnswer(warm, cold, true);
  }
});

test('what is no warm start is refused by name, and a constraint that the problem lacks is passed over', () => {
  const problem = {
    P: [
      [1, 0],
      [0, 1],
    ],
    q: [-1, -1],
    ub: [0.5, 0.5],
  };
  const solve = (warmStart: unknown) => () => solveQP(problem, { warmStart: warmStart as [] });
  expect(solve({ x: [1] })).toThrow(/warmStart.x has length 1, expected 2/);
  expect(solve({ x: [1, Number.NaN] })).toThrow(/x\[1\] is NaN/);
  expect(solve([{ kind: 'upper' }])).toThrow(/warmStart|activeSet\[0\] is \{"kind":"upper"\}/);
  expect(solve([null])).toThrow(/activeSet\[0\] is null/);
  expect(solve([{ kind: 'equality', index: 5 }])()).toMatchObject({ status: 'optimal', x: [0.5, 0.5] });
});
