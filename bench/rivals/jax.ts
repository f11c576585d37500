// Every piece of work in jax-js on its wasm backend, its functions compiled by `jit` as its documentation advises. Arrays are owned: what
// a call shall not use up is passed as `.ref`.

import { readFileSync } from 'node:fs';
import type { HostArray, Inputs, Library, Piece } from '@gemlab/bench';
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, valueAndGrad } from '@jax-js/jax';

type Arr = np.Array;

/** The library does not say it. */
const version = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    dependencies: Record<string, string>;
  }
).dependencies['@jax-js/jax']!;

const take = ({ shape, data }: HostArray): Arr =>
  np.array(data as Float32Array, { shape: [...shape], dtype: data instanceof Int32Array ? np.int32 : np.float32 });
const back = async (x: Arr): Promise<HostArray> => {
  const { shape } = x;
  return { shape, data: (await x.data()).slice() as Float32Array };
};

/** A piece without a state. */
function pure(compute: () => Arr[]): Piece {
  return {
    async run() {
      const results = compute();
      await blockUntilReady(results);
      for (const x of results) x.dispose();
    },
    check: () => Promise.all(compute().map(back)),
  };
}

const weights = (inputs: Inputs): Arr[] => Array.from({ length: 6 }, (_, i) => take(inputs[`w${i}`]!));
const oneHot = (labels: HostArray): Arr => nn.oneHot(take(labels), 10);
const refs = (xs: readonly Arr[]): Arr[] => xs.map((x) => x.ref);

const crossEntropy = (scores: Arr, hot: Arr): Arr =>
  np.negative(np.mean(np.sum(np.multiply(hot, nn.logSoftmax(scores)), -1)));

const loss = (w: Arr[], x: Arr, hot: Arr): Arr => {
  let h = x;
  for (let i = 0; i < w.length; i += 2) {
    h = np.add(np.matmul(h, np.transpose(w[i]!)), w[i + 1]!);
    if (i + 2 < w.length) h = nn.relu(h);
  }
  return crossEntropy(h, hot);
};

export async function load(): Promise<Library> {
  await init('wasm');
  defaultDevice('wasm');
  const gradients = jit((w: Arr[], x: Arr, hot: Arr) => valueAndGrad(loss)(w, x, hot));
  const moved = jit((p: Arr, g: Arr, lr: Arr) => np.subtract(p, np.multiply(g, lr)));
  return {
    about: { 'jax-js': version, backend: 'wasm' },
    pieces: {
      gemm: ({ a, b }) => {
        const [x, y] = [take(a!), take(b!)];
        return pure(() => [np.matmul(x.ref, y.ref)]);
      },
      add: ({ a, b }) => {
        const [x, y] = [take(a!), take(b!)];
        return pure(() => [np.add(x.ref, y.ref)]);
      },
      sum: ({ a }) => {
        const x = take(a!);
        return pure(() => [np.sum(x.ref)]);
      },
      sgd: ({ a, b }, { lr }) => {
        let p = take(a!);
        const [g, rate] = [take(b!), np.array(lr!)];
        const run = async () => {
          p = moved(p, g.ref, rate.ref);
          await blockUntilReady(p);
        };
        return {
          run,
          async check() {
            await run();
            return [await back(p.ref)];
          },
        };
      },
      'cross-entropy': ({ scores, targets }) => {
        const [x, hot] = [take(scores!), oneHot(targets!)];
        const both = jit((s: Arr, h: Arr) => valueAndGrad(crossEntropy)(s, h));
        return pure(() => both(x.ref, hot.ref) as Arr[]);
      },
      gram: ({ g }) => {
        const G = take(g!);
        return pure(() => [np.matmul(G.ref, np.transpose(G.ref))]);
      },
      step: (inputs, { lr }) => {
        let w = weights(inputs);
        const [x, hot, rate] = [take(inputs.x!), oneHot(inputs.y!), np.array(lr!)];
        const run = async (): Promise<number> => {
          const [value, grads] = gradients(refs(w), x.ref, hot.ref) as [Arr, Arr[]];
          w = w.map((p, i) => moved(p, grads[i]!, rate.ref));
          return (await value.data())[0]!;
        };
        return {
          run,
          async check() {
            const seen = Float32Array.of(await run(), await run(), await run());
            return [{ shape: [3], data: seen }, ...(await Promise.all(refs(w).map(back)))];
          },
        };
      },
      memory: (inputs, { tasks, n }) => {
        const w = weights(inputs);
        const batches = Array.from({ length: tasks! }, (_, k) => ({
          x: take({ shape: [n!, 784], data: inputs.x!.data.slice(k * n! * 784, (k + 1) * n! * 784) }),
          hot: oneHot({ shape: [n!], data: inputs.y!.data.slice(k * n!, (k + 1) * n!) }),
        }));
        return pure(() => [
          np.stack(
            batches.map(({ x, hot }) => {
              const [value, grads] = gradients(refs(w), x.ref, hot.ref) as [Arr, Arr[]];
              value.dispose();
              return np.concatenate(grads.map((g) => np.ravel(g)));
            }),
          ),
        ]);
      },
    },
  };
}
