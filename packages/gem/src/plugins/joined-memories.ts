// All memories as one batch, for a pass that takes them together. What is stored of a past task does not change while another is
// trained on, so the batch is made once for each set of memories and then serves step after step.

import type { Samples } from '@gemlab/autograd';
import { compressRows, concat, keep, type Tensor } from '@gemlab/tensor';
import { fieldsOf } from '../memory/slots.ts';

export interface Joined {
  readonly samples: Samples;
  /** How many samples each memory has. */
  readonly sizes: readonly number[];
  /** Of the inputs of each memory, the sum of squares. */
  readonly squaredNorms: readonly number[];
}

/** A function that joins memories, and remembers the last it joined. */
export function joiner(): (memories: readonly Samples[]) => Joined {
  let made: { readonly of: readonly Tensor[]; joined: Joined; uses: number } | null = null;
  return (memories) => {
    const fields = memories.flatMap((samples) => fieldsOf(samples).map(([, rows]) => rows));
    if (made?.of.length !== fields.length || fields.some((rows, i) => rows !== made!.of[i])) {
      made = { of: fields, joined: join(memories), uses: 0 };
    }
    // What is asked for again will be asked for often.
    if (++made!.uses === 2) made!.joined = withoutZeros(made!.joined);
    return made!.joined;
  };
}

/** Memories of images are mostly zeros, and they are multiplied in every step. */
function withoutZeros({ samples, ...rest }: Joined): Joined {
  return { ...rest, samples: { ...samples, inputs: keep(compressRows(samples.inputs)) } };
}

function join(memories: readonly Samples[]): Joined {
  const columns = fieldsOf(memories[0]!).map(([name]): [string, Tensor] => [
    name,
    keep(concat(memories.map((samples) => (samples as unknown as Record<string, Tensor>)[name]!))),
  ]);
  const sizes = memories.map(({ targets }) => targets.shape[0]!);
  const samples = Object.fromEntries(columns) as unknown as Samples;
  return { samples, sizes, squaredNorms: groupSums(samples.inputs.square(), sizes) };
}

/** The sums over the elements of groups of rows, of which the first has the first `sizes[0]`, and so on. */
export function groupSums(x: Tensor, sizes: readonly number[]): number[] {
  if (sizes.every((n) => n === sizes[0])) return x.reshape([sizes.length, -1]).sum(1).toArray() as number[];
  return x.split(sizes).map((group) => group.sum().item() as number);
}
