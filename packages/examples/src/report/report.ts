// The report of a run, from its result alone: what was measured, as tables, pictures and sentences. The summary comes last, where
// the eye is when the run ends.

import { explainStep } from '@gemlab/gem';
import type { ChalkInstance } from 'chalk';
import type { Divergence, MethodResult, RunResult } from '../run/result.ts';
import { accuracyChart } from './chart.ts';
import { heatMap, heatMapFits, heatMapLegend, matrixTable } from './matrix.ts';
import { counted, duration, listing } from './numbers.ts';
import { type MethodSummary, metricsExplained, summaryTable, verdict } from './summary.ts';
import { inPairs, wrap } from './text.ts';

export interface Page {
  readonly width: number;
  readonly paint: ChalkInstance;
}

/** A section: its lines under a heading; nothing at all without lines. */
function section(title: string, lines: readonly string[], { paint }: Page): string[] {
  return lines.length === 0 ? [] : ['', paint.bold(title), paint.dim('─'.repeat(title.length)), ...lines];
}

export function report(result: RunResult, page: Page): string[] {
  return [
    ...section(
      'Test accuracy in %: on each task (columns) after learning each task (rows)',
      tables(result, page),
      page,
    ),
    ...section('The same at a glance', heatMaps(result, page), page),
    ...section('Accuracy on task 1, from its own training (left) to the last task (right)', charts(result, page), page),
    ...section('One step of GEM, explained', explained(result.step, page), page),
    ...section('Summary', summary(result, page), page),
  ];
}

/** Tables in an explanation have no narrower form than their numbers take. */
const explained = (step: RunResult['step'], { width }: Page): string[] =>
  step === null ? [] : explainStep(step, { width }).split('\n');

const measured = ({ methods }: RunResult) => methods.filter(({ matrix }) => matrix.baseline[0] !== null);

function tables(result: RunResult, { width, paint }: Page): string[] {
  return measured(result)
    .flatMap(({ name, matrix }) => ['', paint.bold(name), ...matrixTable(matrix, width, paint)])
    .slice(1);
}

/** Two in a row take half the page each. */
const halfOf = (width: number) => Math.floor((width - 4) / 2);

function heatMaps(result: RunResult, { width, paint }: Page): string[] {
  const room = heatMapFits(result.tasks.length, halfOf(width)) ? halfOf(width) : width;
  const maps = measured(result).map(({ name, matrix }) => [paint.bold(name), ...heatMap(matrix, room, paint)]);
  return maps.length === 0 ? [] : [...inPairs(maps, width), '', heatMapLegend(paint)];
}

function charts(result: RunResult, { width }: Page): string[] {
  const drawn = result.methods.flatMap(({ name, matrix, trained }) => {
    const accuracies = matrix.accuracies.slice(0, trained).flatMap((row) => row[0] ?? []);
    return trained >= 2 && accuracies.length === trained ? [accuracyChart(name, accuracies, halfOf(width))] : [];
  });
  return inPairs(drawn, width);
}

function summary(result: RunResult, { width }: Page): string[] {
  const finished = result.methods.flatMap((m): (MethodSummary & MethodResult)[] =>
    m.metrics === null ? [] : [{ ...m, metrics: m.metrics }],
  );
  const remarks = [
    ...(result.interrupted ? [interruption(result, finished.length > 0)] : []),
    ...(result.diverged ?? []).map(divergence),
  ].flatMap((remark) => [...wrap(remark, width), '']);
  if (finished.length === 0) return remarks.slice(0, -1);
  const gem = finished.find(({ projectedSteps }) => projectedSteps !== null);
  const other = finished.find((m) => m !== gem);
  const comparable = gem !== undefined && other !== undefined && gem.trained === other.trained;
  // What has been trained on as many tasks stands in one table.
  const counts = [...new Set(finished.map(({ trained }) => trained))];
  const projected = gem && `GEM changed the gradient in ${gem.projectedSteps} of its ${counted(gem.steps, 'step')}.`;
  const found = [
    ...(comparable ? wrap(verdict(gem, other, gem.trained), width) : []),
    ...(projected === undefined ? [] : [projected]),
  ];
  return [
    ...remarks,
    ...(found.length === 0 ? [] : [...found, '']),
    ...metricsExplained(width),
    '',
    ...counts.flatMap((count) => ['', ...summaryTable(finished.filter(({ trained }) => trained === count))]).slice(1),
    '',
    `All together ${duration(result.seconds)}.`,
  ];
}

function interruption({ methods, tasks }: RunResult, hasNumbers: boolean): string {
  const reached = methods.map(({ name, trained }) => `${name} after ${trained} of ${counted(tasks.length, 'task')}`);
  return reached.length === 0
    ? 'Stopped before anything was measured.'
    : `Stopped early: ${listing(reached)}.${hasNumbers ? ' The numbers below are of the tasks finished.' : ''}`;
}

const divergence = ({ name, numbers, steps }: Divergence): string =>
  `${name} diverged: after ${counted(steps, 'step')} with learning rate ${numbers.lr} its gradient was no longer finite, so it has no numbers here.`;
