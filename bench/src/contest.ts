// One piece of work, everybody in turn: made ready, held to gemlab's result, warmed up, and then timed in rounds A B C, A B C, ...

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { mismatch } from './compare.ts';
import { type ArrayFile, readArray, writeArray } from './host-array.ts';
import { type Entrant, GEMLAB } from './libraries.ts';
import { type Clock, type Introduction, LibraryProcess, runToEnd } from './process.ts';
import type { Timing, WorkResult } from './result.ts';
import { median, ratio } from './statistics.ts';
import type { Work } from './work.ts';

export interface Contest {
  readonly entrants: readonly Entrant[];
  readonly rounds: number;
  readonly clock: Clock;
  /** A round measures as many calls as take about this long; 0 for one call. */
  readonly millisecondsPerRound: number;
  /** For arrays; the caller removes it. */
  readonly folder: string;
  readonly signal: { readonly aborted: boolean };
  /** What is going on, and how much of this piece of work is done, 0 to 1. */
  tell(what: string, fraction: number): void;
  /** A library failed or disagreed; it is out of this piece of work. */
  fail(message: string): void;
  /** What each library that has been met says of itself, and the pieces of work it knows. */
  readonly known: Map<string, Introduction>;
}

/** Nobody is waited for longer than this on one piece of work; who is slow gets fewer rounds. */
const PATIENCE_MS = 15_000;
const MIN_ROUNDS = 3;
/** Everybody runs about as long as so many rounds before the first counts. */
const WARM_UP_ROUNDS = 30;
const MB = 1e6;

interface Racer {
  readonly entrant: Entrant;
  readonly process: LibraryProcess;
  calls: number;
  readonly ms: number[];
  readonly memory: number[];
}

/** @returns null if no one could do it. */
export async function contest(work: Work, options: Contest): Promise<WorkResult | null> {
  const folder = join(options.folder, String(Math.random()).slice(2));
  mkdirSync(folder);
  const racers: Racer[] = [];
  try {
    options.tell('making the data', 0);
    const inputs = Object.entries(work.inputs()).map(([name, array]) => [name, writeArray(join(folder, name), array)]);
    await enter(work, Object.fromEntries(inputs), racers, folder, options);
    const accuracies = work.parts === undefined ? null : await runParts(work, racers, folder, options);
    if (accuracies === null) await repeat(racers, options);
    return racers.length === 0 ? null : await result(work, racers, accuracies ?? new Map());
  } finally {
    for (const { process } of racers) process.end();
  }
}

/** Starts everybody who knows the work, and leaves out who fails or computes something else. */
async function enter(
  work: Work,
  inputs: Readonly<Record<string, ArrayFile>>,
  racers: Racer[],
  folder: string,
  { entrants, signal, tell, fail, known }: Contest,
): Promise<void> {
  let expected: readonly ArrayFile[] | null = null;
  for (const entrant of entrants) {
    if (signal.aborted) return;
    if (known.get(entrant.name)?.kinds.includes(work.kind) === false) continue;
    tell(`${entrant.name} gets ready`, 0);
    const process = new LibraryProcess(entrant.serve);
    try {
      const introduction = await process.about();
      known.set(entrant.name, introduction);
      if (!introduction.kinds.includes(work.kind)) {
        process.end();
        continue;
      }
      await process.open(work, inputs);
      if (work.parts === undefined) {
        const found = await process.check(folder);
        // A limit computes nothing.
        if (found.length > 0) {
          expected ??= found;
          const wrong = mismatch(expected, found, work.tolerance);
          if (wrong !== null) throw new Error(`does not compute the same: ${wrong}`);
        }
      }
      racers.push({ entrant, process, calls: 1, ms: [], memory: [] });
    } catch (error) {
      fail(`${entrant.name}: ${(error as Error).message}`);
      process.end();
    }
  }
}

/** Times so many calls. Who fails is out. @returns NaN then. */
async function timed(racer: Racer, racers: Racer[], calls: number, { clock, fail }: Contest): Promise<number> {
  try {
    return await racer.process.time(calls, clock);
  } catch (error) {
    fail(`${racer.entrant.name}: ${(error as Error).message}`);
    racer.process.end();
    racers.splice(racers.indexOf(racer), 1);
    return Number.NaN;
  }
}

async function repeat(racers: Racer[], options: Contest): Promise<void> {
  const { rounds, millisecondsPerRound, signal, tell } = options;
  // Compilers have levels: what has been called a few times is compiled a little. What counts is how it runs from then on.
  for (const racer of [...racers]) {
    if (signal.aborted) return;
    tell(`${racer.entrant.name} warms up`, 0);
    let [calls, ms] = [1, await timed(racer, racers, 1, options)];
    for (let warm = ms; warm < WARM_UP_ROUNDS * millisecondsPerRound; warm += ms) {
      if (ms < millisecondsPerRound) calls *= 2;
      ms = await timed(racer, racers, calls, options);
    }
    racer.calls = Math.max(1, Math.round((millisecondsPerRound * calls) / ms));
  }
  const spent = new Map<Racer, number>();
  for (let round = 0; round < rounds && !signal.aborted; round++) {
    for (const racer of [...racers]) {
      const before = spent.get(racer) ?? 0;
      if (round >= MIN_ROUNDS && before > PATIENCE_MS) continue;
      tell(`round ${round + 1} of ${rounds}`, round / rounds);
      // Who is woken finds the caches full of another's data and, on many machines, a processor that has slowed down: the first
      // time does not count.
      const lead = await timed(racer, racers, racer.calls, options);
      if (!racers.includes(racer)) continue;
      const ms = await timed(racer, racers, racer.calls, options);
      racer.ms.push(ms / racer.calls);
      spent.set(racer, before + lead + ms);
    }
  }
}

/** A run whose parts have an order is done once, and interleaved part by part. @returns the accuracy of each at the end. */
async function runParts(
  work: Work,
  racers: Racer[],
  folder: string,
  options: Contest,
): Promise<ReadonlyMap<Racer, number>> {
  const { signal, tell, fail } = options;
  const parts = work.parts!;
  for (let part = 0; part < parts; part++) {
    for (const racer of [...racers]) {
      if (signal.aborted) {
        for (const { process } of racers.splice(0)) process.end();
        return new Map();
      }
      tell(`${racer.entrant.name}, task ${part + 1} of ${parts}`, part / parts);
      racer.ms.push(await timed(racer, racers, 1, options));
      if (racers.includes(racer)) racer.memory.push((await racer.process.memory()).bytes);
    }
  }
  const accuracies = new Map<Racer, number>();
  for (const racer of racers) {
    tell(`testing ${racer.entrant.name}`, 1);
    const [file] = await racer.process.check(folder);
    const { data } = readArray(file!);
    accuracies.set(racer, Array.from(data).reduce((sum, a) => sum + a, 0) / data.length);
  }
  const ours = accuracies.get(racers[0]!);
  for (const [racer, accuracy] of accuracies) {
    if (Math.abs(accuracy - ours!) > work.tolerance) {
      fail(`${racer.entrant.name}: ends with accuracy ${accuracy} in place of ${ours}`);
    }
  }
  return accuracies;
}

async function result(
  work: Work,
  racers: readonly Racer[],
  accuracies: ReadonlyMap<Racer, number>,
): Promise<WorkResult> {
  const times = ({ ms }: Racer) => (work.parts === undefined ? ms : [ms.reduce((sum, part) => sum + part, 0)]);
  const reference = times(racers.find(({ entrant }) => entrant.name === GEMLAB.name) ?? racers[0]!);
  const timings: [string, Timing][] = [];
  for (const racer of racers) {
    const ms = times(racer);
    if (ms.length === 0) continue;
    const accuracy = accuracies.get(racer);
    const memory = racer.memory.map((bytes) => Math.round(bytes / MB));
    const timing = {
      ...summary(ms, reference),
      ...(work.flops !== undefined && { gflops: work.flops / median(ms) / 1e6 }),
      ...(accuracy !== undefined && { accuracy }),
      ...(memory.length > 0 && {
        memory: { after: memory, peak: Math.round((await racer.process.memory()).peak / MB) },
      }),
    };
    timings.push([racer.entrant.name, timing]);
  }
  return { kind: work.kind, name: work.name, params: work.params, timings: Object.fromEntries(timings) };
}

const summary = (ms: readonly number[], reference: readonly number[]): Timing => ({
  ms,
  median: median(ms),
  min: Math.min(...ms),
  ratio: ratio(ms, reference),
});

/**
 * From nothing to the first result: in each round everybody's process starts, does one training step, and ends.
 * @returns how long import and step took, and how long the process lived.
 */
export async function startupContest({ entrants, rounds, clock, signal, tell, fail }: Contest): Promise<WorkResult[]> {
  const racing = entrants.filter(({ startup }) => startup !== undefined);
  const inside = new Map<Entrant, number[]>(racing.map((entrant) => [entrant, []]));
  const whole = new Map<Entrant, number[]>(racing.map((entrant) => [entrant, []]));
  for (let round = 0; round < rounds && !signal.aborted; round++) {
    for (const entrant of racing) {
      tell(`round ${round + 1} of ${rounds}`, round / rounds);
      try {
        const { stdout, ms } = await runToEnd(entrant.startup!);
        const told = JSON.parse(stdout.slice(stdout.indexOf('{'))) as { wall: number; cpu: number; processCpu: number };
        inside.get(entrant)!.push(told[clock]);
        whole.get(entrant)!.push(clock === 'wall' ? ms : told.processCpu);
      } catch (error) {
        if (round === 0) fail(`${entrant.name}: ${(error as Error).message}`);
      }
    }
  }
  const summed = (name: string, times: ReadonlyMap<Entrant, readonly number[]>): WorkResult => {
    const reference = times.get(racing[0]!) ?? [];
    const timings = [...times]
      .filter(([, ms]) => ms.length > 0)
      .map(([{ name }, ms]) => [name, summary(ms, reference)]);
    return { kind: 'startup', name, params: {}, timings: Object.fromEntries(timings) };
  };
  return [summed('import and first step', inside), summed('process with first step', whole)];
}
