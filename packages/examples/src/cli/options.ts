// The options of all examples in one table: names, ranges, help. Parsing, checking and --help all read it.

import { profiles } from '@gemlab/gem';
import { DEFAULTS, type Example, PRESET_NAMES, type PresetName, type Settings } from '../examples/example.ts';
import { suggestion, UsageError } from './errors.ts';

interface NumberOption {
  readonly kind: 'integer' | 'number';
  readonly min: number;
  /** A function where the example's data decide. */
  readonly max: number | ((limits: Example['limits']) => number);
  /** Excludes the least value itself. */
  readonly above?: true;
  readonly help: string;
}

interface ChoiceOption {
  readonly kind: 'choice';
  readonly choices: readonly string[];
  readonly help: string;
}

export type Option = NumberOption | ChoiceOption;

/** Each setting with its option; `seed` becomes --seed, `memoryStrength` --memory-strength. */
export const SETTING_OPTIONS: { readonly [S in keyof Settings]-?: Option } = {
  seed: {
    kind: 'integer',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    help: 'of everything random: same seed, same numbers',
  },
  profile: { kind: 'choice', choices: Object.keys(profiles), help: 'which published details GEM follows' },
  tasks: { kind: 'integer', min: 1, max: (limits) => limits.tasks, help: 'tasks in the stream' },
  samples: { kind: 'integer', min: 1, max: (limits) => limits.samples, help: 'training samples of each task' },
  testSamples: {
    kind: 'integer',
    min: 1,
    max: (limits) => limits.testSamples,
    help: 'test images, the same for each task',
  },
  memories: { kind: 'integer', min: 1, max: 60_000, help: 'samples of each task in a memory' },
  memoryStrength: { kind: 'number', min: 0, max: 1e6, help: "gamma: turns steps toward the memories' own gradients" },
  lr: { kind: 'number', min: 0, above: true, max: 1e6, help: 'learning rate with GEM, A-GEM and S-GEM' },
  finetuneLr: { kind: 'number', min: 0, above: true, max: 1e6, help: 'learning rate of plain fine-tuning' },
  batchSize: { kind: 'integer', min: 1, max: 60_000, help: 'samples in each training step' },
  epochs: { kind: 'integer', min: 1, max: 10_000, help: 'passes over each task' },
  measure: {
    kind: 'choice',
    choices: ['all', 'transfer'],
    help: 'test on all tasks after each, or only where ACC, BWT and FWT need it, in less time',
  },
};

/** Where a branch begins. */
export const STEP_OPTION: Option = {
  kind: 'integer',
  min: 0,
  max: Number.MAX_SAFE_INTEGER,
  help: 'the first step that is to differ',
};

export const SETTING_NAMES = Object.keys(SETTING_OPTIONS) as readonly (keyof Settings)[];

/** memoryStrength -> memory-strength */
export function optionName(setting: string): string {
  return setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function maxOf(option: NumberOption, limits: Example['limits']): number {
  return typeof option.max === 'function' ? option.max(limits) : option.max;
}

const NO_LIMITS: Example['limits'] = { tasks: 0, samples: 0, testSamples: 0 };

/** The text of an option as a value; the example's limits go unasked where its range does not depend on them. @throws UsageError */
export function readValue(name: string, text: string, option: Option, limits = NO_LIMITS): string | number {
  if (option.kind === 'choice') return readChoice(name, text, option.choices);
  const max = maxOf(option, limits);
  const value = text.trim() === '' ? Number.NaN : Number(text);
  const whole = option.kind === 'number' || Number.isInteger(value);
  if (
    Number.isFinite(value) &&
    whole &&
    value >= option.min &&
    !(option.above && value === option.min) &&
    value <= max
  ) {
    return value;
  }
  const noun = option.kind === 'integer' ? 'a whole number' : 'a number';
  const range = option.above ? `above ${option.min} and up to ${max}` : `from ${option.min} to ${max}`;
  throw new UsageError(`--${name} must be ${noun} ${range}, found '${text}'`);
}

/** @throws UsageError */
function readChoice<C extends string>(name: string, text: string, choices: readonly C[]): C {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw new UsageError(`--${name} has no value '${text}'${suggestion(text, choices)}`);
}

/** The settings that were given out of those that may be; their ranges must not depend on the example. @throws UsageError */
export function readChange(
  given: ReadonlyMap<string, string>,
  settings: readonly (keyof Settings)[],
): Partial<Settings> {
  const chosen = settings.flatMap((setting) => {
    const text = given.get(optionName(setting));
    return text === undefined ? [] : [[setting, readValue(optionName(setting), text, SETTING_OPTIONS[setting])]];
  });
  return Object.fromEntries(chosen) as Partial<Settings>;
}

/**
 * The settings of a run: the preset's numbers, with those that were given in their place.
 * @param given option names (without dashes) and their texts. @throws UsageError
 */
export function readSettings(
  example: Example,
  given: ReadonlyMap<string, string>,
): { readonly preset: PresetName; readonly settings: Settings } {
  const preset = readChoice('preset', given.get('preset') ?? 'default', PRESET_NAMES);
  const chosen = SETTING_NAMES.flatMap((setting) => {
    const name = optionName(setting);
    const text = given.get(name);
    return text === undefined ? [] : [[setting, readValue(name, text, SETTING_OPTIONS[setting], example.limits)]];
  });
  const settings = { ...DEFAULTS, ...example.presets[preset], ...Object.fromEntries(chosen) } as Settings;
  return { preset, settings };
}
