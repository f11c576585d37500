// The accuracy matrix R: row i holds the test accuracy on every task after training on tasks 1..i. Reading down a column shows how
// one task fares over time: it jumps at the diagonal, and forgetting is what it loses below. As a table of numbers and
// as a heat map.

import type { AccuracyMatrixJSON } from '@gemlab/gem';
import type { ChalkInstance } from 'chalk';
import { inkOn, viridis } from './colour.ts';
import { fixed, percent } from './numbers.ts';
import { padEnd, padStart } from './text.ts';

/** 'task 100' and no more. */
const LABEL_WIDTH = 8;

interface Row {
  readonly label: string;
  /** Tasks trained on. */
  readonly trained: number;
  readonly values: readonly (number | null)[];
}

/** The rows in which anything was measured: an interrupted run has fewer than tasks. */
function measuredRows({ baseline, accuracies }: AccuracyMatrixJSON): Row[] {
  const after = accuracies.map((values, i) => ({ label: `task ${i + 1}`, trained: i + 1, values }));
  const rows = [{ label: 'start', trained: 0, values: baseline }, ...after];
  return rows.filter(({ values }) => values.some((value) => value !== null));
}

/** Lines of cells under column heads; columns that do not fit the page go into a further block below. */
function grid(
  data: AccuracyMatrixJSON,
  width: number,
  cellWidth: number,
  cell: (value: number, seen: boolean) => string,
): string[] {
  const perBlock = Math.max(1, Math.floor((width - LABEL_WIDTH) / cellWidth));
  const lines: string[] = [];
  for (let first = 0; first < data.tasks; first += perBlock) {
    const columns = Array.from({ length: Math.min(perBlock, data.tasks - first) }, (_, i) => first + i);
    if (first > 0) lines.push('');
    lines.push(padEnd('after', LABEL_WIDTH) + columns.map((k) => padStart(String(k + 1), cellWidth)).join(''));
    for (const { label, trained, values } of measuredRows(data)) {
      const cells = columns.map((k) => cell(values[k] ?? Number.NaN, k < trained));
      lines.push(padEnd(label, LABEL_WIDTH) + cells.join(''));
    }
  }
  return lines;
}

/**
 * Percentages, with one decimal where that fits the page. Where it does not, whole numbers of two digits: 99 then also stands for 100.
 * Accuracies on tasks not trained on yet are dim.
 */
export function matrixTable(data: AccuracyMatrixJSON, width: number, paint: ChalkInstance): string[] {
  const roomy = LABEL_WIDTH + 6 * data.tasks <= width;
  const cellWidth = roomy ? 6 : 3;
  const text = (value: number) => (roomy ? percent(value, 1) : fixed(Math.min(99, Math.round(100 * value)), 0));
  return grid(data, width, cellWidth, (value, seen) => {
    const padded = padStart(text(value), cellWidth);
    return seen ? padded : paint.dim(padded);
  });
}

const SHADES = [' ', '░', '▒', '▓', '█'];

/** The darkest shade is the highest accuracy. */
export function shade(value: number): string {
  return Number.isNaN(value) ? '·' : SHADES[Math.min(4, Math.max(0, Math.floor(5 * value)))]!;
}

/** Coloured cells with their percentage on them; shading characters where there are fewer than 256 colours. */
export function heatMap(data: AccuracyMatrixJSON, width: number, paint: ChalkInstance): string[] {
  const cellWidth = Math.min(6, Math.max(3, Math.floor((width - LABEL_WIDTH) / data.tasks)));
  return grid(data, width, cellWidth, (value) => {
    if (paint.level < 2) return shade(value).repeat(cellWidth);
    if (Number.isNaN(value)) return padStart('·', cellWidth);
    const background = viridis(value);
    return paint.bgRgb(...background).rgb(...inkOn(background))(
      padStart(percent(value), cellWidth - 1).padEnd(cellWidth),
    );
  });
}

/** Whether a heat map of so many tasks has room for its numbers, or three shades a cell, without being cut into blocks. */
export function heatMapFits(tasks: number, width: number): boolean {
  return LABEL_WIDTH + 3 * tasks <= width;
}

/** What the colours or shades of a heat map mean. */
export function heatMapLegend(paint: ChalkInstance): string {
  const steps = [0, 0.25, 0.5, 0.75, 1];
  if (paint.level < 2)
    return `accuracy: ${SHADES.map((s, i) => `[${s.repeat(2)}] ${20 * i}-${20 * (i + 1)}%`).join('  ')}`;
  const swatch = (value: number) => {
    const background = viridis(value);
    return paint.bgRgb(...background).rgb(...inkOn(background))(` ${percent(value).padStart(3)} `);
  };
  return `accuracy in %: ${steps.map(swatch).join('')}`;
}
