// solveQP against optimality conditions, other solvers, brute force, and problems made to break it.

import fc from 'fast-check';
import * as quadprog from 'quadprog';
import { describe, expect, test } from 'vitest';
import { kktResiduals, type QPProblem, type QPSolution, solveQP } from '../../src/qp/index.ts';
import { dot, type Mixed, matrixOf, problems, runs, times, transposed, vectorOf } from './problems.ts';

/** Every number of a solution is finite, and the status is not an excuse. */
function expectSane(problem: Mixed, solution: QPSolution): void {
  const { x, objective, multipliers, kkt } = solution;
  for (const value of [...x, objective, ...Object.values(multipliers).flat(), ...Object.values(kkt)]) {
    expect(Number.isFinite(value)).toBe(true);
  }
  expect(solution.status).not.toBe('iteration-limit');
  expect(solution.kkt).toEqual(kktResiduals(problem, x, multipliers));
}

/** Checks a certificate by its definition, with a few dot products. */
function expectProof({ P, q, G, h, A, b, lb, ub }: Mixed, { status, certificate }: QPSolution): void {
  const n = q.length;
  const size = 1 + Math.max(0, ...[...G, ...A].flat().map(Math.abs));
  if (certificate?.kind === 'infeasible') {
    expect(status).toBe('infeasible');
    const { inequality: y, equality: w, lower: l, upper: u } = certificate.multipliers;
    for (const value of [...y, ...l, ...u]) expect(value).toBeGreaterThanOrEqual(0);
    const total = [...y, ...w, ...l, ...u].reduce((sum, v) => sum + Math.abs(v), 0);
    transposed(G, n).forEach((column, j) => {
      const residual = dot(column, y) + dot(transposed(A, n)[j]!, w) - l[j]! + u[j]!;
      expect(Math.abs(residual)).toBeLessThanOrEqual(1e-9 * total * size);
    });
    const finite = (weights: readonly number[], sides: readonly number[]) =>
      weights.reduce((sum, weight, i) => (weight === 0 ? sum : sum + weight * sides[i]!), 0);
    const value = finite(y, h) + finite(w, b) - finite(l, lb) + finite(u, ub);
    expect(value).toBeLessThan(0);
    expect(certificate.gap).toBeCloseTo(-value, 6);
  } else if (certificate?.kind === 'unbounded') {
    expect(status).toBe('unbounded');
    const d = certificate.direction;
    const length = Math.max(...d.map(Math.abs));
    for (const value of times(P, d))
      expect(Math.abs(value)).toBeLessThanOrEqual(1e-8 * length * (1 + Math.max(...P.flat().map(Math.abs))));
    expect(dot(q, d)).toBeLessThan(0);
    for (const value of times(G, d)) expect(value).toBeLessThanOrEqual(1e-8 * length * size);
    for (const value of times(A, d)) expect(Math.abs(value)).toBeLessThanOrEqual(1e-8 * length * size);
    d.forEach((value, j) => {
      if (lb[j]! > -Infinity) expect(value).toBeGreaterThanOrEqual(-1e-8 * length);
      if (ub[j]! < Infinity) expect(value).toBeLessThanOrEqual(1e-8 * length);
    });
  } else {
    expect(status).toBe('optimal');
  }
}

describe('laws', () => {
  test('a strictly convex problem with a feasible point is solved to the KKT conditions', () => {
    fc.assert(
      fc.property(problems({ definite: true, feasible: true }), (problem) => {
        const solution = solveQP(problem);
        expect(solution.status).toBe('optimal');
        expect(solution.kkt.relative).toBeLessThanOrEqual(1e-12);
        expectSane(problem, solution);
      }),
      runs(150),
    );
  });

  test('a semidefinite problem with a feasible point is solved, or proved unbounded', () => {
    fc.assert(
      fc.property(problems({ definite: false, feasible: true }), (problem) => {
        const solution = solveQP(problem);
        expect(['optimal', 'unbounded']).toContain(solution.status);
        expectSane(problem, solution);
        expectProof(problem, solution);
      }),
      runs(150),
    );
  });

  test('with right-hand sides at random: solved, or proved infeasible by a Farkas certificate', () => {
    fc.assert(
      fc.property(problems({ definite: true, feasible: false }), (problem) => {
        const solution = solveQP(problem);
        expect(['optimal', 'infeasible']).toContain(solution.status);
        expectSane(problem, solution);
        expectProof(problem, solution);
      }),
      runs(150),
    );
  });

  test('anything at all: solved, or one of the two proofs', () => {
    fc.assert(
      fc.property(problems({ definite: false, feasible: false }), (problem) => {
        const solution = solveQP(problem);
        expect(['optimal', 'infeasible', 'unbounded']).toContain(solution.status);
        expectSane(problem, solution);
        expectProof(problem, solution);
      }),
      runs(400),
    );
  });

  test('scaling the objective or the constraints does not move the solution', () => {
    fc.assert(
      fc.property(problems({ definite: true, feasible: true }), fc.integer({ min: -26, max: 26 }), (problem, e) => {
        const s = 2 ** e;
        const by = (M: readonly (readonly number[])[]) => M.map((row) => row.map((x) => x * s));
        const plain = solveQP(problem);
        const objective = solveQP({ ...problem, P: by(problem.P), q: problem.q.map((x) => x * s) });
        const constraints = solveQP({ ...problem, G: by(problem.G), h: problem.h.map((x) => x * s) });
        const size = 1 + Math.max(...plain.x.map(Math.abs));
        for (const { x } of [objective, constraints]) {
          x.forEach((value, j) => {
            expect(Math.abs(value - plain.x[j]!)).toBeLessThanOrEqual(1e-9 * size);
          });
        }
      }),
    );
  });

  test('an indefinite P is refused with a direction of negative curvature, whatever the constraints', () => {
    const indefinite = fc
      .integer({ min: 1, max: 6 })
      .chain((n) =>
        fc
          .record({ B: matrixOf(n, n), d: vectorOf(n), feasible: fc.boolean(), q: vectorOf(n) })
          .filter(({ d }) => dot(d, d) > 0),
      );
    fc.assert(
      fc.property(indefinite, ({ B, d, q }) => {
        // d'Pd = -|d|^2 for P = B'B - dd' (1 + |Bd|^2 / |d|^2) / |d|^2.
        const n = d.length;
        const size = dot(d, d);
        const weight = (1 + dot(times(B, d), times(B, d)) / size) / size;
        const P = d.map((_, i) =>
          d.map((__, j) => dot(transposed(B, n)[i]!, transposed(B, n)[j]!) - weight * d[i]! * d[j]!),
        );
        const solution = solveQP({ P, q, lb: q.map(() => -1), ub: q.map(() => 1) });
        expect(solution.status).toBe('not-convex');
        if (solution.certificate?.kind !== 'not-convex') throw new Error('no certificate');
        const { direction, curvature } = solution.certificate;
        expect(curvature).toBeLessThan(0);
        expect(dot(direction, times(P, direction))).toBeLessThan(0);
      }),
      runs(100),
    );
  });
});

describe('against others', () => {
  // Not on degenerate ones: there it may loop for ever.
  test("quadprog, R's solver in JavaScript, on inequalities and equalities", () => {
    fc.assert(
      fc.property(problems({ definite: true, feasible: true, degenerate: false }), ({ P, q, G, h, A, b }) => {
        // quadprog wants independent equalities and 1-based arrays: min 1/2 x'Dx - d'x, C'x >= c, the first meq of them equal.
        fc.pre(A.length < 2 && A.every((row) => row.some((x) => x !== 0)));
        const n = q.length;
        const rows = [...A, ...G.map((row) => row.map((x) => -x))];
        const oneBased = <T>(list: T[]) => [undefined as T, ...list];
        const theirs = quadprog.solveQP(
          oneBased(P.map((row) => oneBased(row))),
          oneBased(q.map((x) => -x)),
          oneBased(transposed(rows, n).map((row) => oneBased(row))),
          oneBased([...b, ...h.map((x) => -x)]),
          A.length,
        );
        fc.pre(theirs.message === '' && rows.length > 0);
        const ours = solveQP({ P, q, G, h, A, b });
        const size = 1 + Math.abs(theirs.value[1]!);
        expect(Math.abs(ours.objective - theirs.value[1]!)).toBeLessThanOrEqual(1e-9 * size);
      }),
      runs(100),
    );
  });

  test('Goldfarb & Idnani (1983), their numerical example', () => {
    // min 6 x1 + 1/2 (4 x1^2 + 4 x2^2 - 4 x1 x2), x >= 0, x1 + x2 >= 2: x = (1/2, 3/2), f = 6.5.
    const solution = solveQP({
      P: [
        [4, -2],
        [-2, 4],
      ],
      q: [6, 0],
      G: [[-1, -1]],
      h: [-2],
      lb: [0, 0],
    });
    expect(solution.status).toBe('optimal');
    expect(solution.x[0]).toBeCloseTo(0.5, 14);
    expect(solution.x[1]).toBeCloseTo(1.5, 14);
    expect(solution.objective).toBeCloseTo(6.5, 13);
  });
});

describe('special shapes', () => {
  test('no variables, no constraints, a fixed variable, a linear program', () => {
    expect(solveQP({ P: [], q: [] })).toMatchObject({ status: 'optimal', x: [], objective: 0 });
    expect(solveQP({ P: [[2]], q: [-4] })).toMatchObject({ status: 'optimal', x: [2], objective: -4 });
    expect(solveQP({ P: [[1]], q: [0], lb: [3], ub: [3] })).toMatchObject({ status: 'optimal', x: [3] });
    const lp = solveQP({
      P: [
        [0, 0],
        [0, 0],
      ],
      q: [-1, -1],
      G: [
        [1, 2],
        [3, 1],
      ],
      h: [4, 6],
      lb: [0, 0],
    });
    expect(lp.status).toBe('optimal');
    expect(lp.objective).toBeCloseTo(-2.8, 13);
  });

  test('with no objective at all, any feasible point is optimal and no multiplier is needed', () => {
    fc.assert(
      fc.property(problems({ definite: false, feasible: true }), (problem) => {
        const solution = solveQP({
          ...problem,
          P: problem.P.map((row) => row.map(() => 0)),
          q: problem.q.map(() => 0),
        });
        expect(solution).toMatchObject({ status: 'optimal', objective: 0 });
      }),
      runs(100),
    );
  });

  test('a contradiction in the thirteenth digit of a row is found, and its proof cancels to the last bit where there are bounds', () => {
    // The second row asks x2 >= 1 / 2 up to 1e-14 times variables that are bounded, and the first says x2 <= 0.
    const { status, certificate } = solveQP({
      P: [
        [0, 0],
        [0, 0],
      ],
      q: [0, 0],
      G: [[1e-14, -2]],
      h: [-1],
      lb: [0, -Infinity],
      ub: [1, 0],
    });
    expect(status).toBe('infeasible');
    if (certificate?.kind !== 'infeasible') throw new Error('no certificate');
    const { inequality, lower, upper } = certificate.multipliers;
    expect(1e-14 * inequality[0]! - lower[0]! + upper[0]!).toBe(0);
    expect(-2 * inequality[0]! - lower[1]! + upper[1]!).toBe(0);
  });

  test('infeasible, unbounded and non-convex problems are told apart, each with its proof', () => {
    expect(solveQP({ P: [[1]], q: [0], lb: [2], ub: [1] }).status).toBe('infeasible');
    expect(
      solveQP({
        P: [
          [1, 0],
          [0, 0],
        ],
        q: [0, -1],
      }),
    ).toMatchObject({ status: 'unbounded', certificate: { kind: 'unbounded' } });
    expect(
      solveQP({
        P: [
          [1, 0],
          [0, -1],
        ],
        q: [0, 0],
      }),
    ).toMatchObject({
      status: 'not-convex',
      certificate: { kind: 'not-convex' },
    });
  });

  test('the limit on iterations is kept and reported', () => {
    const box = {
      P: [
        [1, 0],
        [0, 1],
      ],
      q: [-5, -5],
      ub: [1, 1],
    };
    expect(solveQP(box, { maxIterations: 1 }).status).toBe('iteration-limit');
    expect(solveQP(box)).toMatchObject({ status: 'optimal', x: [1, 1] });
  });
});

describe('bad input is refused by name, in the words of the caller', () => {
  test.each<[Partial<QPProblem>, RegExp]>([
    [
      {
        P: [
          [1, Number.NaN],
          [0, 1],
        ],
      },
      /P\[0\]\[1\] is NaN/,
    ],
    [{ P: [[1, 0]] }, /P has length 1, expected 2/],
    [{ P: [[1], [0, 1]] }, /P\[0\] has length 1, expected 2/],
    [{ q: [0, Infinity] }, /q\[1\] is Infinity/],
    [{ G: [[1, 1]] }, /h.*G is given without h|G is given without h/],
    [{ G: [[1, 1]], h: [1, 2] }, /h has length 2, expected 1/],
    [{ A: [[1, 1, 1]], b: [0] }, /A\[0\] has length 3, expected 2/],
    [{ G: [[1, Number.NaN]], h: [0] }, /G\[0\]\[1\] is NaN/],
    [{ G: [[1, 1], [1]], h: [0, 0] }, /G\[1\] has length 1, expected 2/],
    [{ G: [[1, 1]], h: [-Infinity] }, /h\[0\] is -Infinity/],
    [{ h: [1] }, /h is given without G/],
    [{ A: [[1, -Infinity]], b: [0] }, /A\[0\]\[1\] is -Infinity/],
    [{ A: [[1, 1]], b: [Infinity] }, /b\[0\] is Infinity/],
    [{ A: [[1, 1]], b: [] }, /b has length 0, expected 1/],
    [{ b: [1] }, /b is given without A/],
    [{ lb: [Infinity, 0] }, /lb\[0\] is Infinity/],
    [{ ub: [0, 0, 0] }, /ub has length 3, expected 2/],
    [{ P: 'no' as unknown as number[][] }, /P is no, expected an array/],
    [{ lb: [0] }, /lb has length 1, expected 2/],
    [{ ub: [0, Number.NaN] }, /ub\[1\] is NaN/],
  ])('%j', (part, message) => {
    expect(() =>
      solveQP({
        P: [
          [1, 0],
          [0, 1],
        ],
        q: [0, 0],
        ...part,
      }),
    ).toThrow(message);
  });

  test('a point, or multipliers, of another problem', () => {
    const problem = { P: [[2]], q: [1], lb: [0] };
    const none = { inequality: [], equality: [], lower: [1], upper: [0] };
    expect(kktResiduals(problem, [0], none).relative).toBe(0);
    expect(() => kktResiduals(problem, [0, 0], none)).toThrow(/x has length 2, expected 1/);
    expect(() => kktResiduals(problem, [Number.NaN], none)).toThrow(/x\[0\] is NaN/);
    expect(() => kktResiduals(problem, [0], { ...none, lower: [] })).toThrow(
      /multipliers\.lower has length 0, expected 1/,
    );
    expect(() => kktResiduals(problem, [0], { ...none, equality: [1] })).toThrow(/A has 0 rows/);
    expect(() => kktResiduals(problem, [0], { ...none, upper: undefined as never })).toThrow(
      /multipliers\.upper is undefined/,
    );
  });

  test('the problem is not written to', () => {
    const problem = {
      P: [
        [2, 1],
        [1, 2],
      ],
      q: [-1, 1],
      G: [[1, 1]],
      h: [0],
      lb: [-1, -1],
      ub: [1, 1],
    };
    const before = structuredClone(problem);
    solveQP(problem, { trace: true });
    expect(problem).toEqual(before);
  });
});
