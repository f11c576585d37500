// The command line, without running anything: what is understood, and what is said about what is not.

import fc from 'fast-check';
import { distance } from 'fastest-levenshtein';
import { describe, expect, it } from 'vitest';
import { type Request, readArguments } from '../src/cli/arguments.ts';
import { closest, UsageError } from '../src/cli/errors.ts';
import { help, listExamples } from '../src/cli/help.ts';
import { optionName, SETTING_NAMES } from '../src/cli/options.ts';
import { type Example, PRESET_NAMES } from '../src/examples/example.ts';
import { EXAMPLES } from '../src/examples/index.ts';
import { METHODS } from '../src/methods/index.ts';
import { widthOf } from '../src/report/text.ts';

const read = (line: string) => readArguments(line.split(' ').filter((word) => word !== ''));

function run(line: string): Extract<Request, { action: 'run' }> {
  const request = read(line);
  if (request.action !== 'run') throw new Error(`'${line}' is not understood as a run`);
  return request;
}

function complaint(line: string): string {
  try {
    read(line);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message;
  }
  throw new Error(`'${line}' was accepted`);
}

describe('what is understood', () => {
  it('runs the main example with the default preset when nothing is said', () => {
    const { example, preset, settings, json } = run('');
    expect([example.name, preset, json]).toEqual(['permuted-mnist', 'default', false]);
    expect(settings).toEqual({ seed: 0, profile: 'exact', measure: 'all', ...example.presets.default });
  });

  it.each(EXAMPLES)('has the full 20 tasks, or all there are, in preset paper of $name', ({ name, limits }) => {
    expect(run(`${name} --preset paper`).settings.tasks).toBe(Math.min(20, limits.tasks));
  });

  it('takes options before and after the name, with = and with spaces', () => {
    const { settings, json } = run(
      '--seed=7 rotated-mnist --tasks 2 --json --memory-strength 0.25 --lr .5 --profile avalanche',
    );
    expect(settings).toMatchObject({ seed: 7, tasks: 2, memoryStrength: 0.25, lr: 0.5, profile: 'avalanche' });
    expect(json).toBe(true);
  });

  it('takes what `pnpm start -- ...` hands on', () => {
    expect(run('-- --seed 3').settings.seed).toBe(3);
  });

  it('puts options in place of the preset, wherever they stand', () => {
    expect(run('--tasks 3 --preset paper').settings).toMatchObject({ tasks: 3, testSamples: 10_000 });
  });

  it('compares fine-tuning and GEM, or the methods that are named, each once and in that order', () => {
    const names = (line: string) => run(line).methods.map(({ name }) => name);
    expect(names('')).toEqual(['fine-tuning', 'gem']);
    expect(names('split-mnist --methods gem,EWC,replay,gem')).toEqual(['gem', 'ewc', 'replay']);
    expect(names('--methods=der++')).toEqual(['der++']);
    expect(names('--methods all')).toEqual(METHODS.map(({ name }) => name));
    expect(names('--methods gem,all')).toEqual(['gem', ...names('--methods all').filter((name) => name !== 'gem')]);
    expect(new Set(METHODS.map(({ name }) => name)).size).toBe(METHODS.length);
    expect(new Set(METHODS.map(({ label }) => label)).size).toBe(METHODS.length);
  });

  it('saves, resumes and branches', () => {
    expect(run('--save runs/one').save).toBe('runs/one');
    expect(run('').save).toBeNull();
    expect(read('resume runs/one --json')).toEqual({ action: 'resume', folder: 'runs/one', json: true });
    expect(read('branch runs/one --step 7 --into runs/two --memory-strength 0 --profile avalanche')).toEqual({
      action: 'branch',
      folder: 'runs/one',
      into: 'runs/two',
      step: 7,
      change: { memoryStrength: 0, profile: 'avalanche' },
      json: false,
    });
    expect(read('branch --help')).toMatchObject({ action: 'help' });
  });

  it.each([
    ['resume', 'resume needs the folder of a run: pnpm start resume FOLDER'],
    ['resume a b', "one folder at a time: 'b' is too many"],
    ['resume a --seed 1', 'resume takes no option --seed: a run goes on as it was started'],
    ['branch a --into b --lr 1', 'branch needs --step N, the first step that is to differ (from 0)'],
    ['branch a --step -1 --into b --lr 1', "--step must be a whole number from 0 to 9007199254740991, found '-1'"],
    ['branch a --step 99999999999999999999999 --into b --lr 1', "found '99999999999999999999999'"],
    ['branch a --step 1 --lr 1', 'branch needs --into FOLDER'],
    ['branch a --step 1 --into b', 'branch needs something to change: --memory-strength, --profile, --memories, --lr'],
    ['branch a --step 1 --into b --seed 2', 'branch takes no option --seed: it takes --step, --into,'],
    ['branch a --step 1 --into b --memories 0', '--memories must be a whole number from 1 to 60000'],
    ['--step 3', "--step belongs to 'branch'"],
    ['resum', "did you mean 'resume'?"],
  ])('%s: %s', (line, message) => {
    expect(complaint(line)).toContain(message);
  });

  it('lists and helps', () => {
    expect(read('list')).toEqual({ action: 'list', json: false });
    expect(read('list --json')).toEqual({ action: 'list', json: true });
    expect(read('--help')).toEqual({ action: 'help', example: null });
    expect(read('-h')).toEqual({ action: 'help', example: null });
    expect(read('split-mnist --help')).toMatchObject({ action: 'help', example: { name: 'split-mnist' } });
  });
});

describe('what is not understood', () => {
  it.each([
    ['permuted', "there is no example 'permuted'; did you mean 'permuted-mnist'?"],
    ['split-mnits', "there is no example 'split-mnits'; did you mean 'split-mnist'?"],
    ['lst', "there is no example 'lst'; did you mean 'list'?"],
    [
      'cifar',
      "there is no example 'cifar'; there are permuted-mnist, rotated-mnist, split-mnist, list, resume, branch",
    ],
    ['--sed 3', "there is no option '--sed'; did you mean '--seed'?"],
    ['--memorystrength 3', "there is no option '--memorystrength'; did you mean '--memory-strength'?"],
    ['-x', /^there is no option '-x'; there are --help, --json, --methods, --preset, --save, --step, --into, --seed, /],
    ['--methods gem,er', /^--methods has no method 'er'/],
    ['--methods replayy', "--methods has no method 'replayy'; did you mean 'replay'?"],
    ['--methods xyz', /; there are fine-tuning, joint, cumulative, .*, all$/],
    ['--methods gem,', /^--methods has no method ''; there are /],
    ['resume runs --methods gem', 'resume takes no option --methods: a run goes on as it was started'],
    ['--preset papr', "--preset has no value 'papr'; did you mean 'paper'?"],
    ['--profile gem', "--profile has no value 'gem'; there are exact, reference, avalanche"],
    ['--seed', '--seed needs a value: --seed VALUE'],
    ['--json=yes', "--json takes no value, found 'yes'"],
    ['--seed -1', "--seed must be a whole number from 0 to 9007199254740991, found '-1'"],
    ['--seed 1.5', "--seed must be a whole number from 0 to 9007199254740991, found '1.5'"],
    ['--tasks 0', "--tasks must be a whole number from 1 to 100, found '0'"],
    ['--tasks=', "--tasks must be a whole number from 1 to 100, found ''"],
    ['split-mnist --tasks 6', "--tasks must be a whole number from 1 to 5, found '6'"],
    ['--lr 0', "--lr must be a number above 0 and up to 1000000, found '0'"],
    ['--lr fast', "--lr must be a number above 0 and up to 1000000, found 'fast'"],
    ['--lr Infinity', "--lr must be a number above 0 and up to 1000000, found 'Infinity'"],
    ['--memory-strength -0.1', "--memory-strength must be a number from 0 to 1000000, found '-0.1'"],
    ['permuted-mnist rotated-mnist', "one example at a time: 'rotated-mnist' is too many"],
    ['list all', "list takes no further names, found 'all'"],
    ['list --seed 1', 'list takes no option --seed'],
  ])('%s', (line, message) => {
    if (typeof message === 'string') expect(complaint(line)).toBe(message);
    else expect(complaint(line)).toMatch(message);
  });

  it('takes no option for the value of another, and no folder without a name', () => {
    const valued = ['methods', 'preset', 'save', 'step', 'into', ...SETTING_NAMES.map(optionName)].map((n) => `--${n}`);
    const next = fc.constantFrom(...valued, '--json', '--help', '-h', '--');
    fc.assert(
      fc.property(fc.constantFrom(...valued), next, (option, word) => {
        expect(complaint(`${option} ${word}`)).toBe(`${option} needs a value: ${option} VALUE`);
      }),
    );
    for (const option of ['--save', '--into']) {
      expect(complaint(`${option}=`)).toBe(`${option} needs a value: ${option} VALUE`);
      expect(() => readArguments([option, ''])).toThrow(`${option} needs a value: ${option} VALUE`);
    }
    expect(() => readArguments(['resume', ''])).toThrow('resume needs the folder of a run');
  });

  it('answers any words with a request or with a UsageError', () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.constantFrom(
        '--seed',
        '--',
        '-',
        '--json',
        'list',
        'permuted-mnist',
        '--=',
        '--lr',
        '1e999',
        '0x10',
        '-h',
        '__proto__',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), (argv) => {
        try {
          expect(['help', 'list', 'run']).toContain(readArguments(argv).action);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('suggestions', () => {
  const names = ['permuted-mnist', 'rotated-mnist', 'split-mnist', 'list'];

  it('finds a name again after one slip', () => {
    const slips = fc
      .tuple(fc.constantFrom(...names), fc.nat(20), fc.constantFrom('', 'x', 'ab'))
      .map(([name, at, text]) => {
        const i = at % name.length;
        return { name, slip: name.slice(0, i) + text + name.slice(i + 1) };
      });
    fc.assert(
      fc.property(slips, ({ name, slip }) => {
        fc.pre(names.every((other) => other === name || distance(slip, other) > distance(slip, name)));
        expect(closest(slip, names)).toBe(name);
      }),
    );
  });

  it('suggests nothing for something else altogether', () => {
    expect(closest('resnet-on-imagenet', names)).toBeUndefined();
    expect(closest('', names)).toBeUndefined();
  });
});

describe('help', () => {
  const pages: [string, string[]][] = [
    ['the program', help(null)],
    ['list', listExamples()],
    ...EXAMPLES.map((example: Example): [string, string[]] => [example.name, help(example)]),
  ];

  it.each(pages)('%s fits 80 columns', (_, lines) => {
    for (const line of lines) expect(widthOf(line), line).toBeLessThanOrEqual(80);
  });

  it.each(EXAMPLES)('$name: every option, every preset, and commands that are understood', (example) => {
    const text = help(example).join('\n');
    for (const setting of SETTING_NAMES) expect(text).toContain(`--${optionName(setting)} `);
    for (const preset of PRESET_NAMES) expect(text).toContain(`--preset ${preset}`);
    for (const { name } of METHODS) expect(text).toMatch(new RegExp(`^  ${name.replaceAll('+', '\\+')} `, 'm'));
    const commands = help(example).filter((line) => /^ {2}pnpm .*start /.test(line));
    expect(commands.length).toBeGreaterThanOrEqual(3);
    for (const command of commands) {
      const [, words] = /start (.*?)(?: > .*)?$/.exec(command)!;
      expect(run(words!).example).toBe(example);
    }
  });
});
