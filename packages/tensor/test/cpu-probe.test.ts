// A program that multiplies much finds out which of two ways is faster on its machine, and goes on with that; nothing is done twice for it,
// and nothing but time tells which way was taken.

import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createWorkspace } from '../src/backends/cpu/module.ts';
import { ENOUGH, GONE, Probe, TIME, TIMED, TRIALS } from '../src/backends/cpu/probe.ts';
import { numbers } from './support/wasm.ts';

/** Work in one of two ways on a clock of its own, which takes `cost` with up to as much again for other things that the machine does. */
const machine = (cost: Readonly<Record<'usual' | 'rival', number>>, noise: () => number = () => 0) => {
  let time = 0;
  const looks = { clock: 0, rival: 0 };
  const done: ('usual' | 'rival')[] = [];
  const probe = new Probe<'usual' | 'rival'>(
    'usual',
    () => {
      looks.rival++;
      return 'rival';
    },
    () => {
      looks.clock++;
      return time;
    },
  );
  const run = (multiplications = TIMED, kind = 1) =>
    probe.run(multiplications, [kind], (way) => {
      done.push(way);
      time += cost[way] * (1 + noise());
    });
  /** Does as much as it takes to find out. */
  const decide = (kind?: number) => {
    for (let i = 0; i < 2 * Math.max(TRIALS, Math.ceil(TIME / Math.min(cost.usual, cost.rival))); i++) run(TIMED, kind);
  };
  /** The way that is taken now. */
  const chosen = () => {
    run(0);
    return done.at(-1);
  };
  return { probe, run, decide, chosen, done, looks };
};

/** Enough work that the other way is made. */
const warmUp = ({ run }: ReturnType<typeof machine>, kind?: number) => run(ENOUGH, kind);

describe('a probe', () => {
  test('finds the faster way, whatever else the machine does meanwhile, and does all work once', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.2, max: 5, noNaN: true }), fc.integer(), (rival, seed) => {
        fc.pre(rival < 0.9 || rival > 1);
        const draw = numbers(seed);
        // One piece of work in three is left alone.
        let pieces = 0;
        const m = machine({ usual: 1, rival }, () => (++pieces % 3 === 0 ? 0 : Math.abs(draw())));
        warmUp(m);
        m.decide();
        const both = m.done.slice(1, 1 + m.looks.clock / 2);
        expect(both).toEqual(both.map((_, i) => (i % 2 === 0 ? 'usual' : 'rival')));
        expect(both.length).toBeGreaterThanOrEqual(2 * TRIALS);
        // It is decided: nobody looks at the clock.
        const { clock } = m.looks;
        m.run();
        expect(m.done.at(-1)).toBe(rival < 0.97 ? 'rival' : 'usual');
        expect(m.chosen()).toBe(m.done.at(-1));
        expect(m.looks).toEqual({ clock, rival: 1 });
      }),
    );
  });

  test('stays with the usual way where the other gains nothing', () => {
    for (const rival of [1, 0.98]) {
      const m = machine({ usual: 1, rival });
      warmUp(m);
      m.decide();
      expect(m.chosen()).toBe('usual');
    }
  });

  test('makes no other way, and looks at no clock, before much work is done', () => {
    const m = machine({ usual: 1, rival: 0.1 });
    for (let i = 0; i < 99; i++) m.run(ENOUGH / 100);
    expect(m.looks).toEqual({ clock: 0, rival: 0 });
    m.run(ENOUGH / 100);
    expect(m.looks).toEqual({ clock: 0, rival: 1 });
    expect(new Set(m.done)).toEqual(new Set(['usual']));
  });

  test('compares work of one kind, and of another when that comes no more', () => {
    const m = machine({ usual: 1, rival: 0.5 });
    warmUp(m);
    for (let i = 0; i < TIME; i++) m.run();
    // Of other kinds, in the usual way.
    const before = m.done.length;
    for (let i = 0; i < GONE; i++) m.run(TIMED, 2 + (i % 2));
    expect(new Set(m.done.slice(before))).toEqual(new Set(['usual']));
    expect(m.chosen()).toBe('usual');
    for (let i = 0; i < 8 * TIME; i++) m.run(TIMED, 2 + (i % 2));
    expect(m.chosen()).toBe('rival');
  });

  test('leaves small pieces of work out of it', () => {
    const m = machine({ usual: 1, rival: 0.1 });
    for (let i = 0; i < 99; i++) m.run(TIMED - 1);
    warmUp(m);
    const { clock } = m.looks;
    for (let i = 0; i < 4 * TRIALS; i++) m.run(TIMED - 1);
    expect(m.looks).toEqual({ clock, rival: 1 });
    expect(new Set(m.done)).toEqual(new Set(['usual']));
  });

  test('goes on where there is no other way', () => {
    const probe = new Probe<string>('usual', () => undefined);
    const done: string[] = [];
    for (let i = 0; i < 3 * TRIALS; i++) probe.run(ENOUGH, [1], (way) => done.push(way));
    expect(new Set(done)).toEqual(new Set(['usual']));
    expect(done.length).toBe(3 * TRIALS);
  });

  test('counts nothing that failed', () => {
    const m = machine({ usual: 1, rival: 0.5 });
    warmUp(m);
    const fail = () => {
      throw new Error('no room');
    };
    expect(() => m.probe.run(TIMED, [1], fail)).toThrow('no room');
    m.decide();
    expect(m.chosen()).toBe('rival');
  });

  test('does not go on for long with large pieces of work, nor stop after a moment of small ones', () => {
    for (const [cost, rounds] of [
      [30, TRIALS],
      [0.1, 500],
    ] as const) {
      const m = machine({ usual: cost, rival: cost });
      warmUp(m);
      for (let i = 0; i < 1200; i++) m.run();
      expect(Math.abs(m.looks.clock / 4 - rounds)).toBeLessThanOrEqual(1);
    }
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
        constructor(usual: Way, rival: () => Way) {
          this.#ways = [usual, rival()];
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
