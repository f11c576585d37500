// projectGradient against the projection in whole numbers of any size, which has no rounding at all (exact-projection.ts), where rows repeat,
// oppose, vanish or lie within 1e-9 of doing so, at scales from 1e-150 to 1e150; and large problems by the laws of a projection.
//
// `FC_NUM=8000 npx vitest run packages/gem/test/project/exact.test.ts` tries that many small problems instead of 400.

import { describe, expect, test } from 'vitest';
import { projectGradient } from '../../src/project.ts';
import { exactProjection } from './exact-projection.ts';
import { type Instance, instanceKinds, makeInstance } from './instances.ts';

const runs = Math.ceil(Number(process.env.FC_NUM ?? 400) / instanceKinds.length);

const largest = (a: readonly number[]) => a.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
/** |a| / |b|, at any scale. */
function ratio(a: readonly number[], b: readonly number[]): number {
  const size = largest(b) || 1;
  const length = (values: readonly number[]) => Math.sqrt(values.reduce((sum, x) => sum + (x / size) ** 2, 0));
  return length(a) / (length(b) || 1);
}
const difference = (a: readonly number[], b: readonly number[]) => a.map((x, i) => x - b[i]!);

describe('small problems, exactly', () => {
  test.each(instanceKinds)('%s', { timeout: 60_000 + 20 * runs }, (kind) => {
    for (let seed = 0; seed < runs; seed++) {
      const { g, G } = makeInstance(kind, seed);
      const exact = exactProjection(g, G);
      const { z, ...rest } = projectGradient(g, G);
      const error = ratio(difference(z, exact.z), g);
      expect(error, `seed ${seed}`).toBeLessThanOrEqual(1e-8);
      // The objective 1/2 |z - g|^2, beside itself.
      const share = ratio(difference(z, g), g) ** 2;
      if (exact.share > 1e-12) expect(Math.abs(share / exact.share - 1), `seed ${seed}`).toBeLessThanOrEqual(1e-8);
      const numbers = [...rest.v, ...rest.dots, ...rest.dotsAfter, ...rest.gram.flat(), ...Object.values(rest.kkt)];
      expect(numbers.every(Number.isFinite), `seed ${seed}`).toBe(true);
    }
  });
});

describe('large problems, by their laws', () => {
  const check = ({ g, G }: Instance) => {
    const { z, v, cosinesAfter } = projectGradient(g, G);
    const zLength = ratio(z, g);
    cosinesAfter.forEach((cos) => {
      expect(cos * zLength).toBeGreaterThanOrEqual(-1e-12);
    });
    expect(zLength).toBeLessThanOrEqual(1 + 1e-12);
    // z - g is orthogonal to z (Moreau): |z|^2 + |z - g|^2 = |g|^2.
    expect(Math.abs(zLength ** 2 + ratio(difference(z, g), g) ** 2 - 1)).toBeLessThanOrEqual(1e-12);
    for (const value of v) expect(value).toBeGreaterThanOrEqual(0);
  };

  test.each(instanceKinds)('120 rows of 60 to 300 entries: %s', (kind) => {
    check(makeInstance(kind, 1, { t: [120, 120], p: [60, 300] }));
  });

  test('20 rows of 20,000 entries', () => {
    check(makeInstance('every closeness', 2, { t: [20, 20], p: [20_000, 20_000] }));
  });
});
