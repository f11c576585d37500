// Problems that are unbounded or infeasible by construction, in small integers times powers of two, so that nothing is hidden by rounding: the
// verdict is to be right whatever the scale, and far out along a ray of descent too, where Px rounds as much as q is large.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type QPProblem, solveQP } from '../../src/qp/index.ts';
import { dot, runs } from './problems.ts';

interface Given {
  readonly P: number[][];
  readonly q: number[];
  readonly G: number[][];
  readonly h: number[];
}

const small = (n: number, size = 2) => fc.array(fc.integer({ min: -size, max: size }), { minLength: n, maxLength: n });
const square = (B: readonly (readonly number[])[], n: number) =>
  Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (__, j) => B.reduce((sum, b) => sum + b[i]! * b[j]!, 0)),
  );

/** Variables and constraints in units of their own, each a power of two. */
const inUnits = ({ P, q, G, h }: Given) => {
  const unit = fc.integer({ min: -8, max: 8 }).map((e) => 2 ** e);
  const units = (n: number) => fc.array(unit, { minLength: n, maxLength: n });
  return fc.tuple(units(q.length), units(h.length), unit).map(
    ([D, E, c]): Given => ({
      P: P.map((row, i) => row.map((value, j) => c * value * D[i]! * D[j]!)),
      q: q.map((value, j) => c * value * D[j]!),
      G: G.map((row, i) => row.map((value, j) => value * E[i]! * D[j]!)),
      h: h.map((value, i) => value * E[i]!),
    }),
  );
};

/** With a ray d along which Pd = 0, q'd < 0 and Gd <= 0, from a feasible point. */
const unbounded = fc.integer({ min: 1, max: 6 }).chain((n) =>
  fc
    .record({
      d: small(n),
      x: small(n),
      q: small(n, 3),
      B: fc.array(small(n), { maxLength: n }),
      rows: fc.array(fc.tuple(small(n), fc.nat(2)), { maxLength: 6 }),
    })
    .filter(({ d, q }) => dot(q, d) !== 0)
    .map(({ d, x, q, B, rows }): Given => {
      const flat = B.map((b) => b.map((value, j) => value * dot(d, d) - dot(b, d) * d[j]!));
      const G = rows.map(([row]) => (dot(row, d) > 0 ? row.map((value) => -value) : row));
      return {
        P: square(flat, n),
        q: dot(q, d) > 0 ? q.map((value) => -value) : q,
        G,
        h: G.map((row, i) => dot(row, x) + rows[i]![1]),
      };
    })
    .chain(inUnits),
);

/** With weights y >= 0 for which G'y = 0 and h'y < 0. */
const infeasible = fc.integer({ min: 1, max: 6 }).chain((n) =>
  fc
    .record({
      q: small(n, 3),
      B: fc.array(small(n), { maxLength: n }),
      rows: fc.array(fc.tuple(small(n), fc.nat(2), fc.integer({ min: -3, max: 3 })), { minLength: 1, maxLength: 5 }),
      gap: fc.integer({ min: 1, max: 2 }),
    })
    .map(({ q, B, rows, gap }): Given => {
      const last = q.map((_, j) => -rows.reduce((sum, [row, y]) => sum + y * row[j]!, 0));
      const side = -rows.reduce((sum, [, y, h]) => sum + y * h, 0) - gap;
      return { P: square(B, n), q, G: [...rows.map(([row]) => row), last], h: [...rows.map(([, , h]) => h), side] };
    })
    .chain(inUnits),
);

/** Problems whose verdict was once wrong. */
const raysInDisguise: readonly QPProblem[] = [
  {
    P: [
      [144, -144, -72, -216],
      [-144, 144, 72, 216],
      [-72, 72, 36, 108],
      [-216, 216, 108, 324],
    ],
    q: [-2, 2, 0, 0],
    G: [
      [-1, -1, 0, 0],
      [-1, -1, -1, 0],
    ],
    h: [2, 2],
  },
  {
    P: [
      [0, 0, 0],
      [0, 0.002197265625, 0.5625],
      [0, 0.5625, 144],
    ],
    q: [-1, 0.015625, 6],
    G: [
      [-32, 0, 0],
      [8, -0.0625, 16],
      [-2, 0, 0],
      [-2, 0, 0],
    ],
    h: [96, 8, 6, 4],
  },
];
const conflictFarOut: QPProblem = {
  P: [
    [0.125, -2, 0, 8, 0.0625, 0],
    [-2, 32, 0, -128, -1, 0],
    [0, 0, 0, 0, 0, 0],
    [8, -128, 0, 512, 4, 0],
    [0.0625, -1, 0, 4, 0.03125, 0],
    [0, 0, 0, 0, 0, 0],
  ],
  q: [-1.5, -32, -384, 64, -0.5, 1024],
  G: [
    [-0.0078125, 0, -2, 1, 0, -16],
    [0.001953125, 0, 0.5, -0.25, 0, 4],
  ],
  h: [-0.25, 0],
};

describe('verdicts', () => {
  test('an unbounded problem is proved unbounded', () => {
    fc.assert(
      fc.property(unbounded, (problem) => {
        const { status, certificate } = solveQP(problem);
        expect(status).toBe('unbounded');
        if (certificate?.kind !== 'unbounded') throw new Error('no certificate');
        expect(dot(problem.q, certificate.direction)).toBeLessThan(0);
      }),
      runs(2000),
    );
    for (const problem of raysInDisguise) expect(solveQP(problem).status).toBe('unbounded');
  });

  test('an infeasible problem is proved infeasible, also where its objective falls without end', () => {
    fc.assert(
      fc.property(infeasible, (problem) => {
        const { status, certificate } = solveQP(problem);
        expect(status).toBe('infeasible');
        if (certificate?.kind !== 'infeasible') throw new Error('no certificate');
        expect(certificate.gap).toBeGreaterThan(0);
      }),
      runs(2000),
    );
    expect(solveQP(conflictFarOut).status).toBe('infeasible');
  });
});
