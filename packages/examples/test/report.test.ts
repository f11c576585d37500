// The reports: what they show of known results, letter by letter, and that whatever the result, nothing is wider than the page.

import { stripVTControlCharacters } from 'node:util';
import type { AccuracyMatrixJSON, StepRecord } from '@gemlab/gem';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BranchResult, branchReport } from '../src/report/branch.ts';
import { accuracyChart, resample } from '../src/report/chart.ts';
import { painter } from '../src/report/colour.ts';
import { heatMap, heatMapLegend, matrixTable, shade } from '../src/report/matrix.ts';
import { report } from '../src/report/report.ts';
import { summaryTable, verdict } from '../src/report/summary.ts';
import { blockWidth, widthOf } from '../src/report/text.ts';
import { metricsSoFar, type RunResult } from '../src/run/result.ts';

const plain = painter(0);

const small: AccuracyMatrixJSON = {
  tasks: 3,
  baseline: [0.1, 0.085, 0.12],
  accuracies: [
    [0.9, 0.1, 0.2],
    [0.65, 0.9996, 0.3],
    [null, null, null],
  ],
};

describe('the accuracy matrix', () => {
  it('is a table of percentages, without the rows that were not reached', () => {
    expect(matrixTable(small, 80, plain)).toEqual([
      'after        1     2     3',
      'start     10.0   8.5  12.0',
      'task 1    90.0  10.0  20.0',
      'task 2    65.0 100.0  30.0',
    ]);
  });

  it('takes two digits for each task where the page is narrow', () => {
    expect(matrixTable(small, 17, plain)).toEqual([
      'after     1  2  3',
      'start    10  9 12',
      'task 1   90 10 20',
      'task 2   65 99 30',
    ]);
  });

  it('goes on below where even that is too wide', () => {
    expect(matrixTable(small, 14, plain)).toEqual([
      ...['after     1  2', 'start    10  9', 'task 1   90 10', 'task 2   65 99', ''],
      ...['after     3', 'start    12', 'task 1   20', 'task 2   30'],
    ]);
  });

  it('is shaded where there is no colour', () => {
    expect(heatMap(small, 17, plain)).toEqual([
      'after     1  2  3',
      'start            ',
      'task 1  ███   ░░░',
      'task 2  ▓▓▓███░░░',
    ]);
    expect([0, 0.2, 0.4, 0.6, 0.8, 1, Number.NaN].map(shade).join('')).toBe(' ░▒▓██·');
    expect(heatMapLegend(plain)).toBe('accuracy: [  ] 0-20%  [░░] 20-40%  [▒▒] 40-60%  [▓▓] 60-80%  [██] 80-100%');
  });

  it('carries its numbers where there is', () => {
    const one: AccuracyMatrixJSON = { tasks: 1, baseline: [null], accuracies: [[0.9]] };
    expect(heatMap(one, 80, painter(3))).toEqual([
      'after        1',
      'task 1  \u001b[48;2;187;222;47m\u001b[38;2;0;0;0m   90 \u001b[39m\u001b[49m',
    ]);
    expect(stripVTControlCharacters(heatMap(small, 17, painter(2)).join('\n'))).toBe(
      ['after     1  2  3', 'start   10  9 12 ', 'task 1  90 10 20 ', 'task 2  65 10030 '].join('\n'),
    );
  });
});

describe('the chart', () => {
  it('stretches the values over the page', () => {
    expect(resample([0, 1], 5)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(resample([0.5], 3)).toEqual([0.5, 0.5, 0.5]);
    expect(resample([0, 1, 0], 3)).toEqual([0, 1, 0]);
  });

  it('draws accuracy over training', () => {
    expect(accuracyChart('GEM', [1, 0.5], 14, 4).map((line) => line.trimEnd())).toEqual([
      'GEM',
      '100% ┼─╮',
      ' 75% ┤ ╰───╮',
      ' 50% ┤     ╰─',
      ' 25% ┤',
      '  0% ┤',
    ]);
  });
});

describe('the summary', () => {
  const metrics = { acc: 0.6, bwt: -0.25, fwt: 0.01, forgetting: 0.26, learningAccuracy: 0.8 };
  const plainTuning = { name: 'fine-tuning', metrics, seconds: 3.25 };
  const gem = { name: 'GEM', metrics: { ...metrics, acc: 0.825, bwt: -0.0004 }, seconds: 63 };

  it('stands the methods under one another', () => {
    expect(summaryTable([plainTuning, gem])).toEqual([
      '                ACC     BWT     FWT  forgetting  learned        time',
      'fine-tuning   0.600  -0.250  +0.010       0.260    0.800       3.3 s',
      'GEM           0.825  +0.000  +0.010       0.260    0.800  1 min 03 s',
      'difference   +0.225  +0.250  +0.000      +0.000   +0.000',
    ]);
  });

  it('says it in a sentence', () => {
    expect(verdict(gem, plainTuning, 5)).toBe(
      'After 5 tasks GEM classifies 82.5% of all test images right and fine-tuning 60.0%: +22.5 points. Since it was ' +
        'learned, the accuracy on an earlier task has changed by +0.0 points with GEM and by -25.0 points with fine-tuning, on average.',
    );
  });

  it('knows of no earlier task where there is one', () => {
    expect(verdict(gem, plainTuning, 1)).toMatch(/: \+22\.5 points\.$/);
    const one = metricsSoFar(small, 1)!;
    expect(one).toEqual({ acc: 0.9, bwt: Number.NaN, fwt: Number.NaN, forgetting: null, learningAccuracy: 0.9 });
    expect(summaryTable([{ name: 'GEM', metrics: one, seconds: 1 }])[1]).toBe(
      'GEM  0.900    -    -           -    0.900  1.0 s',
    );
  });

  it('counts only the tasks that an interrupted run has finished', () => {
    expect(metricsSoFar(small, 0)).toBeNull();
    expect(metricsSoFar(small, 2)).toEqual({
      acc: (0.65 + 0.9996) / 2,
      bwt: 0.65 - 0.9,
      fwt: 0.1 - 0.085,
      forgetting: 0.9 - 0.65,
      learningAccuracy: (0.9 + 0.9996) / 2,
    });
  });
});

describe('the whole report', () => {
  const accuracy = fc.double({ min: 0, max: 1, noNaN: true });

  /** A run of 1 to 60 tasks, of which some may not have been reached. */
  const results = fc
    .tuple(fc.integer({ min: 1, max: 60 }), fc.nat(60), fc.boolean(), fc.infiniteStream(accuracy))
    .map(([tasks, reached, begun, numbers]): RunResult => {
      const draw = () => numbers.next().value!;
      const row = (measured: boolean) => Array.from({ length: tasks }, () => (measured ? draw() : null));
      const method = (name: string, trained: number, projectedSteps: number | null) => {
        const matrix = {
          tasks,
          baseline: row(begun),
          accuracies: Array.from({ length: tasks }, (_, i) => row(i < trained)),
        };
        return {
          name,
          seconds: 1e4 * draw(),
          steps: 10,
          projectedSteps,
          trained,
          metrics: metricsSoFar(matrix, trained),
          matrix,
        };
      };
      const trained = begun ? Math.min(tasks, reached) : 0;
      return {
        example: 'permuted-mnist',
        preset: 'default',
        settings: {} as RunResult['settings'],
        tasks: Array.from({ length: tasks }, (_, i) => `permutation ${i}`),
        interrupted: trained < tasks,
        methods: [method('fine-tuning', begun ? tasks : 0, null), method('GEM', trained, 1_234_567)],
        step: null satisfies StepRecord | null,
        seconds: 1e5 * draw(),
        versions: {},
      };
    });

  it('fits 80 columns', () => {
    fc.assert(
      fc.property(results, fc.constantFrom(0, 1, 2, 3), (result, level) => {
        for (const line of report(result, { width: 80, paint: painter(level as 0 | 1 | 2 | 3) })) {
          expect(widthOf(line), line).toBeLessThanOrEqual(80);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('has twenty tasks in one block', () => {
    const matrix: AccuracyMatrixJSON = {
      tasks: 20,
      baseline: Array(20).fill(0.1),
      accuracies: Array(20).fill(Array(20).fill(0.87)),
    };
    for (const lines of [matrixTable(matrix, 80, plain), heatMap(matrix, 80, plain)]) {
      expect(lines).toHaveLength(22);
      expect(blockWidth(lines)).toBe(68);
    }
  });

  const nothing: RunResult = {
    example: 'permuted-mnist',
    preset: 'default',
    settings: {} as RunResult['settings'],
    tasks: [],
    interrupted: true,
    methods: [],
    step: null,
    seconds: 1,
    versions: {},
  };

  it('promises numbers only where there are some', () => {
    fc.assert(
      fc.property(results, (result) => {
        const text = report(result, { width: 80, paint: plain }).join(' ');
        const hasNumbers = result.methods.some(({ metrics }) => metrics !== null);
        expect(text.includes('The numbers below are')).toBe(result.interrupted && hasNumbers);
        expect(text.includes('BWT ')).toBe(hasNumbers);
      }),
    );
  });

  it('says who diverged, also where nobody else was trained', () => {
    const gone = { name: 'GEM', numbers: { lr: 10 }, steps: 1, reason: 'g[0] is NaN' };
    expect(report({ ...nothing, interrupted: false, diverged: [gone] }, { width: 80, paint: plain })).toEqual([
      '',
      'Summary',
      '───────',
      'GEM diverged: after 1 step with learning rate 10 its gradient was no longer',
      'finite, so it has no numbers here.',
    ]);
  });

  it('is empty but for a word when nothing was measured', () => {
    expect(report(nothing, { width: 80, paint: plain })).toEqual([
      '',
      'Summary',
      '───────',
      'Stopped before anything was measured.',
    ]);
  });
});

describe('the report of a branch', () => {
  const metrics = { acc: 0.5, bwt: 0, fwt: 0, forgetting: 0, learningAccuracy: 0.5 };
  const summary = { config: {}, finished: true, steps: 5, trained: 1, accuracies: [0.5], metrics };
  const branch = (fields: string[], accuracies = [0.5, 0.5]): BranchResult => {
    const side = { ...summary, accuracies };
    const difference = { kind: 'step' as const, step: 1, fields };
    const comparison = { first: side, second: side, difference, lossDiffersFrom: null };
    const told = {
      example: 'split-mnist',
      learner: 'GEM',
      step: 1,
      change: { lr: 1 },
      folder: 'b',
      interrupted: false,
    };
    return { ...told, comparison, seconds: 1, versions: {} };
  };
  const text = (result: BranchResult) => branchReport(result, 400, plain).join('\n');

  it('names each field that differs once', () => {
    expect(text(branch(['loss', 'plugins.gem.loss', 'plugins.gem.memoryLosses.0']))).toContain(
      'in loss and memoryLosses.0.',
    );
  });

  it('knows of no earlier task where there is one', () => {
    expect(text(branch(['loss']))).toMatch(/^BWT +\+0\.000 +\+0\.000 +\+0\.000$/m);
    for (const name of ['BWT', 'FWT', 'forgetting']) {
      expect(text(branch(['loss'], [0.5]))).toMatch(new RegExp(`^${name} +- +- +-$`, 'm'));
    }
  });
});
