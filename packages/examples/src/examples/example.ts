// What an example is: a name, texts, presets, and a function that sets up a stream and the learners to compare on it. The command
// line, the progress line and the report are the same for all of them.

import type { ProfileName, Strategy, StrategyPlugin, Stream } from '@gemlab/gem';

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
}

export const PRESET_NAMES = ['quick', 'default', 'paper'] as const;
export type PresetName = (typeof PRESET_NAMES)[number];

/** The settings of a preset; seed and profile are independent of it. */
export type Preset = Omit<Settings, 'seed' | 'profile'>;

/** What the command line lends to an example. */
export interface Lab {
  /** Goes last into the plugins of every strategy: shows progress and keeps a step for the explanation. */
  readonly watch: StrategyPlugin;
  /** Trains each strategy on the stream, in this order, and measures it on all tasks after each. */
  compare(stream: Stream, learners: Readonly<Record<string, Strategy>>): Promise<void>;
}

export interface Example {
  readonly name: string;
  /** One line for `pnpm start list`. */
  readonly summary: string;
  /** Paragraphs for `--help`. */
  readonly about: readonly string[];
  readonly presets: { readonly [P in PresetName]: Preset };
  /** The largest settings that the data allow. */
  readonly limits: { readonly tasks: number; readonly samples: number; readonly testSamples: number };
  run(settings: Settings, lab: Lab): Promise<void>;
}
