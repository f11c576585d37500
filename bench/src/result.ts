// What a benchmark finds, as --json prints it and bench/results keeps it.

import type { Clock } from './process.ts';
import type { Kind, Params } from './work.ts';

/** One library on one piece of work. */
export interface Timing {
  /** Milliseconds of one call, in each round; of a run of parts, of all its parts. */
  readonly ms: readonly number[];
  readonly median: number;
  readonly min: number;
  /** The median over the rounds of its time divided by gemlab's: above 1 it is slower. */
  readonly ratio: number;
  /** 1e9 floating-point operations a second at the median, where they are counted. */
  readonly gflops?: number;
  /** The mean test accuracy over all tasks after the run. */
  readonly accuracy?: number;
  /** Resident memory in MB: after each part of the run, and at most. */
  readonly memory?: { readonly after: readonly number[]; readonly peak: number };
}

export interface WorkResult {
  readonly kind: Kind | 'startup';
  readonly name: string;
  readonly params: Params;
  /** By the library's name. */
  readonly timings: Readonly<Record<string, Timing>>;
}

export interface BenchResult {
  readonly date: string;
  readonly machine: Readonly<Record<string, string>>;
  /** What each library says of itself. */
  readonly libraries: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Who does not take part, and why. */
  readonly absent: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly clock: Clock;
  readonly works: readonly WorkResult[];
  /** Libraries that failed, or computed something else: their times are missing. */
  readonly errors: readonly string[];
  readonly interrupted: boolean;
}

const isObject = (x: unknown): x is Readonly<Record<string, unknown>> =>
  typeof x === 'object' && x !== null && !Array.isArray(x);
const isObjectOfObjects = (x: unknown) => isObject(x) && Object.values(x).every(isObject);

/** Whether a document has the parts of a result. What is in them is not looked at. */
export function isBenchResult(x: unknown): x is BenchResult {
  return (
    isObject(x) &&
    [x.machine, x.absent].every(isObject) &&
    isObjectOfObjects(x.libraries) &&
    [x.works, x.errors].every(Array.isArray) &&
    (x.works as unknown[]).every((work) => isObject(work) && isObjectOfObjects(work.timings))
  );
}
