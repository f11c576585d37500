/**
 * The named profiles of GEM as data: one problem, three published ways to treat its details. Whatever differs between them is a field
 * here, so no other module asks for a profile by name.
 *
 * Sources: `exact`, Lopez-Paz & Ranzato, Gradient Episodic Memory for Continual Learning (NeurIPS 2017), eq. 11-12 and algorithm 1;
 * `reference`, the authors' code of 2018 (facebookresearch/GradientEpisodicMemory, model/gem.py); `avalanche`, GEMPlugin of
 * ContinualAI/avalanche.
 */

import { InvalidOptionError } from './errors.ts';

export type ProfileName = 'exact' | 'reference' | 'avalanche';

/**
 * What happens to the running statistics of batch normalisation when the memories pass through the model, in each training step:
 * - `update`: a memory is a batch as any: normalised by its own statistics, which also move the running ones. So the published codes, whose
 *   running statistics become a mixture of the batch's and all memories'.
 * - `restored`: normalised by the memory's own statistics; the running ones are put back. The pass leaves no trace but its gradients.
 * - `frozen`: normalised by the running statistics, as in evaluation: a sample's gradient does not depend on the other samples.
 */
export type BatchNormMode = 'update' | 'restored' | 'frozen';

export interface Profile {
  readonly name: ProfileName;
  /**
   * What the memory strength gamma does. `added`: solve with v >= 0, then add gamma to every entry of v. `lower-bound`: solve with
   * v >= gamma. With gamma = 0 they agree; in either, every memory pulls once the gate is open.
   */
  readonly gamma: 'added' | 'lower-bound';
  /** Added to the diagonal of GG', absolute, in squared gradient units. With a ridge e the guarantee is Gz + e v >= 0, not Gz >= 0. */
  readonly ridge: number;
  /**
   * Which samples of a task its memory holds. `ring`: the newest n. `ring-2018`: a ring whose pointer is not reset between tasks and that
   * drops the overflow at each wrap. `first-n-shuffled`: after the experience, the first n of one shuffled pass.
   */
  readonly memoryFill: 'ring' | 'ring-2018' | 'first-n-shuffled';
  /**
   * A parameter that received no gradient counts as zero in g and G. At write-back, `write` gives it its part of z (which G'v may have made
   * nonzero), `skip` leaves it without a gradient.
   */
  readonly missingGradient: 'write' | 'skip';
  /** What happens to batch normalisation's running statistics when the memories pass through the model. */
  readonly batchNorm: BatchNormMode;
}

export const profiles = {
  exact: {
    name: 'exact',
    gamma: 'added',
    ridge: 0,
    memoryFill: 'ring',
    missingGradient: 'write',
    batchNorm: 'restored',
  },
  reference: {
    name: 'reference',
    gamma: 'lower-bound',
    ridge: 1e-3,
    memoryFill: 'ring-2018',
    missingGradient: 'skip',
    batchNorm: 'update',
  },
  avalanche: {
    name: 'avalanche',
    gamma: 'lower-bound',
    ridge: 1e-3,
    memoryFill: 'first-n-shuffled',
    missingGradient: 'skip',
    batchNorm: 'update',
  },
} as const satisfies Record<ProfileName, Profile>;

/** How a projection is asked for. */
export interface ProfileOptions {
  /** Default 'exact'. */
  readonly profile?: ProfileName | undefined;
  /** gamma >= 0; default 0. The paper's experiments use 0.5. */
  readonly memoryStrength?: number | undefined;
  /** Takes the place of the profile's ridge; >= 0. */
  readonly ridge?: number | undefined;
}

/** A profile with its numbers filled in. */
export interface ResolvedProfile {
  readonly profile: Profile;
  readonly memoryStrength: number;
  readonly ridge: number;
}

/** @throws InvalidOptionError for an unknown profile or a negative or non-finite number; `operation` is the function that was called. */
export function resolveProfile(operation: string, options: ProfileOptions): ResolvedProfile {
  const name = options.profile ?? 'exact';
  if (!Object.hasOwn(profiles, name)) {
    throw new InvalidOptionError(operation, 'profile', name, `one of ${Object.keys(profiles).join(', ')}`);
  }
  const profile: Profile = profiles[name];
  return {
    profile,
    memoryStrength: nonNegative(operation, 'memoryStrength', options.memoryStrength ?? 0),
    ridge: nonNegative(operation, 'ridge', options.ridge ?? profile.ridge),
  };
}

function nonNegative(operation: string, option: string, value: number): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new InvalidOptionError(operation, option, value, 'a finite number >= 0');
}
