// A program that multiplies much finds out which of two ways is faster on its machine, and goes on with that; nothing is done twice for it,
// and nothing but time tells which way was taken.

import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createWorkspace } from '../src/backends/cpu/module.ts';
import { ENOUGH, EVERY, Probe, TIME, TIMED, TRIALS } from '../src/backends/cpu/probe.ts';
import { numbers } from './support/wasm.ts';

/** Work in one of two ways on a clock of its own, which takes `cost` milliseconds and what comes between. */
const machine = (cost: Readonly<Record<'usual' | 'other', number>>, between: () => number = () => 0) => {
  let time = 0;
  const looks = { clock: 0, other: 0 };
  const done: ('usual' | 'other')[] = [];
  const probe = new Probe<'usual' | 'other'>(
    'usual',
    () => {
      looks.other++;
      return 'other';
    },
    () => {
      looks.clock++;
      return time;
    },
  );
  /** Kind k takes k times as long as kind 1. */
  const run = (multiplications = TIMED, kind = 1) =>
    probe.run(multiplications, [kind], (way) => {
      done.push(way);
      time += kind * cost[way] * (1 + between());
    });
  /** Does enough that the other way is made. */
  const warmUp = () => run(ENOUGH);
  /** The way that is taken now. */
  const chosen = () => {
    run(0);
    return done.at(-1);
  };
  const pieces = EVERY * Math.max(TRIALS, Math.ceil(TIME / cost.other));
  /** Does as much as it takes to find out. */
  const decide = () => {
    for (let i = 0; i < pieces; i++) run();
  };
  return { probe, run, warmUp, decide, chosen, done, looks, pieces };
};

describe('a probe', () => {
  test('finds the faster way, whatever else the machine does meanwhile, does all work once and seldom in the slower way', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.2, max: 5, noNaN: true }), fc.integer(), (other, seed) => {
        fc.pre(other < 0.9 || other > 1);
        const draw = numbers(seed);
        // The clock has two speeds, each for a while; and one piece in ten is interrupted.
        let [left, slow] = [0, 0];
        const between = () => {
          if (left-- === 0) [left, slow] = [40 + Math.floor(60 * Math.abs(draw())), 0.5 - slow];
          return Math.abs(draw()) < 0.1 ? 3 : slow;
        };
        const m = machine({ usual: 1, other }, between);
        m.warmUp();
        m.decide();
        expect(m.done.length).toBe(1 + m.pieces);
        const trials = m.done.slice(0, 1 + m.looks.clock / 2).flatMap((way, i) => (way === 'other' ? [i] : []));
        expect(trials).toEqual(trials.map((_, i) => EVERY * (i + 1)));
        expect(trials.length).toBeGreaterThanOrEqual(TRIALS);
        // It is decided: nobody looks at the clock.
        const { clock } = m.looks;
        m.run();
        expect(m.done.at(-1)).toBe(other < 0.95 ? 'other' : 'usual');
        expect(m.chosen()).toBe(m.done.at(-1));
        expect(m.looks).toEqual({ clock, other: 1 });
      }),
    );
  });

  test('stays with the usual way where the other gains nothing', () => {
    for (const other of [1, 0.96]) {
      const m = machine({ usual: 1, other });
      m.warmUp();
      m.decide();
      expect(m.chosen()).toBe('usual');
    }
  });

  test('makes no other way, and looks at no clock, before much work is done', () => {
    const m = machine({ usual: 1, other: 0.1 });
    for (let i = 0; i < 99; i++) m.run(ENOUGH / 100);
    expect(m.looks).toEqual({ clock: 0, other: 0 });
    m.run(ENOUGH / 100);
    expect(m.looks).toEqual({ clock: 0, other: 1 });
    expect(new Set(m.done)).toEqual(new Set(['usual']));
  });

  test('compares work with work of its kind, whatever kinds come', () => {
    fc.assert(
      fc.property(fc.constantFrom(0.8, 1.25), fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (other, kinds) => {
        const m = machine({ usual: 1, other });
        m.warmUp();
        for (let i = 0; i < 2 * m.pieces; i++) m.run(TIMED, kinds.next().value);
        expect(m.chosen()).toBe(other < 1 ? 'other' : 'usual');
        // A kind that was never seen before is not tried.
        const fresh = machine({ usual: 1, other });
        fresh.warmUp();
        for (let i = 0; i < m.pieces; i++) fresh.run(TIMED, 100 + i);
        expect(new Set(fresh.done)).toEqual(new Set(['usual']));
      }),
      { numRuns: 20 },
    );
  });

  test('leaves small pieces of work out of it', () => {
    const m = machine({ usual: 1, other: 0.1 });
    for (let i = 0; i < 99; i++) m.run(TIMED - 1);
    m.warmUp();
    const { clock } = m.looks;
    for (let i = 0; i < m.pieces; i++) m.run(TIMED - 1);
    expect(m.looks).toEqual({ clock, other: 1 });
    expect(new Set(m.done)).toEqual(new Set(['usual']));
  });

  test('does not go on for long with large pieces of work, nor stop after a moment of small ones', () => {
    for (const [cost, trials] of [
      [30, TRIALS],
      [0.1, 500],
    ] as const) {
      const m = machine({ usual: cost, other: cost });
      m.warmUp();
      for (let i = 0; i < 600 * EVERY; i++) m.run();
      expect(Math.abs(m.done.filter((way) => way === 'other').length - trials)).toBeLessThanOrEqual(1);
    }
  });

  test('goes on where there is no other way', () => {
    const probe = new Probe<string>('usual', () => undefined);
    const done: string[] = [];
    for (let i = 0; i < 3 * EVERY; i++) probe.run(ENOUGH, [1], (way) => done.push(way));
    expect(new Set(done)).toEqual(new Set(['usual']));
    expect(done.length).toBe(3 * EVERY);
  });

  test('counts nothing that failed', () => {
    const m = machine({ usual: 1, other: 0.5 });
    m.warmUp();
    const fail = () => {
      throw new Error('no room');
    };
    for (let i = 0; i < 2 * EVERY; i++) expect(() => m.probe.run(TIMED, [1], fail)).toThrow('no room');
    m.decide();
    m.decide();
    expect(m.chosen()).toBe('other');
  });
});

describe('large products', () => {
  afterEach(() => {
    vi.doUnmock('../src/backends/cpu/probe.ts');
    vi.resetModules();
  });

  test.each([1, 2])('have the same bits by the tiles of a probe as by one of them, in %i threads', async (threads) => {
    const taken: unknown[] = [];
    vi.resetModules();
    vi.doMock('../src/backends/cpu/probe.ts', () => ({
      /** Takes every way by turns. */
      Probe: class<Way> {
        readonly #ways: Way[];
        constructor(usual: Way, make: () => Way) {
          this.#ways = [usual, make()];
        }
        run(_: number, kind: readonly number[], work: (way: Way) => void) {
          taken.push(kind);
          work(this.#ways[taken.length % 2]!);
        }
      },
    }));
    const { createGemm, gemmLoops } = await import('../src/backends/cpu/gemm.ts');
    const gemm = createGemm({ workspace: createWorkspace()! });
    await gemm.setThreads(threads);
    const draw = numbers(threads);
    for (const [m, n, k, aRow, aCol] of [
      [131, 133, 137, 137, 1],
      [131, 133, 137, 1, 131],
      [257, 100, 100, 100, 1],
      [1, 2048, 1100, 1100, 1],
    ] as const) {
      const a = Float32Array.from({ length: m * k }, draw);
      const b = Float32Array.from({ length: k * n }, draw);
      const multiply = (how: typeof gemmLoops) => {
        const c = new Float32Array(m * n);
        how(m, n, k, a, 0, aRow, aCol, b, 0, n, 1, c, 0);
        return c;
      };
      const loops = multiply(gemmLoops);
      for (let i = 0; i < 2; i++) expect(multiply(gemm)).toEqual(loops);
    }
    expect(taken.length).toBeGreaterThanOrEqual(8);
    await gemm.setThreads(1);
  });
});
