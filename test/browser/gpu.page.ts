// What runs in the page: the laws of every backend, on the gpu or the webgpu (where all is read behind promises). A float64, or an integer that a float cannot hold, must be refused by
// name; all else must be what the law says.

import { losses, nn, optim, variable } from '@gemlab/autograd';
import {
  arange,
  chooseDevice,
  concat,
  type Device,
  errors,
  info,
  ones,
  type Primitive,
  Rng,
  randn,
  scope,
  type Tensor,
  tensor,
  where,
} from '@gemlab/tensor';
import fc from 'fast-check';
import type { Case } from '../../packages/tensor/test/laws/case.ts';
import { laws } from '../../packages/tensor/test/laws/index.ts';
import { perform, programOf, start } from '../../packages/tensor/test/programs/perform.ts';
import { rounded } from '../../packages/tensor/test/programs/rounded.ts';
import { withIntegersBelow } from '../../packages/tensor/test/support/samples.ts';
import { agrees, tolerance } from './tolerance.ts';

interface Timers {
  setTimeout(run: (value: unknown) => void, milliseconds: number): unknown;
}
interface WebGpuClasses {
  readonly GPUDevice?: { prototype: { createBuffer(settings: object): object } };
  readonly GPUBuffer?: { prototype: { destroy(): void } };
}
// Every buffer of WebGPU there is, whoever made it.
const buffers = new Set<unknown>();
const { GPUDevice, GPUBuffer } = globalThis as WebGpuClasses;
if (GPUDevice && GPUBuffer) {
  const { createBuffer } = GPUDevice.prototype;
  const { destroy } = GPUBuffer.prototype;
  GPUDevice.prototype.createBuffer = function (settings) {
    const buffer = createBuffer.call(this, settings);
    buffers.add(buffer);
    return buffer;
  };
  GPUBuffer.prototype.destroy = function () {
    buffers.delete(this);
    destroy.call(this);
  };
}

const LIMIT = 2 ** 24;
/** Numbers below may be taken for 0. */
const LEAST = 2 ** -126;

type Gpu = 'gpu' | 'webgpu';
const read = async (x: Tensor) => (x.device === 'gpu' ? x.dataSync() : x.data());

async function refused(device: Gpu, what: string, fn: () => unknown): Promise<void> {
  try {
    await fn();
  } catch (error) {
    if (error instanceof errors.DTypeError && error.message.startsWith(`${device}: `)) return;
    throw error;
  }
  throw new Error(`${what} was not refused`);
}

/** Integers are drawn so small that only powers and running products can lead out of what a float holds. */
function tooLarge(op: Primitive, { inputs, expected }: Case): boolean {
  if (expected.dtype !== 'int32') return false;
  if (expected.values.some((v) => Math.abs(v) >= LIMIT)) return true;
  const [a, b] = inputs.map((x) => x.model.values);
  if (op === 'pow') return a!.some((v, i) => v !== 0 && Math.abs(v ** b![i]!) >= LIMIT);
  return op === 'cumprod' && a!.reduce((product, v) => product * Math.max(1, Math.abs(v)), 1) >= LIMIT;
}

async function hold(device: Gpu, op: Primitive, law: Case): Promise<void> {
  const { params, inputs, expected } = law;
  const wide = inputs.find((x) => x.model.dtype === 'float64');
  if (wide !== undefined) {
    await refused(device, 'float64', () => wide.on(device));
    return;
  }
  const operands = inputs.map((x) => x.on(device));
  const before = await Promise.all(operands.map(read));
  const compute = () => operands[0]!.apply(op, params, operands);
  if (expected.dtype === 'float64') {
    await refused(device, 'float64', compute);
    return;
  }
  const result: Tensor = compute();
  (await Promise.all(operands.map(read))).forEach((values, i) => {
    values.forEach((v, j) => {
      if (!Object.is(v, before[i]![j])) throw new Error('an operand was written to');
    });
  });
  if (String([result.dtype, result.shape]) !== String([expected.dtype, expected.shape])) {
    throw new Error(`is ${result.dtype} [${result.shape}], expected ${expected.dtype} [${expected.shape}]`);
  }
  if (tooLarge(op, law)) {
    // A running product may have got there by a line that did not.
    if (op !== 'cumprod') await refused(device, 'a large integer', () => read(result));
    return;
  }
  const slack = tolerance(op, law);
  const found = await read(result);
  if (found.length !== expected.values.length)
    throw new Error(`${found.length} elements, not ${expected.values.length}`);
  expected.values.forEach((value, i) => {
    if (agrees(found[i]!, value, slack(i))) return;
    throw new Error(`element ${i} is ${found[i]}, expected ${value} within ${slack(i)}`);
  });
}

/** An op of its own result, in changing sizes, each result given back: left to itself gpu.js draws into one of an earlier size. */
function repeated(): number[][] {
  const x = arange(64).cast('float32').to('gpu');
  return [64, 5, 30, 5, 64].map((size) => scope(() => Array.from(x.slice([0, size]).add(1).add(1).add(1).dataSync())));
}

/** A wide line to be folded in parts, a long list to be joined in rounds: the sizes that the laws do not reach. */
function large(device: Gpu): Promise<boolean[]> {
  const [rows, columns] = [3, 1000];
  const host = randn([rows, columns], new Rng(5));
  const x = host.to(device);
  const near = async (a: Tensor, b: Tensor, slack = 1e-4) => {
    const [found, expected] = [await read(a), b.dataSync()];
    return String(a.shape) === String(b.shape) && expected.every((v, i) => Math.abs(found[i]! - v) <= slack);
  };
  const parts = host.split(columns / 20, 1);
  // Ties, NaN, an axis that is not the last.
  const steps = host.mul(2).round();
  const ties = where(steps.eq(1), Number.NaN, steps).transpose();
  const whole = ties.isNan().logicalNot().cast('int32');
  const sorted = [false, true].map((descending) =>
    near(ties.to(device).argsort(0, { descending }), ties.argsort(0, { descending }), 0),
  );
  // Two matrices with an odd number of rows, of columns and in between, one of them transposed and one shared.
  const [a, b] = [randn([2, 65, 131], new Rng(6)), randn([67, 131], new Rng(7)).transpose()];
  return Promise.all([
    ...sorted,
    near(whole.to(device).cumsum(0), whole.cumsum(0), 0),
    near(a.to(device).matmul(b.to(device)), a.matmul(b), 1e-4),
    near(b.transpose().to(device).matmul(a.to(device).transpose()), b.transpose().matmul(a.transpose()), 1e-4),
    near(x.softmax(1), host.softmax(1), 1e-7),
    near(x.logSoftmax(1), host.logSoftmax(1), 1e-5),
    near(x.sum(), host.sum()),
    near(x.sum(1), host.sum(1)),
    near(x.transpose().sum(0), host.sum(1)),
    near(x.max(1), host.max(1), 0),
    near(x.slice(null, [null, null, -1]).cumsum(1), host.flip([1]).cumsum(1)),
    near(x.argsort(1), host.argsort(1), 0),
    near(x.matmul(x.transpose()), host.matmul(host.transpose()), 1e-3),
    near(
      concat(
        parts.map((p) => p.to(device)),
        1,
      ),
      host,
      0,
    ),
  ]);
}

/**
 * Random programs, beside the cpu. Their bounds count two roundings of each op on either side; here an op has up to 64 times that. What
 * only moves elements, or is exact, must agree exactly.
 */
function programs(seed: number, numRuns: number): string {
  const unit = fc.double({ min: -1, max: 1, noNaN: true }).map(Math.fround);
  const starts = start('float32', unit, 'gpu');
  const property = fc.property(starts, starts, programOf(rounded), (a, b, steps) =>
    scope(() => {
      for (const { cpu, reference, apart } of perform(rounded, [a, b], steps)) {
        const [expected, found] = [cpu.dataSync(), reference.dataSync()];
        expected.forEach((v, i) => {
          if (!(Math.abs(v - found[i]!) <= 64 * apart + LEAST))
            throw new Error(`${found[i]} is not within ${64 * apart} of ${v}`);
        });
      }
    }),
  );
  const details = fc.check(property, { seed, numRuns });
  return details.failed ? `${details.errorInstance} for ${fc.stringify(details.counterexample)}` : 'held';
}

/** A convolution, pooled, with all its gradients: the numbers of both devices. */
function convolution(): number[][][] {
  return (['cpu', 'gpu'] as const).map((device) => {
    const [x, w, bias] = [[2, 3, 6, 5], [4, 3, 3, 3], [4]].map((shape, i) =>
      variable(randn(shape, new Rng(i)).to(device), { requiresGrad: true }),
    );
    const y = x!.conv2d(w!, { bias: bias!, padding: 1, stride: 2 }).relu().maxPool2d(2);
    y.mul(y).sum().backward();
    return [y.value, x!.grad!.value, w!.grad!.value, bias!.grad!.value].map((t) => [...t.dataSync()]);
  });
}

/** What is refused, and how. */
function refusals(): string[] {
  const messages: string[] = [];
  const big = tensor(Int32Array.of(5000, -3), { device: 'gpu' });
  const product = big.mul(big);
  const huge = () => ones([1], { device: 'gpu' }).expand([20_000, 20_000]).add(1);
  for (const attempt of [
    () => tensor([1], { dtype: 'float64', device: 'gpu' }),
    () => ones([1], { device: 'gpu' }).cast('float64'),
    () => tensor(Int32Array.of(1, 2 ** 24), { device: 'gpu' }),
    () => product.dataSync(),
    () => product.gt(0).dataSync(),
    () => product.argmax().dataSync(),
    () => big.cast('float32').mul(1e9).cast('int32').dataSync(),
    huge,
  ]) {
    try {
      attempt();
      messages.push('not refused');
    } catch (error) {
      messages.push(String(error));
    }
  }
  return messages;
}

/** data() reads what was there when it was called, and rejects for what a scope has taken back. */
async function reading(): Promise<unknown[]> {
  const x = tensor([1, 2, 3], { device: 'gpu' });
  let pending: Promise<ArrayLike<number>> | undefined;
  let late: Tensor | undefined;
  scope(() => {
    late = x.add(1);
    pending = late.slice([1, null]).data();
  });
  const gone = await late!.data().catch((error) => error.name);
  return [Array.from(await pending!), gone, late!.storage.released, x.toArray(), x.to('cpu').to('gpu').device];
}

/** Where the driver fails once: the op that it failed and what needs that say so when they are read, and all else goes on. */
async function failing() {
  const queue = (globalThis as unknown as { GPUQueue: { prototype: { submit(commands: unknown): void } } }).GPUQueue;
  const x = tensor([1, 2], { device: 'webgpu' });
  await x.neg().data();
  const { submit } = queue.prototype;
  queue.prototype.submit = () => {
    throw new Error('the driver is out of order');
  };
  const lost = x.neg();
  const built = lost.add(x);
  const said = (y: Tensor) => y.data().catch((error) => String(error));
  const message = said(lost);
  await message;
  queue.prototype.submit = submit;
  return [await message, await said(built), [...(await x.neg().data())]];
}

/** What the webgpu alone does: refuses to be read at once, knows integers that were uploaded, keeps order, and trains. */
async function queued() {
  const device = 'webgpu';
  const said = (fn: () => unknown) => {
    try {
      return fn();
    } catch (error) {
      return String(error);
    }
  };
  const x = tensor(
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
    { device },
  );
  const index = tensor([2, -1, 0, 1], { dtype: 'int32', device });
  let pending: Promise<ArrayLike<number>> | undefined;
  let late: Tensor | undefined;
  scope(() => {
    late = x.add(1);
    pending = late.slice([1, null]).data();
  });
  const train = async (where: Device) => {
    const model = new nn.MLP([4, 8, 3], { rng: new Rng(1) }).to(where);
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
    const inputs = randn([6, 4], new Rng(2)).to(where);
    const targets = tensor([0, 1, 2, 0, 1, 2], { dtype: 'int32', device: where });
    const counts: number[] = [];
    for (let step = 0; step < 60; step++) {
      const loss = scope(() => {
        const error = losses.crossEntropy(model.forward(variable(inputs)), targets);
        error.backward();
        optimizer.step();
        model.zeroGrad();
        return error.value;
      });
      await loss.data();
      if (step % 20 !== 19) continue;
      for (let i = 0; i < 3; i++) {
        (globalThis as unknown as { gc(): void }).gc();
        await new Promise((resolve) => (globalThis as unknown as Timers).setTimeout(resolve, 20));
      }
      counts.push(buffers.size);
    }
    const weights = await Promise.all(model.parameters().map(async (p) => [...(await p.value.data())]));
    return { weights: weights.flat(), counts };
  };
  const [cpu, webgpu] = [await train('cpu'), await train(device)];
  return {
    refused: said(() => x.dataSync()),
    computed: said(() => x.take(index.add(0), 1)),
    taken: [...(await x.take(index, 1).data())],
    known: index.flip().toArray(),
    large: said(() => x.slice(0, 0).expand([20_000, 20_000]).add(1)),
    order: [Array.from(await pending!), await late!.data().catch((error) => error.name)],
    apart: Math.max(...webgpu.weights.map((v, i) => Math.abs(v - cpu.weights[i]!))),
    counts: webgpu.counts,
  };
}

Object.assign(globalThis, {
  gpu: {
    start: (device: Gpu = 'gpu') => chooseDevice(device),
    queued,
    failing,
    info,
    repeated,
    large,
    programs,
    convolution,
    refusals,
    reading,
    law: async (op: Primitive, seed: number, numRuns: number, device: Gpu = 'gpu') => {
      const property = fc.asyncProperty(laws[op] as fc.Arbitrary<Case>, (law) => hold(device, op, law));
      const details = await withIntegersBelow(60, async () => fc.check(property, { seed, numRuns }));
      return details.failed ? `${details.errorInstance} for ${fc.stringify(details.counterexample)}` : 'held';
    },
  },
});
