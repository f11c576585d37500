// Every piece of work in TensorFlow.js, on its cpu or its wasm backend.

import type { HostArray, Inputs, Library, Piece } from '@gemlab/bench';
import tf from '@tensorflow/tfjs';
import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';

type Matrix = tf.Tensor2D;

const take = ({ shape, data }: HostArray): tf.Tensor =>
  tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32');
const back = (x: tf.Tensor): HostArray => ({ shape: x.shape, data: x.dataSync().slice() as Float32Array });

/** A piece without a state. */
function pure(compute: () => tf.Tensor[]): Piece {
  return { run: () => tf.tidy(() => void compute()), check: () => compute().map(back) };
}

const weights = (inputs: Inputs) => Array.from({ length: 6 }, (_, i) => tf.variable(take(inputs[`w${i}`]!)));

/** Mean softmax cross-entropy; tfjs has no loss that takes labels. */
const crossEntropy = (scores: tf.Tensor, hot: tf.Tensor) =>
  tf.neg(tf.mean(tf.sum(tf.mul(hot, tf.logSoftmax(scores)), 1))) as tf.Scalar;

const oneHot = (labels: HostArray) => tf.oneHot(tf.tensor1d(labels.data as Int32Array, 'int32'), 10);

function forward(w: readonly tf.Tensor[], inputs: tf.Tensor): tf.Tensor {
  let x = inputs;
  for (let i = 0; i < w.length; i += 2) {
    x = tf.add(tf.matMul(x as Matrix, w[i] as Matrix, false, true), w[i + 1]!);
    if (i + 2 < w.length) x = tf.relu(x);
  }
  return x;
}

/** @param options the backend. */
export async function load([backend = 'wasm']: readonly string[]): Promise<Library> {
  setThreadsCount(1);
  if (!(await tf.setBackend(backend))) throw new Error(`tfjs has no backend '${backend}' here`);
  await tf.ready();
  return {
    about: { tfjs: tf.version_core, backend },
    pieces: {
      gemm: ({ a, b }) => {
        const [x, y] = [take(a!) as Matrix, take(b!) as Matrix];
        return pure(() => [tf.matMul(x, y)]);
      },
      add: ({ a, b }) => {
        const [x, y] = [take(a!), take(b!)];
        return pure(() => [tf.add(x, y)]);
      },
      sum: ({ a }) => {
        const x = take(a!);
        return pure(() => [tf.sum(x)]);
      },
      sgd: ({ a, b }, { lr }) => {
        const [p, g] = [tf.variable(take(a!)), take(b!)];
        const run = () => tf.tidy(() => p.assign(tf.sub(p, tf.mul(g, lr!))));
        return {
          run,
          check() {
            run();
            return [back(p)];
          },
        };
      },
      'cross-entropy': ({ scores, targets }) => {
        const [x, hot] = [take(scores!), oneHot(targets!)];
        const both = tf.valueAndGrad((s: tf.Tensor) => crossEntropy(s, hot));
        return pure(() => {
          const { value, grad } = both(x);
          return [value, grad];
        });
      },
      gram: ({ g }) => {
        const G = take(g!) as Matrix;
        return pure(() => [tf.matMul(G, G, false, true)]);
      },
      step: (inputs, { lr }) => {
        const w = weights(inputs);
        const [x, hot] = [take(inputs.x!), oneHot(inputs.y!)];
        const optimizer = tf.train.sgd(lr!);
        const run = () =>
          tf.tidy(() => optimizer.minimize(() => crossEntropy(forward(w, x), hot), true, w)!.dataSync()[0]!);
        return {
          run,
          check() {
            const seen = Float32Array.of(run(), run(), run());
            return [{ shape: [3], data: seen }, ...w.map(back)];
          },
        };
      },
      memory: (inputs, { tasks, n }) => {
        const w = weights(inputs);
        const data = inputs.x!.data as Float32Array;
        const batches = Array.from({ length: tasks! }, (_, k) => ({
          x: tf.tensor2d(data.subarray(k * n! * 784, (k + 1) * n! * 784), [n!, 784]),
          hot: oneHot({ shape: [n!], data: inputs.y!.data.subarray(k * n!, (k + 1) * n!) }),
        }));
        return pure(() => [
          tf.stack(
            batches.map(({ x, hot }) =>
              tf.tidy(() => {
                const { grads } = tf.variableGrads(() => crossEntropy(forward(w, x), hot), w);
                return tf.concat(w.map((v) => tf.reshape(grads[v.name]!, [-1])));
              }),
            ),
          ),
        ]);
      },
    },
  };
}
