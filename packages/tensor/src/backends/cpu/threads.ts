/**
 * Threads over one WebAssembly memory: a computation that falls into parts is cut into a part for each, and they run side by side with
 * the thread that asks. That one does its own part, then those that the others have not begun, as they were asleep or had no processor, and then
 * waits for those that they have, looking and then sleeping as they do (worker.ts), save in a browser's main thread, which may not sleep.
 *
 * What is computed depends neither on how many threads there are nor on which of them is first: parts write to different places, and
 * whoever cuts sees to it that no sum is cut.
 */

import { DeviceError } from '../../errors.ts';
import { isShared, sourceOf, type WasmMemory } from './module.ts';
import { Speeds } from './speeds.ts';
import { FAILED, IDLE, LEARN, OFFERED, ROOM, SPINS, startWorker, TAKEN } from './worker.ts';

declare const performance: { now(): number };

/** Has a function of a module over the memory (see `instantiate`) called with numbers: at once, or later by another thread. */
export type Call = <A extends readonly number[]>(kernel: (...args: A) => void, ...args: A) => void;

export const atOnce: Call = (kernel, ...args) => kernel(...args);

export interface Team {
  /** Threads, the asking one included. */
  readonly size: number;
  readonly speeds: Speeds;
  /**
   * Does what `part(call, i)` calls for each thread i, in order, and returns when all is done. Thread 0 is the asking one. With the `amounts`
   * of work that these are, it learns how fast the threads are.
   */
  run(part: (call: Call, thread: number) => void, amounts?: readonly number[]): void;
  stop(): Promise<void>;
}

/** Whether this thread may sleep: not the main one of a browser. */
const maySleep = (state: Int32Array): boolean => {
  try {
    Atomics.wait(state, 0, -1, 0);
    return true;
  } catch {
    return false;
  }
};

/** The calls of another thread, in memory that it shares. */
class CallList {
  readonly state = new Int32Array(new SharedArrayBuffer(4));
  readonly list = new Float64Array(new SharedArrayBuffer(8 * ROOM));
  readonly #sleeps = maySleep(this.state);
  #end = 1;

  clear(): void {
    this.list[0] = 0;
    this.#end = 1;
  }

  /** False if there is no room for it. */
  add(fn: number, args: ArrayLike<number>): boolean {
    const next = this.#end + 2 + args.length;
    if (next > ROOM) return false;
    this.list[this.#end] = fn;
    this.list[this.#end + 1] = args.length;
    this.list.set(args, this.#end + 2);
    this.list[0]++;
    this.#end = next;
    return true;
  }

  offer(): void {
    if (this.list[0] === 0) return;
    Atomics.store(this.state, 0, OFFERED);
    Atomics.notify(this.state, 0);
  }

  /** Whether nobody had taken it: then nobody will. */
  takeBack(): boolean {
    const isBack = Atomics.compareExchange(this.state, 0, OFFERED, IDLE) === OFFERED;
    if (isBack) this.clear();
    return isBack;
  }

  /** How long the thread took for the last list that is done, in milliseconds; 0 where it had nothing to do. */
  get time(): number {
    return this.list[0]!;
  }

  /** Waits until all is done; false if a call threw. */
  wait(): boolean {
    let now = Atomics.load(this.state, 0);
    for (let i = 0; now === OFFERED || now === TAKEN; now = Atomics.load(this.state, 0)) {
      if (this.#sleeps && ++i > SPINS) Atomics.wait(this.state, 0, now);
    }
    Atomics.store(this.state, 0, IDLE);
    return now !== FAILED;
  }
}

/** @throws DeviceError where the memory is not shared, or a worker cannot be started: it says why. */
export const startTeam = async (memory: WasmMemory, size: number): Promise<Team> => {
  if (!isShared(memory)) {
    throw new DeviceError(
      `threads: found no memory that threads can share, for ${size} of them; a browser has it where the page is cross-origin isolated ` +
        '(Cross-Origin-Opener-Policy: same-origin, Cross-Origin-Embedder-Policy: require-corp)',
      { size },
    );
  }
  const lists = Array.from({ length: size - 1 }, () => new CallList());
  const started = await Promise.allSettled(lists.map(({ state, list }) => startWorker({ memory, state, list })));
  const stops = started.flatMap((worker) => (worker.status === 'fulfilled' ? [worker.value] : []));
  const stop = async () => void (await Promise.all(stops.map((end) => end())));
  const refused = started.find((worker) => worker.status === 'rejected');
  if (refused !== undefined) {
    await stop();
    const why = refused.reason instanceof Error ? refused.reason.message : String(refused.reason);
    throw new DeviceError(`threads: could not start ${lists.length} more: ${why}`, { size });
  }
  const numbers = new Map<unknown, number>();
  const speeds = new Speeds(size);

  const awaitAll = (): void => {
    // Each is waited for, whatever came of the others.
    const failed = lists.filter((list) => !list.wait());
    if (failed.length > 0) throw new Error('a thread failed in a kernel: its memory may have been taken away');
  };

  /** Brings the threads the module of a function; false if that cannot be: it comes from none, or is too long. */
  const teach = (kernel: object): boolean => {
    const source = sourceOf(kernel);
    if (source === undefined) return false;
    const first = numbers.size;
    for (const list of lists) {
      list.clear();
      if (!list.add(LEARN, [first, ...source.bytes])) return false;
    }
    for (const list of lists) list.offer();
    awaitAll();
    for (const [i, f] of source.functions.entries()) numbers.set(f, first + i);
    return true;
  };

  /** Writes the lists of the other threads; false if one of them cannot be written. */
  const write = (part: (call: Call, thread: number) => void): boolean => {
    let unknown: object | null = null;
    let fits = true;
    for (const [i, list] of lists.entries()) {
      list.clear();
      part((kernel, ...args) => {
        const fn = numbers.get(kernel);
        if (fn === undefined) unknown = kernel;
        else if (!list.add(fn, args)) fits = false;
      }, i + 1);
    }
    if (unknown !== null) return teach(unknown) && write(part);
    return fits;
  };

  return {
    size,
    speeds,
    run(part, amounts) {
      if (!write(part)) {
        for (let thread = 0; thread < size; thread++) part(atOnce, thread);
        return;
      }
      for (const list of lists) list.offer();
      const start = performance.now();
      let own = 0;
      try {
        part(atOnce, 0);
        own = performance.now() - start;
        for (const [i, list] of lists.entries()) if (list.takeBack()) part(atOnce, i + 1);
      } finally {
        awaitAll();
      }
      if (amounts !== undefined) speeds.learn(amounts, [own, ...lists.map(({ time }) => time)]);
    },
    stop,
  };
};

// Beside each memory, the team that works in it.
const teams = new WeakMap<WasmMemory, Team>();

export const teamOf = (memory: WasmMemory): Team | undefined => teams.get(memory);

// Beside each memory, the change of its team that is under way.
const changes = new WeakMap<WasmMemory, Promise<void>>();

/**
 * Puts a team of `size` threads (1: none) in the place of the one that works in this memory. Of several at a time each waits for those asked
 * for before it.
 * @throws DeviceError as startTeam
 */
export const setTeam = (memory: WasmMemory, size: number): Promise<void> => {
  const before = changes.get(memory);
  const change = before === undefined ? changeTeam(memory, size) : before.then(() => changeTeam(memory, size));
  const settled: Promise<void> = change
    .catch(() => undefined)
    .then(() => {
      if (changes.get(memory) === settled) changes.delete(memory);
    });
  changes.set(memory, settled);
  return change;
};

const changeTeam = async (memory: WasmMemory, size: number): Promise<void> => {
  const next = size === 1 ? undefined : await startTeam(memory, size);
  const before = teams.get(memory);
  if (next === undefined) teams.delete(memory);
  else teams.set(memory, next);
  await before?.stop();
};

/** The least that a part takes, in nanoseconds: in less another thread has hardly begun. */
const WORTH = 15_000;

/** How many threads of this memory take part in what takes so long for one: who cuts has room for so many. */
export const threadsFor = (memory: WasmMemory, nanoseconds: number): number =>
  nanoseconds < 2 * WORTH ? 1 : Math.min(teams.get(memory)?.size ?? 1, Math.floor(nanoseconds / WORTH));

/** Does `count` of some things from the `from`-th on, as that thread. */
export type Part = (call: Call, from: number, count: number, thread: number) => void;

/**
 * Does n things independent of each other that take one thread so many nanoseconds in all, about: `part` is called once for all of them, or once
 * for each of some threads, from multiples of `unit` on.
 */
export const inParts = (memory: WasmMemory, nanoseconds: number, n: number, unit: number, part: Part): void => {
  const threads = threadsFor(memory, nanoseconds);
  const team = threads === 1 ? undefined : teams.get(memory);
  const ranges = team?.speeds.cut(n, unit, threads) ?? [];
  if (team === undefined || ranges.length < 2) part(atOnce, 0, n, 0);
  else {
    const amounts = ranges.map(([, count]) => count);
    team.run((call, thread) => {
      if (amounts[thread]! > 0) part(call, ...ranges[thread]!, thread);
    }, amounts);
  }
};

/** About what an element takes in a map or a fold, in nanoseconds: the data come from a cache. */
const ELEMENT = 0.25;
/** Threads begin at multiples of so many elements side by side. */
export const RUN = 64;

/** As threadsFor, of so many elements of a map or a fold. */
export const threadsForElements = (memory: WasmMemory, elements: number): number =>
  threadsFor(memory, ELEMENT * elements);

/** Whether they are one thread's in any case: a kernel is then called as it is, without a closure for its parts. */
export const isShort = (memory: WasmMemory, elements: number): boolean => threadsForElements(memory, elements) === 1;

/** As inParts, of n things that have so many elements in all. */
export const elementsInParts = (memory: WasmMemory, elements: number, n: number, unit: number, part: Part): void =>
  inParts(memory, ELEMENT * elements, n, unit, part);
