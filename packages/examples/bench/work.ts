// The pieces of work that are timed, each written once for gemlab (on any device) and once for tfjs, on the same numbers. What a
// piece returns is read back, so that nobody's time ends before the work is done.

import { losses, nn, optim, variable } from '@gemlab/autograd';
import { type Device, Rng, randn, scope, type Tensor, tensor } from '@gemlab/tensor';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';

export interface Work {
  readonly name: string;
  /** Makes ready on a device; what it gives back does the work once. */
  readonly gemlab: (device: Device) => () => Promise<ArrayLike<number>>;
  readonly tfjs: () => () => Promise<ArrayLike<number>>;
}

const host = (shape: readonly number[], seed: number): Tensor => randn(shape, new Rng(seed));
const toTf = (x: Tensor): tf.Tensor =>
  tf.tensor(x.dataSync() as Float32Array, [...x.shape], x.dtype === 'int32' ? 'int32' : 'float32');

/** Operands in, one result out. */
function operation(
  name: string,
  shapes: readonly (readonly number[])[],
  ours: (...xs: Tensor[]) => Tensor,
  theirs: (...xs: tf.Tensor[]) => tf.Tensor,
): Work {
  const operands = () => shapes.map((shape, i) => host(shape, i + 1));
  return {
    name,
    gemlab: (device) => {
      const xs = operands().map((x) => x.to(device));
      return () => scope(() => ({ read: ours(...xs).data() })).read;
    },
    tfjs: () => {
      const xs = operands().map(toTf);
      return async () => {
        const result = tf.tidy(() => theirs(...xs));
        const data = await result.data();
        result.dispose();
        return data;
      };
    },
  };
}

/** The paper's network on a batch: softmax cross-entropy, and SGD. The loss is read. */
function trainingStep(batch: number, sizes: readonly number[]): Work {
  const [first, last] = [sizes[0]!, sizes.at(-1)!];
  const labels = Int32Array.from({ length: batch }, (_, i) => i % last);
  const lr = 0.01;
  return {
    name: `training step, batch ${batch}`,
    gemlab: (device) => {
      const model = new nn.MLP(sizes, { rng: new Rng(0) }).to(device);
      const optimizer = new optim.SGD(model.parameters(), { lr });
      const inputs = host([batch, first], 1).to(device);
      const targets = tensor(labels, { device });
      return () =>
        scope(() => {
          const loss = losses.crossEntropy(model.forward(variable(inputs)), targets);
          loss.backward();
          optimizer.step();
          model.zeroGrad();
          return { read: loss.value.data() };
        }).read;
    },
    tfjs: () => {
      const start = new nn.MLP(sizes, { rng: new Rng(0) }).parameters();
      const weights = start.map((p) => tf.variable(toTf(p.value)));
      const inputs = toTf(host([batch, first], 1)) as tf.Tensor2D;
      const hot = tf.oneHot(tf.tensor1d(labels, 'int32'), last);
      return async () => {
        const loss = tf.tidy(() => {
          const { value, grads } = tf.variableGrads(() => {
            let x: tf.Tensor = inputs;
            for (let i = 0; i < weights.length; i += 2) {
              // Weights are [out, in], as in PyTorch.
              x = tf.add(tf.matMul(x as tf.Tensor2D, weights[i] as tf.Tensor2D, false, true), weights[i + 1]!);
              if (i + 2 < weights.length) x = tf.relu(x);
            }
            return tf.neg(tf.mean(tf.sum(tf.mul(hot, tf.logSoftmax(x)), 1))) as tf.Scalar;
          });
          for (const w of weights) w.assign(tf.sub(w, tf.mul(grads[w.name]!, lr)));
          return value;
        });
        const data = await loss.data();
        loss.dispose();
        return data;
      };
    },
  };
}

/** @param scale 1 for people; less for the test that the page works. */
export function works(scale = 1): readonly Work[] {
  const n = (size: number) => Math.max(2, Math.round(size * scale));
  const square = (size: number): Work => {
    const shape = [n(size), n(size)];
    return operation(
      `matmul ${shape.join(' x ')}`,
      [shape, shape],
      (a, b) => a.matmul(b).sum(1),
      (a, b) => tf.sum(tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D), 1),
    );
  };
  const wide = [n(1000), n(1000)];
  const scores = [n(4864), 10];
  return [
    square(256),
    square(1024),
    operation(
      `tanh(a b + a), ${wide.join(' x ')}`,
      [wide, wide],
      (a, b) => a.mul(b).add(a).tanh().sum(1),
      (a, b) => tf.sum(tf.tanh(tf.add(tf.mul(a, b), a)), 1),
    ),
    operation(
      `sum, ${wide.join(' x ')}`,
      [wide],
      (a) => a.sum(),
      (a) => tf.sum(a),
    ),
    operation(
      `softmax, ${scores.join(' x ')}`,
      [scores],
      (a) => a.softmax(1),
      (a) => tf.softmax(a),
    ),
    trainingStep(10, [n(784), n(100), n(100), 10]),
    trainingStep(256, [n(784), n(100), n(100), 10]),
  ];
}
