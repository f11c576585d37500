// The command line of `pnpm bench`, and its --help.

import { parseArgs } from 'node:util';
import { definition, PAGE_WIDTH, wrap } from '@gemlab/examples';
import type { Clock } from './process.ts';
import { KINDS } from './work.ts';

export const GROUPS = [...KINDS, 'startup'] as const;
export type Group = (typeof GROUPS)[number];

export interface Options {
  readonly only: readonly Group[];
  readonly rounds: number;
  readonly clock: Clock;
  readonly tasks: number;
  readonly scale: number;
  readonly alone: boolean;
  readonly json: boolean;
  readonly show: string | null;
}

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @returns null where --help is asked for. @throws UsageError */
export function readOptions(argv: readonly string[]): Options | null {
  const { values } = parse(argv);
  if (values.help) return null;
  const only = values.only?.split(',').map((name) => name.trim()) ?? GROUPS;
  const unknown = only.find((name) => !(GROUPS as readonly string[]).includes(name));
  if (unknown !== undefined) throw new UsageError(`--only has no '${unknown}'; there are ${GROUPS.join(', ')}`);
  return {
    only: only as readonly Group[],
    rounds: readNumber('rounds', values.rounds, 1, 1000, true),
    clock: readClock(values.clock),
    tasks: readNumber('tasks', values.tasks, 1, 100, true),
    scale: readNumber('scale', values.scale, 0.001, 1, false),
    alone: values.alone,
    json: values.json,
    show: values.show ?? null,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        only: { type: 'string' },
        rounds: { type: 'string', default: '15' },
        clock: { type: 'string', default: 'wall' },
        tasks: { type: 'string', default: '20' },
        scale: { type: 'string', default: '1' },
        alone: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        show: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function readClock(name: string): Clock {
  if (name === 'wall' || name === 'cpu') return name;
  throw new UsageError(`--clock must be wall or cpu, found '${name}'`);
}

function readNumber(name: string, text: string, low: number, high: number, whole: boolean): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= low && value <= high && (!whole || Number.isInteger(value))) return value;
  throw new UsageError(`--${name} must be a ${whole ? 'whole ' : ''}number from ${low} to ${high}, found '${text}'`);
}

const WHAT: Readonly<Record<Group, string>> = {
  gemm: 'the products of the paper, float32',
  add: 'a + b on 1e6 elements',
  sgd: 'an optimizer step on 1e6 parameters',
  sum: 'the sum of 1e6 elements',
  'cross-entropy': 'softmax cross-entropy and its gradient',
  gram: "GG' of 20 gradients, float64 where there is one",
  step: "a training step of the paper's network, batch 10",
  memory: 'the gradients of the loss on 19 memories of 256',
  gem: "the paper's whole run on permuted MNIST, against PyTorch",
  startup: 'from nothing to the first training step',
};

export function help(): string[] {
  const entry = (name: string, meaning: string) => definition(`  ${name}`, meaning, 20);
  return [
    ...wrap(
      'Times gemlab and others on the same work: tfjs (cpu and wasm) and jax-js from npm, PyTorch where a python3 has it, and what the ' +
        'machine could do at most. Everybody computes the same, which is checked first, and is measured in turn, round after round. ' +
        'The first time, tfjs and jax-js are installed into bench/node_modules.',
      PAGE_WIDTH,
    ),
    '',
    'Usage',
    '  pnpm bench [options]',
    '',
    'Options',
    ...entry('--only NAMES', 'these pieces of work alone, with commas between them'),
    ...entry('--rounds N', 'how often everybody is measured (default 15)'),
    ...entry('--clock wall|cpu', 'the time that passed (default), or that each process ran: for a busy machine'),
    ...entry('--tasks N', 'tasks of the GEM run (default 20)'),
    ...entry('--alone', 'gemlab and the limits of the machine, nobody else; installs nothing'),
    ...entry('--scale X', 'X times the sizes, up to 1: to see that it works'),
    ...entry('--json', 'one JSON document on stdout, and nothing else'),
    ...entry('--show FILE', 'prints what --json once wrote, and measures nothing'),
    ...entry('--help', 'this text'),
    '',
    'Pieces of work',
    ...GROUPS.flatMap((group) => entry(group, WHAT[group])),
    '',
    'Examples',
    '  pnpm bench --only gemm,step',
    '  pnpm bench --only gem --tasks 5',
    '  pnpm bench --json > result.json',
    '',
    ...wrap(
      'Ctrl-C stops after the measurement under way and shows what there is; a second Ctrl-C ends at once.',
      PAGE_WIDTH,
    ),
  ];
}
