// Loggers: plugins that write what happens as text, line by line, to wherever the caller says. They go last among the plugins, so that
// the others have recorded what they did. (A saved run keeps its own records; these are for training that is not saved.) They also write what
// depends on the machine, as TimePlugin and MemoryUsePlugin measure it: a plugin takes part with a property `machineRecord` that is not null.

import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { want } from '../want.ts';
import { evalLine, linesText, type RecordLine, stepLine } from './records.ts';

export interface LoggerOptions {
  /** Takes whole lines, each with its end. */
  readonly write: (text: string) => void;
  /** Every so many steps one is written, and every measurement. Default 1. */
  readonly every?: number | undefined;
}

/** What loggers write: the line of a saved run, and by plugin what was measured of the machine, where anything was. */
export type LogLine = RecordLine & { readonly machine?: Readonly<Record<string, unknown>> };

/** One JSON document a line: a StepLine or an EvalLine, with `machine`. */
export const jsonlLogger = (options: LoggerOptions): StrategyPlugin =>
  logger('jsonl-logger', options, (line) => linesText([line]));

/** A table with one number a line, which spreadsheets and data frames turn as they like: see `csvOf`. */
export function csvLogger(options: LoggerOptions): StrategyPlugin {
  let head = CSV_HEAD;
  return logger('csv-logger', options, (line) => {
    const text = head + csvLines(line);
    head = '';
    return text;
  });
}

function logger(name: string, { write, every = 1 }: LoggerOptions, textOf: (line: LogLine) => string): StrategyPlugin {
  want(typeof write === 'function', name, 'write', write, 'a function that takes lines');
  want(Number.isInteger(every) && every >= 1, name, 'every', every, 'a positive integer');
  return {
    name,
    afterTrainingIteration(strategy) {
      if (strategy.clock.step % every === 0) write(textOf(withMachine(strategy, stepLine(strategy, strategy.clock))));
    },
    afterEval(strategy) {
      write(textOf(withMachine(strategy, evalLine(strategy))));
    },
  };
}

function withMachine({ plugins }: Strategy, line: RecordLine): LogLine {
  const measured = plugins.flatMap((plugin) => {
    const record = (plugin as { readonly machineRecord?: unknown }).machineRecord ?? null;
    return record === null ? [] : [[plugin.name, record] as const];
  });
  return measured.length === 0 ? line : { ...line, machine: Object.fromEntries(measured) };
}

const CSV_HEAD = 'kind,step,experience,epoch,iteration,task,name,value\n';

/**
 * Records as a table: of each step its loss and every number that a plugin recorded ('gem.gradientNorm'; lists are left to JSONL), of each
 * measurement accuracy and loss, task by task. Empty where there is no number.
 */
export const csvOf = (records: readonly RecordLine[]): string => CSV_HEAD + records.map(csvLines).join('');

function csvLines(line: LogLine): string {
  const machine = numbersIn('machine', line.machine);
  if (line.kind === 'step') {
    const { step, experience, epoch, iteration, loss, plugins } = line;
    const place = [line.kind, step, experience, epoch, iteration, ''];
    return [['loss', loss] as const, ...numbersIn('', plugins), ...machine]
      .map(([name, value]) => row([...place, name, value]))
      .join('');
  }
  const { kind, step, trained, results } = line;
  const measured = results.flatMap(({ experience, accuracy, loss }) =>
    Object.entries({ accuracy, loss }).map(([name, value]) =>
      row([kind, step, trained, '', '', experience, name, value]),
    ),
  );
  return [...measured, ...machine.map(([name, value]) => row([kind, step, trained, '', '', '', name, value]))].join('');
}

/** The numbers in plain data by path; lists are passed over. */
function numbersIn(path: string, value: unknown): [path: string, value: number][] {
  if (typeof value === 'number') return [[path, value]];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => numbersIn(path === '' ? key : `${path}.${key}`, item));
}

const row = (cells: readonly (string | number | null)[]): string => `${cells.map(cell).join(',')}\n`;

function cell(value: string | number | null): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '';
  return /[",\n\r]/.test(value ?? '') ? `"${value!.replaceAll('"', '""')}"` : (value ?? '');
}
