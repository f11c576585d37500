// The table in the README is what `pnpm bench --show` makes of the recorded run, to the last digit.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { report } from '../src/report.ts';
import type { BenchResult } from '../src/result.ts';
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

test.each(files)('%s: its medians and ratios are those of its rounds', (name) => {
  for (const { timings } of recorded(name).works) {
    for (const timing of Object.values(timings)) {
      expect(timing.median).toBe(median(timing.ms));
      expect(timing.min).toBe(Math.min(...timing.ms));
      expect(timing.ratio).toBe(ratio(timing.ms, timings.gemlab!.ms));
    }
  }
});
