// What `--help` and `list` print.

import { DEFAULTS, type Example, PRESET_NAMES, type Settings } from '../examples/example.ts';
import { EXAMPLES } from '../examples/index.ts';
import { DEFAULT_METHODS, METHODS } from '../methods/index.ts';
import { roughDuration } from '../report/numbers.ts';
import { definition, PAGE_WIDTH, table, wrap } from '../report/text.ts';
import { estimatedSeconds } from '../run/watch.ts';
import { BRANCH_SETTINGS } from './arguments.ts';
import { maxOf, type Option, optionName, SETTING_NAMES, SETTING_OPTIONS } from './options.ts';

const NAME_WIDTH = 26;

const entry = (name: string, meaning: string) => definition(`  ${name}`, meaning, NAME_WIDTH);

export function listExamples(): string[] {
  return [
    ...table(
      EXAMPLES.map(({ name, summary }) => [name, summary]),
      ['left', 'left'],
    ),
  ];
}

function range(option: Option, limits: Example['limits']): string {
  if (option.kind === 'choice') return option.choices.join(', ');
  return option.above || option.max === Number.MAX_SAFE_INTEGER || maxOf(option, limits) >= 1e4
    ? ''
    : `${option.min} to ${maxOf(option, limits)}`;
}

function settingEntries({ presets, limits }: Example): string[] {
  const defaults: Settings = { ...DEFAULTS, ...presets.default };
  return SETTING_NAMES.flatMap((setting) => {
    const option = SETTING_OPTIONS[setting];
    const allowed = range(option, limits);
    const notes = [...(allowed === '' ? [] : [allowed]), `default ${defaults[setting]}`];
    const value = option.kind === 'choice' ? 'NAME' : option.kind === 'integer' ? 'N' : 'X';
    return entry(`--${optionName(setting)} ${value}`, `${option.help} (${notes.join('; ')})`);
  });
}

function presetEntries({ presets }: Example): string[] {
  return PRESET_NAMES.flatMap((name) => {
    const preset = presets[name];
    const seconds = estimatedSeconds({ ...DEFAULTS, ...preset }, DEFAULT_METHODS);
    return entry(
      `--preset ${name}`,
      `${preset.tasks} tasks of ${preset.samples} samples, ${preset.memories} memories: ${roughDuration(seconds)} on 2 cores`,
    );
  });
}

const METHODS_ENTRY = entry(
  '--methods NAME,NAME,...',
  `what is compared, or 'all' (default ${DEFAULT_METHODS.map(({ name }) => name).join(',')})`,
);

/** Each with the numbers that it has on the example, save those that are options. */
function methodEntries({ name: example, presets }: Example): string[] {
  const settings: Settings = { ...DEFAULTS, ...presets.default };
  return METHODS.flatMap(({ name, summary, numbers }) => {
    const own = Object.entries(numbers(example, settings)).map(([key, value]) => `${key} ${value}`);
    return entry(name, `${summary}; ${own.join(', ')}`);
  });
}

const OUTPUT_ENTRIES = [
  ...entry('--save DIR', 'saves the run as it goes, so that it can be resumed and branched'),
  ...entry('--json', 'one JSON document on stdout (settings, matrices, metrics, one step, timings) and nothing else'),
  ...entry('--help', 'this text'),
];

export function help(example: Example | null): string[] {
  const main = EXAMPLES[0]!;
  if (example === null) {
    return [
      'GEM (Gradient Episodic Memory) on real data, beside plain fine-tuning and other',
      'methods of continual learning.',
      '',
      'Usage',
      ...entry('pnpm start', `run ${main.name}`),
      ...entry('pnpm start list', 'list the examples'),
      ...entry('pnpm start NAME', 'run an example'),
      ...entry('pnpm start NAME --help', 'what it shows, and all its options'),
      ...entry('pnpm start resume DIR', 'go on with a saved run that was stopped: it ends as if it never had been'),
      ...entry(
        'pnpm start branch DIR',
        "replay GEM's saved run up to step K, go on from there with other settings, and compare: --step K --into NEWDIR and " +
          `some of ${BRANCH_SETTINGS.map((setting) => `--${optionName(setting)}`).join(', ')}`,
      ),
      '',
      'Examples',
      ...EXAMPLES.flatMap(({ name, summary }) => entry(name, summary)),
      '',
      'Options of all examples',
      ...METHODS_ENTRY,
      ...entry('--preset NAME', `${PRESET_NAMES.join(', ')} (see NAME --help)`),
      ...entry('--seed N', 'same seed, same numbers'),
      ...OUTPUT_ENTRIES,
      '',
      'Methods',
      ...METHODS.flatMap(({ name, summary }) => entry(name, summary)),
      '',
      'A saved run',
      `  pnpm start ${main.name} --save runs/one`,
      '  pnpm start resume runs/one',
      '  pnpm start branch runs/one --step 150 --into runs/two --memory-strength 0',
      '',
      ...wrap(
        'Ctrl-C stops after the current step and shows what has been measured; a second Ctrl-C ends at once.',
        PAGE_WIDTH,
      ),
    ];
  }
  const { name, about } = example;
  return [
    `pnpm start ${name} [options]`,
    '',
    ...about.flatMap((paragraph) => [...wrap(paragraph, PAGE_WIDTH), '']),
    'Presets',
    ...presetEntries(example),
    '',
    'Options',
    ...METHODS_ENTRY,
    ...settingEntries(example),
    ...OUTPUT_ENTRIES,
    '',
    'Methods, with their numbers on this stream (lr: the learning rate)',
    ...methodEntries(example),
    '',
    'Examples',
    `  pnpm start ${name} --seed 1`,
    `  pnpm start ${name} --methods gem,ewc,replay`,
    `  pnpm start ${name} --preset paper --profile avalanche`,
    `  pnpm start ${name} --preset quick --memory-strength 0 --finetune-lr 0.1`,
    `  pnpm start ${name} --json > result.json`,
  ];
}
