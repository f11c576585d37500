// What threads share in a page: the same bits as one thread, and that the others do it.

import { errors, info, Rng, randn, scope, setNumThreads } from '@gemlab/tensor';

const [x, w, stack] = [randn([600, 784], new Rng(1)), randn([784, 100], new Rng(2)), randn([19, 256, 100], new Rng(3))];
const compute = () =>
  scope(() => {
    const results = [x.matmul(w), stack.transpose(1, 2).matmul(stack), x.relu(), x.add(1), stack.sum(1), x.softmax(1)];
    return results.map((result) => String(result.dataSync()));
  });

/** How many threads there are, and whether all that is large has the bits of one. */
async function share(size: number): Promise<{ threads: string; same: boolean[] }> {
  const alone = compute();
  await setNumThreads(size);
  const together = compute();
  const { threads } = info().cpu;
  await setNumThreads(1);
  return { threads: threads!, same: together.map((result, i) => result === alone[i]) };
}

/** How many parts of some large products another thread took: those that the page, done with its own, finds that it cannot take back. */
async function partsElsewhere(): Promise<number> {
  await setNumThreads(2);
  const { compareExchange } = Atomics;
  let parts = 0;
  const watched = (array: Int32Array, index: number, expected: number, value: number): number => {
    const found = compareExchange(array, index, expected, value);
    if (found !== expected) parts++;
    return found;
  };
  Object.assign(Atomics, { compareExchange: watched });
  for (let i = 0; i < 50; i++) scope(() => void stack.matmul(stack.transpose(1, 2)));
  Object.assign(Atomics, { compareExchange });
  await setNumThreads(1);
  return parts;
}

/** Why there is but one thread, which computes on. */
async function refusal(): Promise<{ message: string; computes: boolean }> {
  const error = await setNumThreads(2).catch((e) => e);
  return {
    message: error instanceof errors.DeviceError ? error.message : String(error),
    computes: compute().length > 0,
  };
}

Object.assign(globalThis, { threads: { share, partsElsewhere, refusal } });
