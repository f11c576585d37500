// solveQP on GEM's dual as its users pose it: P = GG' and q = Gg, summed in float64. Whatever G and g are, the problem of unrounded P and q has
// a solution; the rounded one may be indefinite, or unbounded, by that rounding. The answer has to be one of a problem within rounding of
// the given one (kkt.relative is that distance), and as good for the unrounded problem as its rounding lets it be.
//
// `FC_NUM=8000 npx vitest run packages/gem/test/qp/gem-duals.test.ts` tries that many problems of each sort instead of 400.

import { describe, expect, test } from 'vitest';
import { solveQP } from '../../src/qp/index.ts';
import { exactProjection } from '../project/exact-projection.ts';
import { type Instance, instanceKinds, makeInstance } from '../project/instances.ts';
import { exactBounded } from './exact-bounded.ts';

const runs = Math.ceil(Number(process.env.FC_NUM ?? 400) / instanceKinds.length);
const EPS = Number.EPSILON;

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
function dual({ g, G }: Instance, ridge = 0) {
  const P = G.map((a, i) => G.map((b, j) => dot(a, b) + (i === j ? ridge : 0)));
  return { P, q: G.map((row) => dot(row, g)) };
}
/** The terms of the objective at v, by their absolute values: what P and q's rounding is multiplied with. */
function terms({ P, q }: ReturnType<typeof dual>, v: readonly number[]): number {
  const size = v.map(Math.abs);
  return P.reduce((sum, row, i) => sum + size[i]! * (dot(row.map(Math.abs), size) + Math.abs(q[i]!)), 0);
}

describe("P = GG', at scales from 2^-50 to 2^50", () => {
  test.each(instanceKinds)('%s', { timeout: 60_000 + 20 * runs }, (kind) => {
    for (let seed = 0; seed < runs; seed++) {
      const instance = makeInstance(kind, seed, { scales: 'moderate' });
      const { g, G } = instance;
      const problem = dual(instance);
      const { status, x, objective, kkt } = solveQP({ ...problem, lb: problem.q.map(() => 0) });
      expect(status, `seed ${seed}`).toBe('optimal');
      expect(kkt.relative, `seed ${seed}`).toBeLessThanOrEqual(64 * problem.q.length * EPS);
      // The exact multipliers are not unique, but those of a Gram matrix with the weight of its rounding are among the short ones.
      const exact = exactProjection(g, G);
      const optimum = (-exact.share * dot(g, g)) / 2;
      const rounding = (g.length + G.length) * EPS * Math.max(terms(problem, x), terms(problem, exact.v));
      expect(Math.abs(objective - optimum), `seed ${seed}`).toBeLessThanOrEqual(1e-8 * Math.abs(optimum) + rounding);
    }
  });
});

describe("P = GG' + 1e-3 I and v >= gamma, as the reference code and Avalanche pose it", () => {
  test.each(instanceKinds)('%s', { timeout: 60_000 + 20 * runs }, (kind) => {
    for (let seed = 0; seed < runs; seed++) {
      const problem = dual(makeInstance(kind, seed, { scales: 'one' }), 1e-3);
      const lb = problem.q.map(() => [0, 0.5, 1][seed % 3]!);
      const { status, x, objective, kkt } = solveQP({ ...problem, lb });
      expect(status, `seed ${seed}`).toBe('optimal');
      expect(kkt.relative, `seed ${seed}`).toBeLessThanOrEqual(64 * problem.q.length * EPS);
      const exact = exactBounded(problem.P, problem.q, lb);
      // Where the minimum is at zero: how far each variable would go by itself, and fall.
      const alone = problem.q.map((value, i) => Math.abs(value / problem.P[i]![i]!));
      const fall = Math.max(...problem.q.map((value, i) => Math.abs(value * alone[i]!)));
      const limit = exact.objective === 0 ? 1e-16 * fall : 1e-8 * Math.abs(exact.objective);
      expect(Math.abs(objective - exact.objective), `seed ${seed}`).toBeLessThanOrEqual(limit);
      const size = Math.max(...exact.x.map(Math.abs), ...alone);
      exact.x.forEach((value, i) => {
        expect(Math.abs(x[i]! - value), `seed ${seed}`).toBeLessThanOrEqual(1e-8 * size);
      });
    }
  });
});
