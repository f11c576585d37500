// The laws of the projection: z is the nearest point of the cone { z : <z, g_k> >= 0 }, whatever the rows look like.
//
// Rounding is measured against eps |g| |g_k|: the terms that a dot product of those vectors sums. p + t of them add up in each, and
// the basis that the solver works in is orthonormal to a few eps, so the bounds below allow a small multiple of that.

import { tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { projectAverageGradient, projectFromGram, projectGradient } from '../../src/project.ts';
import { runs } from '../qp/problems.ts';

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const norm = (a: readonly number[]) => Math.hypot(...a);
const sub = (a: readonly number[], b: readonly number[]) => a.map((x, i) => x - b[i]!);
const scaled = (a: readonly number[], s: number) => a.map((x) => x * s);

/** 64 roundings of the terms of a dot product: p + t <= 20 in the sum itself, the rest for the basis and the scaling. */
const BOUND = 64 * Number.EPSILON;

const entry = fc.oneof(
  { weight: 3, arbitrary: fc.double({ min: -1, max: 1, noNaN: true }).map((x) => Math.round(x * 1e6) / 1e6) },
  { weight: 1, arbitrary: fc.integer({ min: -2, max: 2 }) },
);
/** A row's scale, over sixteen decades. */
const scale = fc.integer({ min: -8, max: 8 }).map((e) => 10 ** e);

interface Problem {
  readonly g: number[];
  readonly G: number[][];
}

/** Rows that repeat, oppose, nearly repeat or nearly oppose earlier ones, vanish, or are new; each at a scale of its own. */
function problems(near: boolean, maxRows = 8): fc.Arbitrary<Problem> {
  const kinds = [
    'new',
    'new',
    'repeat',
    'oppose',
    'zero',
    ...(near ? (['near', 'nearly opposed'] as const) : []),
  ] as const;
  return fc.integer({ min: 1, max: 10 }).chain((p) => {
    const vector = fc.array(entry, { minLength: p, maxLength: p });
    const row = fc.record({
      kind: fc.constantFrom(...kinds),
      fresh: vector,
      of: fc.nat(),
      closeness: fc.integer({ min: 2, max: 14 }),
      scale,
    });
    return fc
      .record({ g: vector, gScale: scale, rows: fc.array(row, { minLength: 1, maxLength: maxRows }) })
      .map((made) => {
        const units: number[][] = [];
        for (const { kind, fresh, of, closeness } of made.rows) {
          const old = units[of % Math.max(1, units.length)] ?? fresh;
          const noisy = old.map((x, i) => x + fresh[i]! * 10 ** -closeness);
          const unit = {
            new: fresh,
            repeat: old,
            oppose: scaled(old, -1),
            zero: scaled(old, 0),
            near: noisy,
            'nearly opposed': scaled(noisy, -1),
          }[kind];
          units.push(unit);
        }
        return { g: scaled(made.g, made.gScale), G: units.map((unit, k) => scaled(unit, made.rows[k]!.scale)) };
      });
  });
}

/** The nearest feasible point over all subsets of rows held at equality: the projection by brute force. */
function bruteForce({ g, G }: Problem): number[] {
  const rows = G.filter((row) => norm(row) > 0).map((row) => scaled(row, 1 / norm(row)));
  let best: number[] | null = null;
  for (let subset = 0; subset < 2 ** rows.length; subset++) {
    // g without its component in the span of the subset, by Gram-Schmidt with one repetition.
    const basis: number[][] = [];
    for (const [k, row] of rows.entries()) {
      if ((subset & (1 << k)) === 0) continue;
      let rest = row;
      for (let pass = 0; pass < 2; pass++) for (const b of basis) rest = sub(rest, scaled(b, dot(rest, b)));
      if (norm(rest) > 1e-9) basis.push(scaled(rest, 1 / norm(rest)));
    }
    let z = g;
    for (let pass = 0; pass < 2; pass++) for (const b of basis) z = sub(z, scaled(b, dot(z, b)));
    const feasible = rows.every((row) => dot(z, row) >= -1e-12 * norm(g));
    if (feasible && (best === null || norm(sub(z, g)) < norm(sub(best, g)))) best = z;
  }
  return best!;
}

const enough = runs(120);

describe('over rows with ties, duplicates, opposites, zeros and near parallels, at scales from 1e-8 to 1e8', () => {
  test('z satisfies every constraint to rounding', () => {
    fc.assert(
      fc.property(problems(true), ({ g, G }) => {
        const { z } = projectGradient(g, G);
        for (const row of G) expect(dot(z, row)).toBeGreaterThanOrEqual(-BOUND * norm(g) * norm(row));
      }),
      enough,
    );
  });

  test('z - g is orthogonal to z, and z no longer than g (Moreau)', () => {
    fc.assert(
      fc.property(problems(true), ({ g, G }) => {
        const { z } = projectGradient(g, G);
        const move = sub(z, g);
        expect(Math.abs(dot(z, move))).toBeLessThanOrEqual(BOUND * dot(g, g));
        expect(norm(z)).toBeLessThanOrEqual(norm(g) * (1 + BOUND));
      }),
      enough,
    );
  });

  test('projecting again changes nothing', () => {
    fc.assert(
      fc.property(problems(true), ({ g, G }) => {
        const { z } = projectGradient(g, G);
        const again = projectGradient(z, G).z;
        // What the second projection corrects is the first one's rounding, seen from the narrowest corner of the cone.
        for (const row of G) expect(dot(again, row)).toBeGreaterThanOrEqual(-BOUND * norm(z) * norm(row));
        expect(norm(again)).toBeLessThanOrEqual(norm(z) * (1 + BOUND));
      }),
      enough,
    );
  });
});

describe('over rows with ties, duplicates, opposites and zeros', () => {
  // Entries are multiples of 1e-6, so that independent rows are not nearly parallel and the answer is well conditioned.
  const close = (a: readonly number[], b: readonly number[], size: number) =>
    expect(norm(sub(a, b))).toBeLessThanOrEqual(1e-9 * size);

  test('z - g lies in the cone of the rows, so no other feasible point is nearer', () => {
    // By Moreau's theorem it does just if g - z has nothing in the cone of feasible points, that is, projects to 0.
    fc.assert(
      fc.property(problems(false), ({ g, G }) => {
        const rest = sub(g, projectGradient(g, G).z);
        close(projectGradient(rest, G).z, scaled(rest, 0), norm(g));
      }),
      enough,
    );
  });

  test('it agrees with the enumeration of all active sets', () => {
    fc.assert(
      fc.property(problems(false), (problem) => {
        close(projectGradient(problem.g, problem.G).z, bruteForce(problem), norm(problem.g));
      }),
      enough,
    );
  });

  test('the order of the rows and their lengths do not matter', () => {
    fc.assert(
      fc.property(
        problems(false),
        fc.array(scale, { minLength: 8, maxLength: 8 }),
        fc.infiniteStream(fc.nat()),
        ({ g, G }, lengths, order) => {
          const keys = G.map(() => order.next().value as number);
          const shuffled = G.map((row, k) => ({ row: scaled(row, lengths[k]!), key: keys[k]! }))
            .sort((a, b) => a.key - b.key)
            .map(({ row }) => row);
          close(projectGradient(g, shuffled).z, projectGradient(g, G).z, norm(g));
        },
      ),
      enough,
    );
  });

  test('idempotent', () => {
    fc.assert(
      fc.property(problems(false), ({ g, G }) => {
        const { z } = projectGradient(g, G);
        close(projectGradient(z, G).z, z, norm(g));
      }),
      enough,
    );
  });

  test('scaling g scales z, by a power of two to the last bit', () => {
    fc.assert(
      fc.property(problems(false), fc.integer({ min: -40, max: 40 }), ({ g, G }, e) => {
        const s = 2 ** e;
        expect(projectGradient(scaled(g, s), G).z).toEqual(scaled(projectGradient(g, G).z, s));
      }),
      enough,
    );
  });

  test('z = g + sum v_k g_k with v >= 0, and v is 0 where the constraint is slack', () => {
    fc.assert(
      fc.property(problems(false), ({ g, G }) => {
        const { z, v, cosinesAfter } = projectGradient(g, G);
        const rebuilt = G.reduce((sum, row, k) => sum.map((x, i) => x + v[k]! * row[i]!), g);
        const terms = norm(g) + G.reduce((sum, row, k) => sum + Math.abs(v[k]!) * norm(row), 0);
        expect(norm(sub(rebuilt, z))).toBeLessThanOrEqual(1e-12 * terms);
        v.forEach((value, k) => {
          expect(value).toBeGreaterThanOrEqual(0);
          const pull = value * norm(G[k]!);
          expect(pull * Math.max(0, cosinesAfter[k]!) * norm(z)).toBeLessThanOrEqual(1e-12 * terms * terms);
        });
      }),
      enough,
    );
  });
});

describe('special cases', () => {
  test("one task: A-GEM's closed form", () => {
    fc.assert(
      fc.property(problems(false, 1), ({ g, G }) => {
        const one = projectGradient(g, G);
        const average = projectAverageGradient(g, G[0]!);
        expect(norm(sub(one.z, average.z))).toBeLessThanOrEqual(BOUND * norm(g));
        expect(one.projected).toBe(average.projected);
      }),
      enough,
    );
  });

  test('no conflict: z is g itself, whatever the memory strength and the profile', () => {
    for (const profile of ['exact', 'reference', 'avalanche'] as const) {
      const { z, v, violated, projected } = projectGradient(
        [1, 2],
        [
          [1, 0],
          [0, 1],
          [0, 0],
        ],
        { profile, memoryStrength: 0.5 },
      );
      expect({ z, v, violated, projected }).toEqual({ z: [1, 2], v: [0, 0, 0], violated: [], projected: false });
    }
  });

  test('opposed rows leave only the line that both allow', () => {
    expect(
      projectGradient(
        [3, 4],
        [
          [1, 0],
          [-1, 0],
        ],
      ).z,
    ).toEqual([0, 4]);
    expect(
      projectGradient(
        [3, 4],
        [
          [1, 0],
          [-1, 0],
          [0, 1],
          [0, -1],
        ],
      ).z,
    ).toEqual([0, 0]);
  });

  test('the result is plain JSON, and the input is untouched', () => {
    const [g, G] = [
      [1, -2, 0.5],
      [
        [-1, 0, 1],
        [0, 1, 1],
      ],
    ];
    const before = JSON.stringify([g, G]);
    const result = projectGradient(g, G, { memoryStrength: 0.5 });
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
    expect(JSON.stringify([g, G])).toBe(before);
    expect(
      projectGradient(
        Float64Array.from(g),
        G.map((row) => Float32Array.from(row)),
      ).z,
    ).toEqual(projectGradient(g, G).z);
  });
});

describe('the profiles differ as published', () => {
  // One past task, g = (-1, 0), g_0 = (2, 0): <g, g_0> = -2 and GG' = 4, so v* = 1/2.
  const [g, G] = [[-1, 0], [[2, 0]]];

  test('exact: gamma is added to v*', () => {
    expect(projectGradient(g, G, { memoryStrength: 0.5 })).toMatchObject({ v: [1], z: [1, 0], ridge: 0 });
    expect(projectGradient(g, G)).toMatchObject({ v: [0.5], z: [0, 0] });
  });

  test.each(['reference', 'avalanche'] as const)(
    '%s: gamma is a lower bound, and the ridge 0.001 stands in the denominator',
    (profile) => {
      const free = projectGradient(g, G, { profile, memoryStrength: 0.25 });
      expect(free.v[0]).toBeCloseTo(2 / 4.001, 14);
      expect(free.z[0]).toBeCloseTo(-1 + 4 / 4.001, 14);
      // The guarantee with a ridge e is <z, g_k> + e v_k >= 0, and not <z, g_k> >= 0.
      expect(free.dotsAfter[0]).toBeLessThan(0);
      expect(free.dotsAfter[0]! + 1e-3 * free.v[0]!).toBeCloseTo(0, 14);
      expect(projectGradient(g, G, { profile, memoryStrength: 0.75 })).toMatchObject({
        v: [0.75],
        z: [0.5, 0],
        ridge: 1e-3,
      });
      expect(projectGradient(g, G, { profile, ridge: 0 }).z[0]).toBeCloseTo(0, 15);
    },
  );
});

test('rows may be 1e400 times as long as g', () => {
  const [g, G] = [[1e-200, 1e-200], [[-1e200, 0]]];
  for (const profile of ['exact', 'reference', 'avalanche'] as const) {
    const { z, v } = projectGradient(g, G, { profile, memoryStrength: 0.5 });
    expect(v).toEqual([0.5]);
    expect(z[0]).toBeCloseTo(-5e199, -190);
    expect(z.every(Number.isFinite)).toBe(true);
  }
});

describe('bad input is refused by name', () => {
  test('what is no array, such as a tensor, which has no length', () => {
    const [g, G] = [tensor([3, 1]), tensor([[-1, 0]])] as never[];
    expect(() => projectGradient(g!, G!)).toThrow(
      'projectGradient: g is tensor([3., 1.]); expected a plain or typed array',
    );
    expect(() => projectGradient([3, 1], G!)).toThrow('G is tensor');
    expect(() => projectGradient([3, 1], [g!])).toThrow('G[0] is tensor');
    expect(() => projectGradient([3, 1], [-1, 0] as never)).toThrow('G[0] is -1');
    expect(() => projectGradient([3, 1], undefined as never)).toThrow('G is undefined');
    expect(() => projectAverageGradient([3, 1], g!)).toThrow('gRef is tensor');
    expect(() => projectFromGram(G!, [1])).toThrow('gram is tensor');
    expect(() => projectFromGram([[1]], g!)).toThrow('dots is tensor');
    expect(() => projectFromGram([null] as never, [1])).toThrow('gram[0] is null');
  });

  test.each([
    [[1, Number.NaN], [[1, 0]], {}, /g\[1\] is NaN/],
    [
      [1, 0],
      [
        [1, 0],
        [0, Infinity],
      ],
      {},
      /G\[1\]\[1\] is Infinity/,
    ],
    [[1, 0], [[1, 0, 0]], {}, /G\[0\].*length 3, expected 2/],
    [[1, 0], [[1, 0]], { memoryStrength: -1 }, /memoryStrength is -1/],
    [[1, 0], [[1, 0]], { ridge: Number.NaN }, /ridge is NaN/],
    [[1, 0], [[1, 0]], { profile: 'paper' as 'exact' }, /profile is paper; expected one of exact/],
  ])('%j, %j, %j', (g, G, options, message) => {
    expect(() => projectGradient(g, G, options)).toThrow(message);
  });
});
