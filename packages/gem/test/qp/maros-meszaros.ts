// Small problems of the Maros-Meszaros set (Optimization Methods and Software 11, 1999), as published; most are from Hock & Schittkowski's
// collection (1981), by whose formulas they are written here. Optima are exact fractions where the problem has one, else the published digits.

import type { QPProblem } from '../../src/qp/index.ts';

export interface Golden {
  readonly name: string;
  readonly problem: QPProblem;
  /** What the objective has on top of 1/2 x'Px + q'x. */
  readonly constant: number;
  readonly optimum: number;
  /** Of `optimum`. */
  readonly digits: number;
}

const zeros = (n: number) => new Array<number>(n).fill(0);
const unit = (n: number, j: number, value = 1) => zeros(n).with(j, value);

/** |Cx - d|^2 as 1/2 x'Px + q'x + constant. */
function squares(C: number[][], d: number[]): { P: number[][]; q: number[]; constant: number } {
  const n = C[0]!.length;
  const at = (i: number, j: number) => 2 * C.reduce((sum, row) => sum + row[i]! * row[j]!, 0);
  return {
    P: zeros(n).map((_, i) => zeros(n).map((__, j) => at(i, j))),
    q: zeros(n).map((_, i) => -2 * C.reduce((sum, row, k) => sum + row[i]! * d[k]!, 0)),
    constant: d.reduce((sum, value) => sum + value * value, 0),
  };
}

/** HS51 to HS53: (a x1 - x2)^2 + (x2 + x3 - 2)^2 + (x4 - 1)^2 + (x5 - 1)^2 on three equalities. */
function hs5(a: number, firstRight: number, bounds: Partial<QPProblem> = {}): Pick<Golden, 'problem' | 'constant'> {
  const { constant, ...objective } = squares(
    [
      [a, -1, 0, 0, 0],
      [0, 1, 1, 0, 0],
      [0, 0, 0, 1, 0],
      [0, 0, 0, 0, 1],
    ],
    [0, 2, 1, 1],
  );
  const A = [
    [1, 3, 0, 0, 0],
    [0, 0, 1, 1, -2],
    [0, 1, 0, 0, -1],
  ];
  return { problem: { ...objective, A, b: [firstRight, 0, 0], ...bounds }, constant };
}

const hs35: QPProblem = {
  P: [
    [4, 2, 2],
    [2, 4, 0],
    [2, 0, 2],
  ],
  q: [-8, -6, -4],
  G: [[1, 1, 2]],
  h: [3],
  lb: [0, 0, 0],
};

const hs268: QPProblem = {
  P: [
    [10197, -12454, -1013, 1948, 329],
    [-12454, 20909, -1733, -4914, -186],
    [-1013, -1733, 1755, 1089, -174],
    [1948, -4914, 1089, 1515, -22],
    [329, -186, -174, -22, 27],
  ].map((row) => row.map((value) => 2 * value)),
  q: [9170, -17099, 2271, 4336, 43].map((value) => 2 * value),
  G: [
    [1, 1, 1, 1, 1],
    [-10, -10, 3, -5, -4],
    [8, -1, 2, 5, -3],
    [-8, 1, -2, -5, 3],
    [4, 2, -3, 5, -1],
  ],
  h: [5, -20, 40, -11, 30],
};

/** Five periods of three plants: what each makes may change little from one period to the next, and together they must meet a demand. */
function hs118(): QPProblem {
  const n = 15;
  const curvature = [0.0002, 0.0002, 0.0003];
  const price = [2.3, 1.7, 2.2];
  const up = [6, 7, 6];
  const G: number[][] = [];
  const h: number[] = [];
  for (let j = 3; j < n; j++) {
    const change = unit(n, j).with(j - 3, -1);
    G.push(
      change,
      change.map((value) => -value),
    );
    h.push(up[j % 3]!, 7);
  }
  [60, 50, 70, 85, 100].forEach((demand, period) => {
    G.push(zeros(n).map((_, j) => (Math.floor(j / 3) === period ? -1 : 0)));
    h.push(-demand);
  });
  return {
    P: zeros(n).map((_, j) => unit(n, j, curvature[j % 3])),
    q: zeros(n).map((_, j) => price[j % 3]!),
    G,
    h,
    lb: [8, 43, 3, ...zeros(12)],
    ub: [21, 57, 16, ...zeros(12).map((_, j) => [90, 120, 60][j % 3]!)],
  };
}

function genhs28(): Pick<Golden, 'problem' | 'constant'> {
  const n = 10;
  const { constant, ...objective } = squares(
    zeros(n - 1).map((_, i) => unit(n, i).with(i + 1, 1)),
    zeros(n - 1),
  );
  const A = zeros(n - 2).map((_, i) =>
    unit(n, i)
      .with(i + 1, 2)
      .with(i + 2, 3),
  );
  return { problem: { ...objective, A, b: A.map(() => 1) }, constant };
}

export const goldens: readonly Golden[] = [
  {
    name: 'HS21',
    problem: {
      P: [
        [0.02, 0],
        [0, 2],
      ],
      q: [0, 0],
      G: [[-10, 1]],
      h: [-10],
      lb: [2, -50],
      ub: [50, 50],
    },
    constant: -100,
    optimum: -99.96,
    digits: 15,
  },
  { name: 'HS35', problem: hs35, constant: 9, optimum: 1 / 9, digits: 15 },
  {
    name: 'HS35MOD',
    problem: { ...hs35, lb: [0, 0.5, 0], ub: [Infinity, 0.5, Infinity] },
    constant: 9,
    optimum: 0.25,
    digits: 15,
  },
  { name: 'HS51', ...hs5(1, 4), optimum: 0, digits: 15 },
  { name: 'HS52', ...hs5(4, 0), optimum: 1859 / 349, digits: 15 },
  {
    name: 'HS53',
    ...hs5(1, 0, { lb: zeros(5).map(() => -10), ub: zeros(5).map(() => 10) }),
    optimum: 176 / 43,
    digits: 15,
  },
  {
    name: 'HS76',
    problem: {
      P: [
        [2, 0, -1, 0],
        [0, 1, 0, 0],
        [-1, 0, 2, 1],
        [0, 0, 1, 1],
      ],
      q: [-1, -3, 1, -1],
      G: [
        [1, 2, 1, 1],
        [3, 1, 2, -1],
        [0, -1, -4, 0],
      ],
      h: [5, 4, -1.5],
      lb: zeros(4),
    },
    constant: 0,
    optimum: -103 / 22,
    digits: 15,
  },
  { name: 'HS118', problem: hs118(), constant: 0, optimum: 664.82045, digits: 8 },
  { name: 'HS268', problem: hs268, constant: 14463, optimum: 0, digits: 15 },
  { name: 'GENHS28', ...genhs28(), optimum: 0.927173694, digits: 9 },
  {
    name: 'TAME',
    problem: {
      P: [
        [2, -2],
        [-2, 2],
      ],
      q: [0, 0],
      A: [[1, 1]],
      b: [1],
      lb: [0, 0],
    },
    constant: 0,
    optimum: 0,
    digits: 15,
  },
  {
    name: 'ZECEVIC2',
    problem: {
      P: [
        [0, 0],
        [0, 4],
      ],
      q: [-2, -3],
      G: [
        [1, 1],
        [1, 4],
      ],
      h: [2, 4],
      lb: [0, 0],
      ub: [10, 10],
    },
    constant: 0,
    optimum: -4.125,
    digits: 15,
  },
];
