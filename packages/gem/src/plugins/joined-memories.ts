// All memories as one batch, for a pass that takes them together. What is stored of a past task does not change while another is
// trained on, so the batch is made once for each set of memories and then serves step after step. Its inputs are lent to steps as what
// a step computes is, and go back before another batch takes its place: two of them would be more than all memories.

import type { Samples } from '@gemlab/autograd';
import { compressRows, concat, keep, privately, scope, type Tensor } from '@gemlab/tensor';
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
  let made: { readonly of: readonly Tensor[]; readonly joined: Joined } | null = null;
  return (memories) => {
    const fields = memories.flatMap((samples) => fieldsOf(samples).map(([, rows]) => rows));
    if (made?.of.length !== fields.length || fields.some((rows, i) => rows !== made!.of[i])) {
      // Before there is another, which may lie where they did.
      made?.joined.samples.inputs.storage.retire();
      made = null;
      made = { of: fields, joined: privately(() => join(memories)) };
      // The inputs reach a model as a variable, which tells when someone holds its value; all else is given out as it is.
      const { inputs, ...others } = made.joined.samples;
      keep(others);
      // Memories of images are mostly zeros. To look for them takes less than one product that does not skip them.
      compressRows(inputs);
    }
    return made!.joined;
  };
}

function join(memories: readonly Samples[]): Joined {
  const columns = fieldsOf(memories[0]!).map(([name]): [string, Tensor] => [
    name,
    concat(memories.map((samples) => (samples as unknown as Record<string, Tensor>)[name]!)),
  ]);
  const sizes = memories.map(({ targets }) => targets.shape[0]!);
  const samples = Object.fromEntries(columns) as unknown as Samples;
  const squaredNorms = memories.map(({ inputs }) => scope(() => inputs.square().sum().item() as number));
  return { samples, sizes, squaredNorms };
}

/** The sums over the elements of groups of rows, of which the first has the first `sizes[0]`, and so on. */
export function groupSums(x: Tensor, sizes: readonly number[]): number[] {
  if (sizes.every((n) => n === sizes[0])) return x.reshape([sizes.length, -1]).sum(1).toArray() as number[];
  return x.split(sizes).map((group) => group.sum().item() as number);
}
