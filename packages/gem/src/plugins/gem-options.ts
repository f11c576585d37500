// What GEM can be asked for. Each published choice is a field of a profile; an option here takes the place of the profile's.

import type { Rng } from '@gemlab/tensor';
import { InvalidOptionError } from '../errors.ts';
import { type BatchNormMode, type Profile, type ProfileName, resolveProfile } from '../profiles.ts';
import type { StepRecord } from '../step-record.ts';
import { type GroupsOption, type MemoryGroups, memoryGroups } from './memory-groups.ts';
import type { MemoryPassChoice } from './memory-pass.ts';
import { wantCount, wantOneOf, wantRng } from './options.ts';

/** In which steps a record has `details`: in none, in those that violate a constraint, in every n-th (0, n, 2n, ...), in all. */
export type RecordCadence = 'none' | 'violations' | 'all' | { readonly every: number };

export interface GEMOptions {
  /** n: samples remembered for each experience, or whatever `groups` says. */
  readonly patternsPerExperience: number;
  /** gamma >= 0: how strongly steps are turned toward the memories' own descent directions. Default 0.5, the paper's. */
  readonly memoryStrength?: number;
  /** Which published details to follow. Default 'exact'. */
  readonly profile?: ProfileName;
  /** Overrides the profile's ridge on the Gram matrix. */
  readonly ridge?: number;
  /** Overrides what the profile does to running statistics when the memories pass through the model: see `BatchNormMode`. */
  readonly batchNorm?: BatchNormMode;
  /** Overrides what the profile does with the part of z that belongs to a parameter without a gradient: see `Profile`. */
  readonly missingGradient?: Profile['missingGradient'];
  /**
   * What is projected. 'gradient' (default), as published: the optimizer gets z for g. What it makes of it is its own: with momentum, Adam
   * or weight decay the step may still raise a memory's loss. 'update': the optimizer gets g and makes its step, and that step is projected,
   * so that <theta' - theta, g_k> <= 0 for all k, to rounding. What the optimizer remembers (momentum, moments) is then of the gradients
   * as they were, and memory strength counts in learning rates (of its first group): with plain SGD both are the same.
   */
  readonly project?: 'gradient' | 'update';
  /**
   * Which memory a sample goes to, and which memories constrain a step. Default 'experience': the task's; those of the tasks before. The
   * others need no tasks: 'class', by label; { blocks: n }, by n samples of the stream; a function, as it says. With those but for blocks,
   * which must be complete, all memories that hold samples constrain.
   */
  readonly groups?: GroupsOption;
  /** In which steps the record has its costly part, `details`. Default 'none'. */
  readonly record?: RecordCadence;
  /** Whether details measure the memories' losses again after the step: one more forward pass of each. Default false. */
  readonly actualChange?: boolean;
  /**
   * How the memories' gradients are had: 'plain', one forward and one backward pass for each; 'factored', all together and mostly without
   * forming them; 'auto' (default), factored where model, samples and loss allow it. Results are the same up to rounding.
   */
  readonly memoryPass?: MemoryPassChoice;
  /**
   * Draws the samples to remember where the profile's memory takes a shuffled pass ('avalanche'), and only there. Left out: a child of the
   * strategy's generator. null: nothing is drawn, the first n of the experience are remembered in the order in which it has them.
   */
  readonly rng?: Rng | null;
}

export interface ResolvedGEMOptions {
  readonly patternsPerExperience: number;
  readonly memoryStrength: number;
  readonly profile: Profile;
  readonly ridge: number;
  readonly project: 'gradient' | 'update';
  readonly groups: MemoryGroups;
  readonly record: RecordCadence;
  readonly actualChange: boolean;
  readonly memoryPass: MemoryPassChoice;
}

/** @throws InvalidOptionError */
export function resolveGEMOptions(options: GEMOptions): ResolvedGEMOptions {
  const plugin = 'GEMPlugin';
  const { patternsPerExperience, memoryStrength = 0.5, project = 'gradient', record = 'none' } = options;
  const { memoryPass = 'auto', actualChange = false } = options;
  const resolved = resolveProfile(plugin, { ...options, memoryStrength });
  const { batchNorm = resolved.profile.batchNorm, missingGradient = resolved.profile.missingGradient } = options;
  wantCount(plugin, 'patternsPerExperience', patternsPerExperience);
  wantOneOf(plugin, 'batchNorm', batchNorm, ['update', 'restored', 'frozen']);
  wantOneOf(plugin, 'missingGradient', missingGradient, ['write', 'skip']);
  wantOneOf(plugin, 'project', project, ['gradient', 'update']);
  wantOneOf(plugin, 'memoryPass', memoryPass, ['auto', 'plain', 'factored']);
  if (typeof record === 'object' && record !== null) wantCount(plugin, 'record.every', record.every);
  else wantOneOf(plugin, 'record', record, ['none', 'violations', 'all']);
  if (options.rng !== undefined && options.rng !== null) wantRng(plugin, options.rng, 'samples to remember');
  const groups = memoryGroups(plugin, options.groups ?? 'experience');
  if (groups.name === 'blocks' && resolved.profile.memoryFill === 'first-n-shuffled') {
    const expected = `another grouping: profile '${resolved.profile.name}' fills its memory after the experience`;
    throw new InvalidOptionError(plugin, 'groups', JSON.stringify(options.groups), expected);
  }
  const profile = { ...resolved.profile, batchNorm, missingGradient };
  return { ...resolved, patternsPerExperience, profile, project, groups, record, actualChange, memoryPass };
}

/** Whether a record is to have details. */
export function isDue(cadence: RecordCadence, { step, violated }: Pick<StepRecord, 'step' | 'violated'>): boolean {
  if (typeof cadence === 'object') return step % cadence.every === 0;
  return cadence === 'all' || (cadence === 'violations' && violated.length > 0);
}
