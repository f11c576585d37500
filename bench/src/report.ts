// What people read: a row for each piece of work, gemlab's time, and how many times as long everybody else took.

import { duration, listing, PAGE_WIDTH, table, wrap } from '@gemlab/examples';
import type { BenchResult, Timing, WorkResult } from './result.ts';

const GEMLAB = 'gemlab';
/** Ours, and the limit that each can reach. */
const OWN = [
  ['gemlab', 'limit'],
  ['gemlab, cpu-fma', 'limit with FMA'],
] as const;

/** The columns' headings, two lines each. */
const HEADINGS: Readonly<Record<string, readonly [string, string]>> = {
  limit: ['', 'limit'],
  'limit with FMA': ['limit', 'fma'],
  'gemlab, cpu-fma': ['cpu-', 'fma'],
  'gemlab, 2 threads': ['2', 'thr.'],
  'tfjs, cpu': ['tfjs', 'cpu'],
  'tfjs, wasm': ['tfjs', 'wasm'],
  'jax-js, wasm': ['jax-', 'js'],
  PyTorch: ['Py-', 'Torch'],
};

/** With three significant digits: 0.0123, 1.23, 12.3, 123. */
export function three(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const decimals = Math.min(4, Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 1e-4)))));
  return value.toFixed(decimals);
}

const milliseconds = (ms: number): string => {
  if (ms < 0.1) return `${three(1000 * ms)} us`;
  return ms < 1000 ? `${three(ms)} ms` : `${three(ms / 1000)} s`;
};

export function report(result: BenchResult): string[] {
  const { works } = result;
  const names = Object.keys(HEADINGS).filter((name) => works.some(({ timings }) => name in timings));
  const heading = (line: 0 | 1) => names.map((name) => HEADINGS[name]![line]);
  const rows = works.map(({ name, timings }) => [
    name,
    GEMLAB in timings ? milliseconds(timings[GEMLAB]!.median) : '-',
    ...names.map((other) => (other in timings ? three(timings[other]!.ratio) : '')),
  ]);
  const lines = table(
    [['', '', ...heading(0)], ['', GEMLAB, ...heading(1)], ...rows],
    ['left', 'right', ...names.map(() => 'right' as const)],
    1,
  );
  return [
    ...lines,
    '',
    ...wrap(
      `Under gemlab: the median ${result.clock === 'cpu' ? 'processor ' : ''}time over ${result.rounds} rounds. Beside it: how many ` +
        'times as long the others took, the median of the ratios within the rounds; below 1 they are faster. One thread each, ' +
        'where nothing else is said.',
      PAGE_WIDTH,
    ),
    ...apart(works.flatMap(remarks)),
    ...about(result),
    ...result.errors.flatMap((error) => wrap(`error: ${error}`, PAGE_WIDTH)),
    ...(result.interrupted ? ['Interrupted: what had been measured by then.'] : []),
  ];
}

/** Lines with an empty one before them, if there are any. */
const apart = (lines: readonly string[]): string[] => (lines.length === 0 ? [] : ['', ...lines]);

/** What a row has no room for. */
function remarks({ name, timings }: WorkResult): string[] {
  const listed = (say: (timing: Timing) => string | null) =>
    listing(
      Object.entries(timings).flatMap(([library, timing]) => {
        const said = say(timing);
        return said === null ? [] : [`${library} ${said}`];
      }),
    );
  const ended = listed(({ accuracy, median }) =>
    accuracy === undefined ? null : `${accuracy.toFixed(4)} after ${duration(median / 1000)}`,
  );
  const memory = listed((t) => {
    if (t.memory === undefined) return null;
    return `${t.memory.peak} MB (${Math.min(...t.memory.after)} to ${Math.max(...t.memory.after)} after a task)`;
  });
  const speeds = OWN.flatMap(([library, limit]) => {
    const [ours, most] = [timings[library], timings[limit]];
    if (ours?.gflops === undefined || most === undefined) return [];
    return [
      `${library} ${three(ours.gflops)} GFLOP/s, ${Math.round((100 * most.ratio) / ours.ratio)}% of the ${limit}`,
    ];
  });
  return [
    ...(speeds.length === 0 ? [] : [`${name}: ${speeds.join('; ')}.`]),
    ...(ended === '' ? [] : [`${name}: mean accuracy on all tasks at the end: ${ended}.`]),
    ...(memory === '' ? [] : [`${name}: memory at most: ${memory}.`]),
  ].flatMap((text) => wrap(text, PAGE_WIDTH));
}

function about({ date, machine, libraries, absent }: BenchResult): string[] {
  const facts = (of: Readonly<Record<string, string>>) =>
    Object.entries(of)
      .map(([what, value]) => `${what} ${value}`)
      .join(', ');
  const said = Object.entries(libraries).map(([name, of]) => `${name}: ${facts(of)}.`);
  const missing = Object.entries(absent).map(([name, why]) => `Without ${name}: ${why}.`);
  return apart([`On ${date}: ${facts(machine)}.`, ...said, ...missing].flatMap((text) => wrap(text, PAGE_WIDTH)));
}
