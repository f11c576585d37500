// The methods by name, in the order in which reports and tables have them.

import { cumulative, fineTuning, independent, joint, multimodal } from './baselines.ts';
import type { Method } from './method.ts';
import { agem, gem, sgem } from './projection.ts';
import { ewc, lwf, mas, onlineEwc, si } from './regularization.ts';
import { der, replay } from './replay.ts';

export const METHODS: readonly Method[] = [
  ...[fineTuning, joint, cumulative, independent, multimodal],
  ...[gem, agem, sgem],
  ...[ewc, onlineEwc, si, mas, lwf],
  ...[replay, der],
];

/** What is compared where nothing is said. */
export const DEFAULT_METHODS: readonly Method[] = [fineTuning, gem];
