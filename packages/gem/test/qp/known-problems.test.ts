// Problems whose optimum is known, and problems as large and as badly scaled as a dense solver is asked for.

import { Rng } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { type QPProblem, type QPSolution, solveQP } from '../../src/qp/index.ts';
import { goldens } from './maros-meszaros.ts';

/** -1/2 x'Px - h'y - b'w + lb'l - ub'u: what the multipliers prove that no feasible point can get below. */
function dualObjective({ P, h = [], b = [], lb = [], ub = [] }: QPProblem, { x, multipliers }: QPSolution): number {
  const product = (weights: readonly number[], values: ArrayLike<number>) =>
    weights.reduce((sum, weight, i) => (weight === 0 ? sum : sum + weight * values[i]!), 0);
  const quadratic = x.reduce((sum, value, i) => sum + value * product(x, P[i]!), 0);
  const { inequality, equality, lower, upper } = multipliers;
  return product(lower, lb) - product(upper, ub) - product(inequality, h) - product(equality, b) - quadratic / 2;
}

describe('the Maros-Meszaros set, its small problems', () => {
  test.each(goldens)('$name', ({ problem, constant, optimum, digits }) => {
    const solution = solveQP(problem);
    expect(solution.status).toBe('optimal');
    expect(solution.kkt.relative).toBeLessThanOrEqual(1e-14);
    const size = Math.max(Math.abs(optimum), constant, 1);
    const error = solution.objective + constant - optimum;
    expect(Math.abs(error)).toBeLessThanOrEqual(digits === 15 ? 1e-14 * size : 10 ** -digits * Math.abs(optimum));
    expect(Math.abs(solution.objective - dualObjective(problem, solution))).toBeLessThanOrEqual(1e-14 * size);
  });
});

interface Shape {
  readonly n: number;
  readonly rows: number;
  readonly equalities: number;
  readonly rank: number;
  /** Of the rows and columns: 10^-decades to 10^decades. */
  readonly decades: number;
}

/**
 * A feasible problem with variables free, fixed, bounded on one side or both, many constraints tight at one point, and P = B'B of a given
 * rank with columns over as many decades as the variables.
 */
function randomProblem({ n, rows, equalities, rank, decades }: Shape, rng: Rng): Required<QPProblem> {
  const scale = () => 10 ** (decades * (2 * rng.uniform(1)[0]! - 1));
  const normals = (count: number) => Array.from(rng.normal(count));
  const chance = (p: number) => rng.uniform(1)[0]! < p;
  const columns = Array.from({ length: n }, scale);
  const row = (size: number) => normals(n).map((value, j) => (chance(0.5) ? 0 : (size * value) / columns[j]!));
  const point = normals(n).map((value, j) => value * columns[j]!);
  const at = (a: number[]) => a.reduce((sum, value, j) => sum + value * point[j]!, 0);
  const B = Array.from({ length: rank }, () => normals(n).map((value, j) => value / columns[j]!));
  const G = Array.from({ length: rows }, () => row(scale()));
  const A = Array.from({ length: equalities }, () => row(scale()));
  const room = (j: number) => (chance(0.3) ? Infinity : chance(0.3) ? 0 : columns[j]! * rng.uniform(1)[0]!);
  return {
    P: columns.map((_, i) => columns.map((__, j) => B.reduce((sum, b) => sum + b[i]! * b[j]!, 0))),
    q: normals(n).map((value, j) => value / columns[j]!),
    G,
    h: G.map((a) => at(a) + (chance(0.4) ? 0 : Math.abs(at(a.map(Math.abs))) * rng.uniform(1)[0]!)),
    A,
    b: A.map(at),
    lb: point.map((value, j) => value - room(j)),
    ub: point.map((value, j) => value + room(j)),
  };
}

describe('large and badly scaled problems', () => {
  test.each<Shape>([
    { n: 200, rows: 400, equalities: 20, rank: 200, decades: 6 },
    { n: 200, rows: 400, equalities: 0, rank: 40, decades: 3 },
    { n: 120, rows: 30, equalities: 60, rank: 120, decades: 6 },
    { n: 120, rows: 240, equalities: 10, rank: 0, decades: 2 },
    { n: 60, rows: 300, equalities: 0, rank: 61, decades: 6 },
  ])('%o', (shape) => {
    const problem = randomProblem(shape, new Rng(7));
    const solution = solveQP(problem);
    expect(solution.status).toBe('optimal');
    expect(solution.kkt.relative).toBeLessThanOrEqual(1e-13);
    const gap = solution.objective - dualObjective(problem, solution);
    expect(Math.abs(gap)).toBeLessThanOrEqual(1e-10 * Math.abs(solution.objective));
  });

  test('thirty middling ones of every rank: none is left unsolved', () => {
    const statuses = new Set<string>();
    for (let k = 0; k < 30; k++) {
      const shape = { n: 5 + k, rows: 3 * k, equalities: k % 4, rank: (7 * k) % (6 + k), decades: 6 };
      const solution = solveQP(randomProblem(shape, new Rng(100 + k)));
      statuses.add(solution.status);
      if (solution.status === 'optimal') expect(solution.kkt.relative).toBeLessThanOrEqual(1e-12);
    }
    expect([...statuses].filter((status) => status !== 'optimal' && status !== 'unbounded')).toEqual([]);
  });
});

describe("GEM's dual, where memories repeat, oppose and all but coincide", () => {
  // v'GG'v + 2 (Gg)'v is |G'v + g|^2 - |g|^2, so no G makes it unbounded. Below 1e-7 the rounding of GG' hides the curvature that bounds it.
  test.each([0, 1e-2, 1e-5, 1e-8, 1e-11])('rows apart by %d', (apart) => {
    const rng = new Rng(3);
    const p = 30;
    const base = Array.from({ length: 4 }, () => Array.from(rng.normal(p)));
    const G = Array.from({ length: 12 }, (_, k) => {
      const noise = rng.normal(p);
      return base[k % 4]!.map((value, j) => (k % 3 === 2 ? -1 : 1) * value + apart * noise[j]!);
    });
    const g = Array.from(rng.normal(p));
    const dot = (a: number[], b: number[]) => a.reduce((sum, value, j) => sum + value * b[j]!, 0);
    const problem = { P: G.map((a) => G.map((b) => dot(a, b))), q: G.map((a) => dot(a, g)), lb: G.map(() => 0) };
    const solution = solveQP(problem);
    expect(solution.status).toBe('optimal');
    expect(solution.kkt.relative).toBeLessThanOrEqual(apart === 0 || apart > 1e-7 ? 1e-14 : 1e-9);
  });

  test('a tiny rate of descent along an exactly flat direction is still unbounded', () => {
    const flat = {
      P: [
        [1, 0],
        [0, 0],
      ],
      q: [1, -1e-12],
    };
    expect(solveQP(flat)).toMatchObject({ status: 'unbounded', certificate: { direction: [0, 1] } });
  });
});
