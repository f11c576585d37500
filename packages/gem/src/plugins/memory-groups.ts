// Which memory does a sample go to, and which memories constrain this step? In the paper memories are those of tasks, and a step is
// constrained by those of the tasks before. Neither needs tasks: a stream without boundaries may be cut into blocks, or its samples told
// apart by their labels.
//
//   experience   a memory for each task; those of earlier tasks constrain
//   class        one for each label; all that were filled before constrain, those of the batch's own labels too
//   blocks       one for each n samples of the stream, as they come by; those of blocks that are complete constrain
//   custom       the caller's function says where each sample goes; all that were filled before constrain

import { InvalidOptionError } from '../errors.ts';
import type { StepRecord } from '../step-record.ts';
import type { TaskSamples } from './remember.ts';

/** Where the stream is. */
export interface StreamPlace {
  /** Tasks trained on before. */
  readonly experience: number;
  /** Samples that came by before, each epoch's counted. */
  readonly seen: number;
}

/** The group, an integer >= 0, of each sample of a batch. */
export type GroupFunction = (samples: TaskSamples, place: StreamPlace) => readonly number[];

export type GroupsOption = 'experience' | 'class' | { readonly blocks: number } | GroupFunction;

export interface MemoryGroups {
  readonly name: StepRecord['groups'];
  /** The name, and the size of blocks: memories that are grouped alike have the same. */
  readonly kind: string;
  /** What EpisodicMemory makes groups of. */
  readonly by: 'task' | 'class' | 'given';
  /** Where the groups are given. */
  readonly of?: GroupFunction;
  constrains(group: number, place: StreamPlace): boolean;
}

/** @throws InvalidOptionError */
export function memoryGroups(plugin: string, option: GroupsOption): MemoryGroups {
  if (option === 'experience')
    return { name: option, kind: option, by: 'task', constrains: (group, { experience }) => group < experience };
  if (option === 'class') return { name: option, kind: option, by: 'class', constrains: () => true };
  if (typeof option === 'function')
    return { name: 'custom', kind: 'custom', by: 'given', of: option, constrains: () => true };
  const blocks = (option as { readonly blocks?: number } | null)?.blocks;
  if (!Number.isInteger(blocks) || blocks! < 1) {
    const found = typeof option === 'object' ? JSON.stringify(option) : option;
    const expected = `'experience', 'class', { blocks: a positive number of samples } or a function`;
    throw new InvalidOptionError(plugin, 'groups', found, expected);
  }
  const blockOf = (sample: number) => Math.floor(sample / blocks!);
  return {
    name: 'blocks',
    kind: `blocks of ${blocks}`,
    by: 'given',
    of: ({ targets }, { seen }) => Array.from({ length: targets.shape[0]! }, (_, i) => blockOf(seen + i)),
    constrains: (group, { seen }) => group < blockOf(seen),
  };
}
