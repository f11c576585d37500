// The table in the README is what `pnpm bench --show` makes of the recorded run, to the last digit.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { report } from '../src/report.ts';
import { type BenchResult, isBenchResult } from '../src/result.ts';
import { median, ratio } from '../src/statistics.ts';

const bench = fileURLToPath(new URL('..', import.meta.url));
const files = readdirSync(`${bench}results`).filter((name) => name.endsWith('.json'));
const recorded = (name: string) => JSON.parse(readFileSync(`${bench}results/${name}`, 'utf8')) as BenchResult;

test('a run is recorded, to its end and without errors', () => {
  expect(files.length).toBeGreaterThan(0);
  for (const { interrupted, errors } of files.map(recorded)) expect([interrupted, errors]).toEqual([false, []]);
});

test.each(files)('%s: the README shows it as it is', (name) => {
  const readme = readFileSync(`${bench}README.md`, 'utf8');
  expect(readme).toContain(`bench --show bench/results/${name}\n`);
  expect(readme).toContain(`\`\`\`text\n${report(recorded(name)).join('\n')}\n\`\`\`\n`);
});

test.each(files)('%s is known as a result, and what is not known as one is not shown', (name) => {
  const result = recorded(name);
  expect(isBenchResult(result)).toBe(true);
  const others = [
    null,
    0,
    'x',
    [],
    {},
    [null],
    [[]],
    [{}],
    { a: null },
    { a: [] },
    [{ timings: null }],
    [{ timings: { a: 0 } }],
  ];
  for (const key of Object.keys(result)) {
    for (const other of others) {
      const changed: unknown = { ...result, [key]: other };
      if (isBenchResult(changed)) expect(() => report(changed), `${key}: ${JSON.stringify(other)}`).not.toThrow();
    }
  }
  fc.assert(fc.property(fc.jsonValue(), (document) => !isBenchResult(document)));
});

test.each(files)('%s: its medians and ratios are those of its rounds', (name) => {
  for (const { timings } of recorded(name).works) {
    for (const timing of Object.values(timings)) {
      expect(timing.median).toBe(median(timing.ms));
      expect(timing.min).toBe(Math.min(...timing.ms));
      expect(timing.ratio).toBe(ratio(timing.ms, timings.gemlab!.ms));
    }
  }
});
