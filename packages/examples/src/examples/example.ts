// What an example is: a name, texts, presets, and a function that sets up a stream and a network. The methods that are compared on them
// (methods/), the command line, the progress line and the report are the same for all of them.

import type { MeasureCadence, ProfileName, Stream } from '@gemlab/gem';
import type { Rng } from '@gemlab/tensor';

/** The numbers of a run that the command line can change. */
export interface Settings {
  readonly seed: number;
  /** Which published details GEM follows. */
  readonly profile: ProfileName;
  readonly tasks: number;
  /** Training samples of each task. */
  readonly samples: number;
  /** Test images that each task is measured on. */
  readonly testSamples: number;
  /** Samples of each task in GEM's memory. */
  readonly memories: number;
  readonly memoryStrength: number;
  readonly lr: number;
  readonly finetuneLr: number;
  readonly batchSize: number;
  readonly epochs: number;
  /** Which tasks are measured when. Runs of version 0.1 do not say: 'all'. */
  readonly measure?: MeasureCadence;
}

/** What no preset says. */
export const DEFAULTS = { seed: 0, profile: 'exact', measure: 'all' } as const;

export const PRESET_NAMES = ['quick', 'default', 'paper'] as const;
export type PresetName = (typeof PRESET_NAMES)[number];

/** The settings of a preset; what else there is does not depend on it. */
export type Preset = Omit<Settings, keyof typeof DEFAULTS>;

export const EXAMPLE_NAMES = ['permuted-mnist', 'rotated-mnist', 'split-mnist'] as const;
export type ExampleName = (typeof EXAMPLE_NAMES)[number];

/** What all the learners that are compared share. */
export interface Bench {
  readonly name: ExampleName;
  readonly settings: Settings;
  /** Inputs, hidden layers and outputs of the network. */
  readonly sizes: readonly number[];
  /**
   * Children of this generator: 0 and 4 the stream, 1 the network's first weights, 2 the order of the samples, 3 the plugins, 5 the order
   * of a stream that is shuffled as a whole, 6 the memories.
   */
  readonly rng: Rng;
  /** The stream; its task labels tell the task only where that is asked for. */
  stream(options?: { readonly taskLabels: boolean }): Stream;
}

export interface Example {
  readonly name: ExampleName;
  /** One line for `pnpm start list`. */
  readonly summary: string;
  /** Paragraphs for `--help`. */
  readonly about: readonly string[];
  readonly presets: { readonly [P in PresetName]: Preset };
  /** The largest settings that the data allow. */
  readonly limits: { readonly tasks: number; readonly samples: number; readonly testSamples: number };
  setUp(settings: Settings): Bench;
}
