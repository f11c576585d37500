// GEM's projection problems made to break it: rows that repeat, oppose, combine, vanish or all but coincide, at scales from 1e-150 to 1e150,
// in float64 or as float32 left them. An instance is a function of its kind and a seed.

import { Rng } from '@gemlab/tensor';
import { Draw } from '../qp/torture.ts';

export interface Instance {
  readonly g: number[];
  readonly G: number[][];
}

export interface Size {
  readonly t?: readonly [number, number];
  readonly p?: readonly [number, number];
  /** 'moderate': from 2^-50 to 2^50; 'one': as they are made. */
  readonly scales?: 'any' | 'moderate' | 'one';
}

const plus = (a: readonly number[], s: number, b: readonly number[]) => a.map((x, i) => x + s * b[i]!);
const scaled = (a: readonly number[], s: number) => a.map((x) => x * s);
const rounded = (a: readonly number[]) => Array.from(Float32Array.from(a));

/** Rows of each kind, from a base that all tasks share to some degree, as gradients of related tasks do. */
const kinds = {
  random: (d: Draw, t: number, p: number) => d.list(t, () => d.normals(p)),
  'nearly parallel': (d: Draw, t: number, p: number) => {
    const base = d.normals(p);
    const apart = 10 ** -d.integer(1, 9);
    return d.list(t, () => plus(base, apart, d.normals(p)));
  },
  'nearly opposed': (d: Draw, t: number, p: number) => {
    const base = d.normals(p);
    const apart = 10 ** -d.integer(1, 9);
    return d.list(t, () => plus(scaled(base, d.pick([-1, 1])), apart, d.normals(p)));
  },
  'every closeness': (d: Draw, t: number, p: number) => {
    const rows: number[][] = [];
    for (let k = 0; k < t; k++) {
      const fresh = d.normals(p);
      const old = k > 0 && d.chance(0.7) ? d.pick(rows) : undefined;
      rows.push(old === undefined ? fresh : plus(scaled(old, d.pick([-1, 1, 2])), 10 ** -d.integer(1, 9), fresh));
    }
    return rows;
  },
  'ill-conditioned': (d: Draw, t: number, p: number) => {
    // Columns over nine decades: singular values fall with them.
    const columns = d.list(p, (j) => 10 ** (-9 * (j / Math.max(1, p - 1))));
    return d.list(t, () => d.normals(p).map((x, j) => x * columns[j]!));
  },
  'rank-deficient': (d: Draw, t: number, p: number) => {
    const rank = d.integer(1, Math.max(1, Math.min(t, p) - 1));
    const basis = d.list(rank, () => d.list(p, () => d.integer(-3, 3)));
    return d.list(t, () => basis.reduce((sum, row) => plus(sum, d.integer(-2, 2), row), new Array<number>(p).fill(0)));
  },
  'repeated and opposed': (d: Draw, t: number, p: number) => {
    const few = d.list(Math.max(1, t >> 1), () => d.normals(p));
    return d.list(t, () => scaled(d.pick(few), d.pick([1, 1, -1, 2, 0.5, -3, 0])));
  },
  'whole numbers': (d: Draw, t: number, p: number) => d.list(t, () => d.list(p, () => d.integer(-2, 2))),
} satisfies Record<string, (draw: Draw, t: number, p: number) => number[][]>;

export type InstanceKind = keyof typeof kinds;
export const instanceKinds = Object.keys(kinds) as InstanceKind[];

/** Scales of the rows and of g: as they are, each its own over thirty decades, or all tiny or huge. */
const scales: readonly ((d: Draw) => number)[] = [
  () => 1,
  () => 1,
  (d) => 2 ** d.integer(-50, 50),
  () => 2 ** -498,
  () => 2 ** 498,
];

/** Rows t in 1..6 and entries p in 1..10 unless told otherwise. */
export function makeInstance(
  kind: InstanceKind,
  seed: number,
  { t = [1, 6], p = [1, 10], scales: range = 'any' }: Size = {},
): Instance {
  const d = new Draw(new Rng(seed).foldIn(instanceKinds.indexOf(kind)));
  const [rows, columns] = [d.integer(...t), d.integer(...p)];
  const made = kinds[kind](d, rows, columns);
  // Against some of the rows, so that the gate opens; now and then inside of their span or a hair off it.
  const against = made.reduce((sum, row) => plus(sum, -Math.abs(d.normal()), row), new Array<number>(columns).fill(0));
  const g = plus(against, d.pick([0, 1e-8, 1, 1, 10]), d.normals(columns));
  const scale = d.pick(scales.slice(0, { any: scales.length, moderate: 3, one: 1 }[range]));
  const asFloat32 = d.chance(0.3);
  const finish = (row: number[]) => scaled(asFloat32 ? rounded(row) : row, scale(d));
  return { g: finish(g), G: made.map(finish) };
}
