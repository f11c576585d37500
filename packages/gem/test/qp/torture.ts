// Quadratic programs made to break a solver, and a judge of its answers that shares nothing with it.
//
// Every problem is a function of its kind and a seed, so a failure is named by two words. The kinds are degenerate on purpose: rows
// repeat, oppose, vanish or all but coincide, right-hand sides tie or contradict each other, P is singular, nearly so or indefinite, and
// scales run over up to a hundred decades.

import { Rng } from '@gemlab/tensor';
import type { QPMultipliers, QPProblem, QPSolution } from '../../src/qp/index.ts';
import type { Mixed } from './problems.ts';

/** A problem with all of its parts. */
export type FullProblem = { readonly [K in keyof QPProblem]-?: NonNullable<QPProblem[K]> } & Mixed;

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const times = (M: readonly (readonly number[])[], x: readonly number[]) => M.map((row) => dot(row, x));

/** Draws by name instead of by tensor. */
export class Draw {
  readonly #rng: Rng;
  constructor(rng: Rng) {
    this.#rng = rng;
  }
  uniform = () => this.#rng.uniform(1)[0]!;
  normal = () => this.#rng.normal(1)[0]!;
  integer = (low: number, high: number) => low + Math.floor(this.uniform() * (high - low + 1));
  chance = (p: number) => this.uniform() < p;
  pick = <T>(list: readonly T[]): T => list[this.integer(0, list.length - 1)]!;
  list = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));
  normals = (n: number) => this.list(n, this.normal);
  decades = (range: number) => 10 ** (range * (2 * this.uniform() - 1));
}

/** Entries: any reals, or whole numbers so small that ties are everywhere. */
type Entry = (draw: Draw) => number;
const real: Entry = (draw) => draw.normal();
const whole: Entry = (draw) => draw.integer(-2, 2);

interface Recipe {
  readonly n: readonly [number, number];
  readonly entry: Entry;
  /** The rank of P beside the full n: 'full', 'deficient', 'zero', or 'nearly', full with a spread of curvatures down to 1e-12. */
  readonly P: 'full' | 'deficient' | 'zero' | 'nearly' | 'indefinite';
  readonly rows: readonly [number, number];
  readonly equalities: readonly [number, number];
  readonly bounds: number;
  /** Right-hand sides from a point that satisfies all (many of them with equality), or at random. */
  readonly feasible: boolean;
  /** Of rows that repeat, oppose, combine, nearly repeat or vanish. */
  readonly degenerate: number;
  /** Decades over which rows and columns are scaled. */
  readonly decades?: number;
}

const base: Recipe = {
  n: [1, 8],
  entry: real,
  P: 'full',
  rows: [0, 12],
  equalities: [0, 2],
  bounds: 0.5,
  feasible: true,
  degenerate: 0,
};

export const recipes = {
  convex: base,
  'convex, whole numbers': { ...base, entry: whole, degenerate: 0.5 },
  'convex, near degenerate': { ...base, degenerate: 0.6 },
  'convex, at random': { ...base, feasible: false, degenerate: 0.3 },
  'whole numbers at random': { ...base, entry: whole, feasible: false, P: 'deficient', degenerate: 0.4 },
  semidefinite: { ...base, P: 'deficient' },
  'semidefinite, degenerate': { ...base, P: 'deficient', degenerate: 0.6 },
  'semidefinite, whole numbers': { ...base, entry: whole, P: 'deficient', degenerate: 0.5 },
  'nearly singular': { ...base, P: 'nearly' },
  'nearly singular, degenerate': { ...base, P: 'nearly', degenerate: 0.5 },
  linear: { ...base, P: 'zero' },
  'linear, whole numbers': { ...base, entry: whole, P: 'zero', degenerate: 0.5 },
  'linear at random': { ...base, P: 'zero', feasible: false, degenerate: 0.3 },
  'bounds only': { ...base, rows: [0, 0], equalities: [0, 0], bounds: 1, n: [1, 15] },
  'bounds only, semidefinite': { ...base, rows: [0, 0], equalities: [0, 0], bounds: 1, P: 'deficient', n: [1, 15] },
  'equalities only': { ...base, rows: [0, 0], equalities: [0, 8], bounds: 0, degenerate: 0.4 },
  'equalities only, at random': {
    ...base,
    rows: [0, 0],
    equalities: [0, 8],
    bounds: 0,
    feasible: false,
    degenerate: 0.4,
  },
  'badly scaled': { ...base, decades: 5 },
  'badly scaled, semidefinite': { ...base, decades: 4, P: 'deficient', degenerate: 0.3 },
  'scaled over a hundred decades': { ...base, decades: 50 },
  indefinite: { ...base, P: 'indefinite' },
  larger: { ...base, n: [20, 30], rows: [20, 60], equalities: [0, 8], degenerate: 0.2 },
} as const satisfies Record<string, Recipe>;

export type RecipeName = keyof typeof recipes;

/** Problem number `seed` of a kind. */
export function makeProblem(name: RecipeName, seed: number): FullProblem {
  const recipe: Recipe = recipes[name];
  const draw = new Draw(new Rng(seed).foldIn(Object.keys(recipes).indexOf(name)));
  const n = draw.integer(...recipe.n);
  const entry = () => recipe.entry(draw);
  const rowOf = () => draw.list(n, entry);
  const P = curvature(recipe, draw, n);
  const A = draw.list(Math.min(n, draw.integer(...recipe.equalities)), rowOf);
  const G = draw.list(draw.integer(...recipe.rows), rowOf);
  for (const rows of [A, G]) {
    const more = rows.filter(() => draw.chance(recipe.degenerate)).map(() => degenerateRow(rows, draw, n));
    rows.push(...more);
  }
  const point = rowOf();
  const slack = () => (draw.chance(0.5) ? 0 : recipe.entry === whole ? 1 : Math.abs(draw.normal()));
  const right = (row: number[], room: number) => (recipe.feasible ? dot(row, point) + room : entry());
  const problem: FullProblem = {
    P,
    q: rowOf(),
    G,
    h: G.map((row) => right(row, slack())),
    A,
    b: A.map((row) => right(row, 0)),
    lb: point.map((x) => (draw.chance(recipe.bounds) ? x - slack() : -Infinity)),
    ub: point.map((x) => (draw.chance(recipe.bounds) ? x + slack() : Infinity)),
  };
  return recipe.decades === undefined ? problem : rescaled(problem, recipe.decades, draw);
}

function curvature({ P, entry }: Recipe, draw: Draw, n: number): number[][] {
  const rank = { full: n, deficient: draw.integer(0, Math.max(0, n - 1)), zero: 0, nearly: n, indefinite: n }[P];
  const B = draw.list(rank, () => draw.list(n, () => entry(draw)));
  const weights = B.map((_, k) => {
    if (P === 'nearly') return 10 ** (-12 * draw.uniform());
    return P === 'indefinite' && (k === 0 || draw.chance(0.3)) ? -1 : 1;
  });
  return draw.list(n, (i) =>
    draw.list(n, (j) => {
      const ridge = P === 'full' && i === j ? 1 : 0;
      return ridge + B.reduce((sum, row, k) => sum + weights[k]! * (row[i]! * row[j]!), 0);
    }),
  );
}

function degenerateRow(rows: readonly number[][], draw: Draw, n: number): number[] {
  const a = draw.pick(rows);
  const b = draw.pick(rows);
  const kind = draw.integer(0, 5);
  if (kind === 0) return a.map((x) => 2 * x);
  if (kind === 1) return a.map((x) => -x);
  if (kind === 2) return draw.list(n, () => 0);
  if (kind === 3) return a.map((x, j) => x + b[j]!);
  if (kind === 4) return a.map((x, j) => x - b[j]!);
  const closeness = 10 ** -draw.integer(3, 16);
  const sign = draw.pick([1, -1]);
  return a.map((x) => sign * x + closeness * draw.normal());
}

/** The same problem in other units: x_j by columns, constraints by rows, the objective as a whole. */
function rescaled({ P, q, G, h, A, b, lb, ub }: FullProblem, decades: number, draw: Draw): FullProblem {
  const c = q.map(() => draw.decades(decades));
  const s = draw.decades(decades);
  const byRow = (rows: number[][], right: number[]): [number[][], number[]] => {
    const r = rows.map(() => draw.decades(decades));
    return [rows.map((row, i) => row.map((x, j) => x * c[j]! * r[i]!)), right.map((x, i) => x * r[i]!)];
  };
  const [Gs, hs] = byRow(G, h);
  const [As, bs] = byRow(A, b);
  return {
    P: P.map((row, i) => row.map((x, j) => x * c[i]! * c[j]! * s)),
    q: q.map((x, j) => x * c[j]! * s),
    G: Gs,
    h: hs,
    A: As,
    b: bs,
    lb: lb.map((x, j) => x / c[j]!),
    ub: ub.map((x, j) => x / c[j]!),
  };
}

/**
 * Everything wrong with an answer, in words; nothing if all is well. Each residual is compared with the terms that it is a difference of,
 * `tolerance` times.
 */
export function faults(problem: FullProblem, solution: QPSolution, tolerance = 1e-9): string[] {
  const { status, x, objective, multipliers, kkt, certificate } = solution;
  const found: string[] = [];
  const numbers = [...x, objective, ...Object.values(multipliers).flat(), ...Object.values(kkt)];
  if (!numbers.every(Number.isFinite)) found.push('a number is not finite');
  if (status === 'iteration-limit') found.push(`iteration-limit, residual ${kkt.relative}`);
  if (status === 'optimal') found.push(...optimalFaults(problem, x, multipliers, tolerance));
  else if (status !== 'iteration-limit' && certificate?.kind !== status) found.push(`no certificate of ${status}`);
  if (certificate?.kind === 'infeasible') found.push(...farkasFaults(problem, certificate.multipliers, tolerance));
  if (certificate?.kind === 'unbounded') found.push(...rayFaults(problem, certificate.direction, tolerance));
  if (certificate?.kind === 'not-convex') {
    const { direction: d, curvature } = certificate;
    const value = dot(d, times(problem.P, d));
    if (!(value < 0 && curvature < 0)) found.push(`the direction has curvature ${value}`);
  }
  return found;
}

const finite = (weights: readonly number[], sides: readonly number[]) =>
  weights.reduce((sum, weight, i) => (weight === 0 ? sum : sum + weight * sides[i]!), 0);

function optimalFaults(problem: FullProblem, x: number[], multipliers: QPMultipliers, tolerance: number): string[] {
  const { P, q, G, h, A, b, lb, ub } = problem;
  const { inequality: y, equality: w, lower: l, upper: u } = multipliers;
  const found: string[] = [];
  const small = (what: string, value: number, terms: number) => {
    if (!(value <= tolerance * terms)) found.push(`${what} is ${value} of ${terms}`);
  };
  for (const value of [...y, ...l, ...u]) if (!(value >= 0)) found.push(`a multiplier is ${value}`);
  const xMax = Math.max(0, ...x.map(Math.abs));
  const size = (row: readonly number[]) => row.reduce((sum, a) => sum + Math.abs(a), 0) * xMax;
  G.forEach((row, i) => {
    small(`violation of row ${i} of G`, dot(row, x) - h[i]!, size(row) + Math.abs(h[i]!));
  });
  A.forEach((row, i) => {
    small(`violation of row ${i} of A`, Math.abs(dot(row, x) - b[i]!), size(row) + Math.abs(b[i]!));
  });
  x.forEach((value, j) => {
    if (!(value >= lb[j]! && value <= ub[j]!)) found.push(`x[${j}] is outside of its bounds`);
    if (lb[j] === -Infinity && l[j] !== 0) found.push(`a multiplier of no lower bound, ${j}`);
    if (ub[j] === Infinity && u[j] !== 0) found.push(`a multiplier of no upper bound, ${j}`);
  });
  const terms: number[] = [];
  const left: number[] = [];
  q.forEach((value, j) => {
    const parts = [
      value,
      ...x.map((xi, i) => (0.5 * P[i]![j]! + 0.5 * P[j]![i]!) * xi),
      ...G.map((row, i) => row[j]! * y[i]!),
      ...A.map((row, i) => row[j]! * w[i]!),
      -l[j]!,
      u[j]!,
    ];
    left.push(Math.abs(parts.reduce((sum, part) => sum + part, 0)));
    terms.push(parts.reduce((sum, part) => sum + Math.abs(part), 0));
  });
  small('stationarity', Math.max(0, ...left), Math.max(0, ...terms));
  // Weak duality holds whatever the multipliers are, so the gap bounds how far from the optimum the objective is.
  const quadratic = dot(x, times(P, x));
  const primal = quadratic / 2 + dot(q, x);
  const dual = -quadratic / 2 - finite(y, h) - finite(w, b) + finite(l, lb) - finite(u, ub);
  const bends = P.map((row, i) => row.reduce((sum, a, j) => sum + Math.abs(x[i]! * a * x[j]!), 0));
  const sizes = [...bends, ...q.map((value, j) => value * x[j]!), finite(y.map(Math.abs), h.map(Math.abs))];
  sizes.push(finite(w.map(Math.abs), b.map(Math.abs)), finite(l, lb.map(Math.abs)), finite(u, ub.map(Math.abs)));
  const rows = [...G.map((row, i) => y[i]! * size(row)), ...A.map((row, i) => Math.abs(w[i]!) * size(row))];
  small(
    'duality gap',
    Math.abs(primal - dual),
    [...sizes, ...rows].reduce((sum, part) => sum + Math.abs(part), 0),
  );
  return found;
}

function farkasFaults({ G, h, A, b, lb, ub }: FullProblem, multipliers: QPMultipliers, tolerance: number): string[] {
  const { inequality: y, equality: w, lower: l, upper: u } = multipliers;
  const found: string[] = [];
  for (const value of [...y, ...l, ...u]) if (!(value >= 0)) found.push(`a Farkas multiplier is ${value}`);
  const sums = lb.map((_, j) => {
    const parts = [...G.map((row, i) => row[j]! * y[i]!), ...A.map((row, i) => row[j]! * w[i]!), -l[j]!, u[j]!];
    const left = Math.abs(parts.reduce((sum, part) => sum + part, 0));
    return { left, terms: parts.reduce((sum, part) => sum + Math.abs(part), 0) };
  });
  // Rows that are apart by their last bits only, with right-hand sides that are not, contradict each other to rounding: x would have to be 1e16.
  const rounding = 64 * Number.EPSILON * Math.max(...sums.map(({ terms }) => terms));
  sums.forEach(({ left, terms }, j) => {
    if (left > tolerance * terms && left > rounding) found.push(`the Farkas sum leaves ${left} of ${terms} at ${j}`);
  });
  const value = finite(y, h) + finite(w, b) - finite(l, lb) + finite(u, ub);
  if (!(value < 0)) found.push(`the Farkas sum proves 0 <= ${value}`);
  return found;
}

function rayFaults({ P, q, G, A, lb, ub }: FullProblem, d: number[], tolerance: number): string[] {
  const found: string[] = [];
  const limit = 10 * tolerance;
  const longest = Math.max(...d.map(Math.abs));
  // A row's terms were all of d as large as its largest entry.
  const terms = (row: readonly number[]) => row.reduce((sum, a) => sum + Math.abs(a), 0) * longest;
  P.forEach((row) => {
    if (Math.abs(dot(row, d)) > limit * terms(row)) found.push(`Pd is ${dot(row, d)} of ${terms(row)}`);
  });
  if (!(dot(q, d) < 0)) found.push(`q'd is ${dot(q, d)}`);
  G.forEach((row) => {
    if (dot(row, d) > limit * terms(row)) found.push(`Gd is ${dot(row, d)} of ${terms(row)}`);
  });
  A.forEach((row) => {
    if (Math.abs(dot(row, d)) > limit * terms(row)) found.push(`Ad is ${dot(row, d)} of ${terms(row)}`);
  });
  d.forEach((value, j) => {
    if (lb[j]! > -Infinity && value < -limit * longest) found.push(`d[${j}] is ${value} below a lower bound`);
    if (ub[j]! < Infinity && value > limit * longest) found.push(`d[${j}] is ${value} above an upper bound`);
  });
  return found;
}
