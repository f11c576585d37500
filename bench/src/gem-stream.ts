// The stream of the GEM run, for gemlab and for all who are given its arrays: that of `pnpm start permuted-mnist --preset paper --seed 0`.

import { loadMnist, mnistDataset } from '@gemlab/examples';
import { type PermutedExperience, permutedStream, type Stream } from '@gemlab/gem';
import { type Device, Rng } from '@gemlab/tensor';

const seed = () => new Rng(0);

export function gemStream(
  params: Readonly<Record<string, number>>,
  device: Device = 'cpu',
): Stream<PermutedExperience> {
  const test = loadMnist('test', { limit: params.testSamples! });
  return permutedStream({
    train: mnistDataset('train', { device }),
    test: { inputs: test.inputs.to(device), targets: test.targets.to(device) },
    tasks: params.tasks!,
    samplesPerTask: params.samples,
    rng: seed().foldIn(0),
  });
}

/** Shuffles each task's samples. */
export const gemOrder = (): Rng => seed().foldIn(2);
