// solveQP on twenty-two kinds of degenerate, singular, contradictory and badly scaled problems. Every answer is judged by its definition alone
// (torture.ts): optimal by the KKT conditions and the duality gap, infeasible, unbounded and not convex by their certificates.
//
// `FC_NUM=100000 npx vitest run packages/gem/test/qp/torture.test.ts` tries that many problems instead of 1,100, and prints what became of
// each kind. Of so many, one in twenty thousand may end as 'iteration-limit': those whose rows differ by the last bits of float64.

import { describe, expect, test } from 'vitest';
import { type QPStatus, solveQP } from '../../src/qp/index.ts';
import { faults, makeProblem, type RecipeName, recipes } from './torture.ts';

const names = Object.keys(recipes) as RecipeName[];
const asked = process.env.FC_NUM;
const runs = Math.ceil(Number(asked ?? 1100) / names.length);

/** What a kind of problem can be. */
function possible(name: RecipeName): readonly QPStatus[] {
  const { P, feasible, bounds, rows, degenerate } = recipes[name];
  if (P === 'indefinite') return ['not-convex'];
  const isFlat = P === 'deficient' || P === 'zero';
  const isBounded = !isFlat || (bounds === 1 && rows[1] === 0);
  // Rows that all but repeat others may contradict them by their rounding, though the point that they were made from satisfies them to that.
  const canContradict = !feasible || degenerate > 0;
  return [
    'optimal',
    ...(isBounded ? [] : (['unbounded'] as const)),
    ...(canContradict ? (['infeasible'] as const) : []),
  ];
}

describe('every answer stands', () => {
  test.each(names)('%s', { timeout: 60_000 + 20 * runs }, (name) => {
    const counts = new Map<QPStatus, number>();
    const stuck: number[] = [];
    let slowest = 0;
    for (let seed = 0; seed < runs; seed++) {
      const problem = makeProblem(name, seed);
      const start = performance.now();
      const solution = solveQP(problem);
      slowest = Math.max(slowest, performance.now() - start);
      counts.set(solution.status, (counts.get(solution.status) ?? 0) + 1);
      if (solution.status === 'iteration-limit') stuck.push(seed);
      else expect({ seed, faults: faults(problem, solution) }).toEqual({ seed, faults: [] });
    }
    if (asked !== undefined) {
      const found = [...counts].map(([status, count]) => `${count} ${status}`).join(', ');
      console.log(`${name}: ${found}; slowest ${slowest.toFixed(0)} ms; stuck: ${stuck.join(' ') || 'none'}`);
    }
    expect(stuck.length).toBeLessThanOrEqual(asked === undefined ? 0 : Math.ceil(runs / 250));
    const statuses = [...counts.keys()].filter((status) => status !== 'iteration-limit');
    expect(possible(name)).toEqual(expect.arrayContaining(statuses));
  });
});

describe('numbers of 32 digits at work', () => {
  // Equalities 1e-7, 1e-10 and one last bit apart, rows 1e-14 apart, and an answer that is exact in float64.
  test.each([
    ['convex, near degenerate', 322, 'optimal'],
    ['whole numbers at random', 639, 'infeasible'],
    ['whole numbers at random', 887, 'infeasible'],
    ['whole numbers at random', 3571, 'optimal'],
  ] as const)('%s, problem %i, once undecided: %s', (name, seed, status) => {
    const problem = makeProblem(name, seed);
    const solution = solveQP(problem);
    expect(solution.status).toBe(status);
    expect(faults(problem, solution)).toEqual([]);
  });

  /** n x n of 1 / (i + j + 1), times the least number that makes all entries whole: exact in float64 and conditioned like (1 + sqrt 2)^(4n). */
  function wholeHilbert(n: number): { H: number[][]; factor: number } {
    const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
    let factor = 1;
    for (let k = 2; k < 2 * n; k++) factor = (factor / gcd(factor, k)) * k;
    return {
      H: Array.from({ length: n }, (_, i) => Array.from({ length: n }, (__, j) => factor / (i + j + 1))),
      factor,
    };
  }

  // The inverse of the Hilbert matrix has the sum n^2, so min 1/2 x'Hx - sum x = -n^2 / 2.
  test.each([3, 5, 7, 8, 9, 10])('a Hilbert matrix of %i rows: the optimum to ten digits', (n) => {
    const { H, factor } = wholeHilbert(n);
    const solution = solveQP({ P: H, q: H.map(() => -1) });
    expect(solution.status).toBe('optimal');
    const optimum = -(n * n) / 2 / factor;
    expect(Math.abs(solution.objective / optimum - 1)).toBeLessThanOrEqual(1e-10);
  });

  // With the x of the whole problem known, bounds through it change nothing but the path.
  test('the same between bounds that are tight at every second variable', () => {
    const { H, factor } = wholeHilbert(8);
    const free = solveQP({ P: H, q: H.map(() => -1) }).x;
    const lb = free.map((x, j) => (j % 2 === 0 ? x : -Infinity));
    const solution = solveQP({ P: H, q: H.map(() => -1), lb });
    expect(solution.status).toBe('optimal');
    expect(Math.abs(solution.objective / (-32 / factor) - 1)).toBeLessThanOrEqual(1e-12);
  });

  test('equalities 1e-10 apart that fix x, beside inequalities that are tight there', () => {
    const a = 1e-10;
    const solution = solveQP({
      P: [
        [1, 0],
        [0, 1],
      ],
      q: [0, 0],
      A: [
        [1, 1],
        [1, 1 + a],
      ],
      b: [3, 3 + 2 * a],
      G: [
        [0, 1],
        [-1, 0],
      ],
      h: [2, -1],
    });
    expect(solution.status).toBe('optimal');
    expect(solution.kkt.relative).toBeLessThanOrEqual(1e-14);
    // b holds 3 + 2e-10 to 4e-16 only, which leaves 4e-6 of x.
    expect(solution.x[0]).toBeCloseTo(1, 5);
    expect(solution.x[1]).toBeCloseTo(2, 5);
  });
});

describe('problems with hardly anything in them', () => {
  test('no variables, with and without constraints', () => {
    expect(solveQP({ P: [], q: [] })).toMatchObject({ status: 'optimal', x: [], objective: 0, iterations: 0 });
    expect(solveQP({ P: [], q: [], G: [[]], h: [0], A: [[]], b: [0] }).status).toBe('optimal');
    expect(solveQP({ P: [], q: [], G: [[]], h: [-1] })).toMatchObject({
      status: 'infeasible',
      certificate: { gap: 1 },
    });
    expect(solveQP({ P: [], q: [], A: [[]], b: [1] }).status).toBe('infeasible');
  });

  test('constraints that are all empty, switched off or zero', () => {
    const P = [[2]];
    expect(solveQP({ P, q: [-2], G: [], h: [], A: [], b: [] })).toMatchObject({ status: 'optimal', x: [1] });
    expect(solveQP({ P, q: [-2], G: [[1], [0]], h: [Infinity, 0], lb: [-Infinity], ub: [Infinity] }).x).toEqual([1]);
  });

  test('at scales that float64 can just hold', () => {
    for (const s of [1e-150, 1e150, 1e-300, 1e300]) {
      const solution = solveQP({
        P: [
          [s, 0],
          [0, s],
        ],
        q: [-s, s],
        lb: [0, 0],
      });
      expect(solution).toMatchObject({ status: 'optimal', x: [1, 0] });
      expect(solution.objective / s).toBeCloseTo(-0.5, 14);
    }
  });
});
