// The loop gives up the thread now and then, whatever the host has to do so with, and takes it back as soon as the others had it.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { breather } from '../../src/strategy/pause.ts';

describe('a breather', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
  const later = (ms: number) => vi.setSystemTime(Date.now() + ms);

  test('pauses every 40 ms, and otherwise answers at once', async () => {
    const next = breather(undefined);
    expect(next()).toBe(false);
    later(39);
    expect(next()).toBe(false);
    later(1);
    const pause = next();
    expect(pause).toBeInstanceOf(Promise);
    expect(await pause).toBe(false);
    expect(next()).toBe(false);
  });

  test.each([
    ['immediates', []],
    ['messages', ['setImmediate']],
    ['timers', ['setImmediate', 'MessageChannel']],
  ])('lets others in by %s', async (_, missing) => {
    const signal = { aborted: false };
    const next = breather(signal);
    later(50);
    let turns = 0;
    // One is waiting already, and asks for a stop when it has its turn.
    setTimeout(() => {
      turns++;
      signal.aborted = true;
    }, 0);
    const until = performance.now() + 5;
    while (performance.now() < until);
    for (const name of missing) vi.stubGlobal(name, undefined);
    expect(turns).toBe(0);
    let stopped = await next();
    // Where a timer that is due does not come before a message, it comes after it.
    for (let i = 0; i < 3 && !stopped; i++) {
      later(50);
      stopped = await next();
    }
    expect(turns).toBe(1);
    expect(stopped).toBe(true);
    expect(next()).toBe(true);
  });

  test.each([[[]], [['setImmediate']]])(
    'waits for no timer where there is another way (without %j)',
    async (missing) => {
      for (const name of missing) vi.stubGlobal(name, undefined);
      vi.stubGlobal('setTimeout', () => expect.fail('a timer'));
      const next = breather(undefined);
      later(50);
      expect(await next()).toBe(false);
    },
  );
});
