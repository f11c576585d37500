// GSS-Greedy: what it lets in, whom it puts out and how often, and that directions survive in it which a ring would lose.

import { Rng, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { EpisodicMemory, gradientBased } from '../../src/memory/index.ts';
import type { Samples } from '../../src/streams/index.ts';

/** A sample is its own gradient: a direction in the plane, in degrees, which is its label too. */
const gradients = ({ inputs }: Samples) => inputs;
const directions = (degrees: readonly number[]): Samples => ({
  inputs: tensor(
    degrees.map((d) => [Math.cos((d * Math.PI) / 180), Math.sin((d * Math.PI) / 180)]),
    { dtype: 'float64', shape: [degrees.length, 2] },
  ),
  targets: tensor(Int32Array.from(degrees)),
});
const memory = (slots: number, seed: number, compared = 10) =>
  new EpisodicMemory(slots, gradientBased(gradients, { compared }), { rng: new Rng(seed) });
const held = (m: EpisodicMemory) => m.batch().targets.toArray() as number[];

describe('GSS-Greedy', () => {
  test('fills its slots with whatever comes; then only what opposes all it is compared with gets in', () => {
    for (let seed = 0; seed < 20; seed++) {
      const m = memory(4, seed);
      m.add(0, directions([0, 0, 10, 20]));
      expect(held(m)).toEqual([0, 0, 10, 20]);
      m.add(0, directions([0, 60, 105, 109, 285]));
      expect(held(m)).toEqual([0, 0, 10, 20]);
      m.add(0, directions([200]));
      const place = held(m).indexOf(200);
      if (place >= 0) m.add(0, directions([190, 210, 200]));
      expect(held(m).filter((d) => d >= 190).length).toBeLessThanOrEqual(1);
    }
  });

  test('whom a newcomer replaces: slot i with probability C_i / sum C * C_i / (C_i + c)', () => {
    // Scores: 1 for the first (nothing to compare with), 1 + cos 60 = 1.5 for the second. The newcomer is at least 120 degrees from
    // both, so its c is 1 + cos 120 = 0.5.
    const [C, c] = [[1, 1 + Math.cos(Math.PI / 3)], 1 + Math.cos((2 * Math.PI) / 3)];
    const sum = C[0]! + C[1]!;
    const replace = C.map((score) => ((score / sum) * score) / (score + c));
    const p = [...replace, 1 - replace[0]! - replace[1]!];
    const runs = 1500;
    const counts = [0, 0, 0];
    for (let seed = 0; seed < runs; seed++) {
      const m = memory(2, seed);
      m.add(0, directions([0, 60, 180]));
      const place = held(m).indexOf(180);
      counts[place < 0 ? 2 : place]!++;
    }
    const chi2 = counts.reduce((total, n, i) => total + (n - runs * p[i]!) ** 2 / (runs * p[i]!), 0);
    // P(chi2_2 >= x) = e^(-x/2): less than one in a million.
    expect(chi2).toBeLessThan(28);
  });

  test('rare directions survive a flood of common ones, which they do not in a ring', () => {
    const flood = new Array<number>(60).fill(0);
    // Let in with probability 0.8 each time, until it is; then it keeps its like out.
    const rare = Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? 120 : 240));
    const stream = [...flood, ...rare, ...flood];
    for (let seed = 0; seed < 8; seed++) {
      const m = memory(10, seed);
      for (const d of stream) m.add(0, directions([d]));
      expect([...new Set(held(m))].sort((a, b) => a - b)).toEqual([0, 120, 240]);
    }
    const ring = new EpisodicMemory(10, 'ring');
    for (const d of stream) ring.add(0, directions([d]));
    expect(new Set(held(ring)).size).toBe(1);
  });

  test('when its share shrinks, those most like others go', () => {
    const m = new EpisodicMemory({ total: 6 }, gradientBased(gradients), { rng: new Rng(0) });
    m.add(0, directions([0, 120, 240, 0, 120, 240]));
    m.add(1, directions([0]));
    expect(m.batch(0).targets.toArray()).toEqual([0, 120, 240]);
  });

  test('the length of a gradient does not matter, and a zero gradient opposes nothing', () => {
    const scaled = new EpisodicMemory(
      3,
      gradientBased(({ inputs }) => inputs.mul(1e-150)),
      { rng: new Rng(4) },
    );
    const plain = memory(3, 4);
    for (const d of [0, 10, 120, 240, 180, 90]) for (const m of [scaled, plain]) m.add(0, directions([d]));
    expect(held(scaled)).toEqual(held(plain));
    const zero = new EpisodicMemory(
      2,
      gradientBased(({ inputs }) => inputs.mul(0)),
      { rng: new Rng(4) },
    );
    zero.add(0, directions([0, 1, 2, 3]));
    expect(held(zero)).toEqual([0, 1]);
  });

  test('what makes no sense is refused, and leaves the memory as it was', () => {
    expect(() => gradientBased(gradients, { compared: 0 })).toThrow(/compared is 0/);
    const bad = new EpisodicMemory(
      2,
      gradientBased(({ inputs }) => inputs.mul(Number.NaN)),
      { rng: new Rng(0) },
    );
    bad.add(0, directions([0]));
    expect(() => bad.add(0, directions([1]))).toThrow(/gradients is not finite/);
    expect(held(bad)).toEqual([0]);
  });
});
