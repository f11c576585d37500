// The runs recorded in results/methods, and those of the paper's preset in results/, are what the table of all methods in the README is made
// of. Each file is the output of one `pnpm start EXAMPLE --preset paper --measure transfer --methods METHOD --seed SEED --json`.
// To make the table anew: UPDATE_README=1 pnpm test.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { AccuracyMatrix } from '@gemlab/gem';
import { describe, expect, it } from 'vitest';
import { DEFAULTS } from '../src/examples/example.ts';
import { EXAMPLES } from '../src/examples/index.ts';
import { METHODS } from '../src/methods/index.ts';
import type { MethodResult, RunResult } from '../src/run/result.ts';

const RESULTS = new URL('../results/methods/', import.meta.url);
const README = new URL('../README.md', import.meta.url);

const files = readdirSync(RESULTS).sort();
const read = (file: string) => JSON.parse(readFileSync(new URL(file, RESULTS), 'utf8')) as RunResult;
const paperRuns = readdirSync(new URL('../', RESULTS)).filter((file) => file.includes('-paper-exact-'));
const runs = [...files, ...paperRuns.map((file) => `../${file}`)].map(read);

const STREAMS = ['permuted-mnist', 'rotated-mnist'] as const;

/** ACC and BWT after one pass, of the GEM paper: table and figure 1. For permutations there is a figure only. */
const PAPER: { readonly [S in (typeof STREAMS)[number]]: Readonly<Record<string, string>> } = {
  'permuted-mnist': { gem: 'about 0.83' },
  'rotated-mnist': {
    'fine-tuning': '0.53, -0.08',
    joint: '0.83, 0',
    independent: '0.56, 0',
    multimodal: '0.76, -0.02',
    gem: '0.86, +0.05',
    ewc: '0.55, -0.19',
  },
};

/** One method's part of a run. */
interface Recorded {
  readonly seed: number;
  readonly metrics: NonNullable<MethodResult['metrics']>;
}

/** All that is recorded of a method on a stream, by seed; where a seed is recorded twice, what stands in results/methods. */
function of(stream: string, label: string): Recorded[] {
  const found = new Map<number, Recorded>();
  for (const { example, settings, methods } of runs) {
    const method = methods.find(({ name }) => example === stream && name === label);
    if (method === undefined || found.has(settings.seed)) continue;
    found.set(settings.seed, { seed: settings.seed, metrics: method.metrics! });
  }
  return [...found.values()].sort((a, b) => a.seed - b.seed);
}

const fixed = (x: number) => x.toFixed(3);
const signed = (x: number) => `${x < 0 ? '-' : '+'}${Math.abs(x).toFixed(3)}`;
function spread(values: readonly number[], text: (x: number) => string): string {
  if (values.length === 0) return '-';
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  if (values.length === 1) return text(mean);
  return `${text(mean)} (${text(Math.min(...values))} to ${text(Math.max(...values))})`;
}

function table(stream: (typeof STREAMS)[number]): string {
  const rows = METHODS.map(({ name, label }) => {
    const found = of(stream, label);
    const column = (metric: 'acc' | 'bwt' | 'learningAccuracy', text: typeof fixed) =>
      spread(
        found.map(({ metrics }) => metrics[metric]),
        text,
      );
    const cells = [
      label,
      column('acc', fixed),
      column('bwt', signed),
      column('learningAccuracy', fixed),
      found.map(({ seed }) => seed).join(', ') || 'none yet',
      PAPER[stream][name] ?? '',
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [`| ${stream} | ACC | BWT | learned | seeds | paper |`, '|---|---|---|---|---|---|', ...rows].join('\n');
}

describe('the recorded runs of all methods', () => {
  it.each(files)('%s is complete, and its metrics are those of its matrix', (file) => {
    const { example, preset, settings, interrupted, methods } = read(file);
    expect(methods).toHaveLength(1);
    const { name: label, numbers, matrix, metrics, trained } = methods[0]!;
    const method = METHODS.find((m) => m.label === label)!;
    const { seed } = settings;
    expect(file).toBe(`${example.replace('-mnist', '')}-${method.name}-${seed}.json`);
    const paper = EXAMPLES.find(({ name }) => name === example)!.presets.paper;
    expect({ preset, settings }).toEqual({
      preset: 'paper',
      settings: { ...DEFAULTS, ...paper, seed, measure: 'transfer' },
    });
    // Recorded with the numbers that the method has now.
    expect(numbers).toEqual(method.numbers(EXAMPLES.find(({ name }) => name === example)!.name, settings));
    expect([interrupted, trained]).toEqual([false, 20]);
    const again = AccuracyMatrix.fromJSON(matrix);
    expect([again.acc(), again.bwt(), again.learningAccuracy()]).toEqual([
      metrics!.acc,
      metrics!.bwt,
      metrics!.learningAccuracy,
    ]);
  });

  it('no method that learns without the task label and without old samples does as well as GEM', () => {
    for (const stream of STREAMS) {
      const acc = (label: string) => of(stream, label).map(({ metrics }) => metrics.acc);
      expect(acc('GEM').length).toBeGreaterThan(0);
      for (const label of ['fine-tuning', 'EWC', 'online EWC', 'SI', 'MAS', 'LwF']) {
        expect(Math.max(...acc(label)), `${stream} ${label}`).toBeLessThan(Math.min(...acc('GEM')));
      }
    }
  });

  // How far from the GEM paper's own numbers a mean over seeds may lie: rotations are sensitive to the seed.
  it.each([
    ['fine-tuning', 0.53],
    ['joint', 0.83],
    ['independent', 0.56],
    ['GEM', 0.86],
  ])("rotations: %s has about the paper's ACC, %d", (label, expected) => {
    const acc = of('rotated-mnist', label).map(({ metrics }) => metrics.acc);
    expect(Math.abs(acc.reduce((a, b) => a + b, 0) / acc.length - expected)).toBeLessThan(0.05);
  });

  it("the README's table is theirs", () => {
    const text = readFileSync(README, 'utf8');
    const place = /(?<=<!-- methods -->\n).*(?=<!-- end of methods -->)/s;
    expect(text).toMatch(place);
    const fresh = text.replace(place, () => `${STREAMS.map(table).join('\n\n')}\n`);
    if (process.env.UPDATE_README) writeFileSync(README, fresh);
    else expect(text).toBe(fresh);
  });
});
