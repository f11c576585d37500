// What runs in the page: models trained on a device through the public API alone, and the textures and the heap counted meanwhile.

import { losses, nn, optim, variable } from '@gemlab/autograd';
import { GEMPlugin, permutedStream, runStream, Strategy, streamOf } from '@gemlab/gem';
import { chooseDevice, type Device, Rng, randn, scope, tensor } from '@gemlab/tensor';

const {
  WebGL2RenderingContext: gl,
  gc,
  performance,
} = globalThis as unknown as {
  WebGL2RenderingContext: { prototype: { createTexture(): unknown; deleteTexture(texture: unknown): void } };
  gc(): void;
  performance: { memory: { usedJSHeapSize: number } };
};
// Every texture there is, whoever made it.
const textures = new Set<unknown>();
const { createTexture, deleteTexture } = gl.prototype;
gl.prototype.createTexture = function (this: unknown) {
  const texture = createTexture.call(this);
  textures.add(texture);
  return texture;
};
gl.prototype.deleteTexture = function (this: unknown, texture: unknown) {
  textures.delete(texture);
  deleteTexture.call(this, texture);
};

/** Three tasks in the plane: each asks on which side of a line a point lies, and the line turns from task to task. */
function stream(device: Device) {
  const rng = new Rng(0);
  const samples = (task: number, part: number) => {
    const inputs = randn([60, 2], rng.foldIn(2 * task + part));
    const normal = tensor([Math.cos(task), Math.sin(task)]);
    return { inputs: inputs.to(device), targets: inputs.matmul(normal).gt(0).cast('int32').to(device) };
  };
  return streamOf([0, 1, 2].map((task) => ({ train: samples(task, 0), test: samples(task, 1) })));
}

/** GEM on that stream: the accuracies, and what each projecting step found. */
async function gem(device: Device) {
  const model = new nn.MLP([2, 8, 2], { rng: new Rng(1) }).to(device);
  const plugin = new GEMPlugin({ patternsPerExperience: 20, memoryStrength: 0.5 });
  const violations: number[] = [];
  const strategy = new Strategy({
    model,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }),
    loss: losses.crossEntropy,
    plugins: [
      plugin,
      { name: 'watch', afterTrainingIteration: () => void violations.push(plugin.lastRecord?.violated.length ?? 0) },
    ],
    trainBatchSize: 10,
    rng: new Rng(2),
  });
  const matrix = await runStream(strategy, stream(device));
  const where = new Set(model.parameters().map((p) => p.value.device));
  return {
    rows: matrix.accuracies,
    violations,
    devices: [...where],
    weights: model.parameters().map((p) => [...p.value.dataSync()]),
  };
}

interface Images {
  /** Bytes in base64: of each image 784, and its label. */
  readonly pixels: string;
  readonly labels: string;
}
const bytes = (base64: string) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

/** GEM with the paper's network on permuted MNIST: its accuracies. */
async function permuted(device: Device, images: Images, trained: number) {
  const labels = bytes(images.labels);
  const samples = (from: number, to: number) => ({
    inputs: tensor(
      Float32Array.from(bytes(images.pixels).subarray(784 * from, 784 * to), (v) => v / 255),
      {
        shape: [to - from, 784],
        device,
      },
    ),
    targets: tensor(Int32Array.from(labels.subarray(from, to)), { device }),
  });
  const model = new nn.MLP([784, 100, 100, 10], { rng: new Rng(1) }).to(device);
  const strategy = new Strategy({
    model,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }),
    loss: losses.crossEntropy,
    plugins: [new GEMPlugin({ patternsPerExperience: 30, memoryStrength: 0.5 })],
    trainBatchSize: 10,
    rng: new Rng(2),
  });
  const parts = { train: samples(0, trained), test: samples(trained, labels.length) };
  return (await runStream(strategy, permutedStream({ ...parts, tasks: 2, rng: new Rng(3) }))).accuracies;
}

/** So many steps of a model of one layer; how many textures and how much heap there were after a tenth of them, and at the end. */
async function steps(count: number) {
  const model = new nn.Linear(4, 3, { rng: new Rng(3) }).to('gpu');
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.05 });
  const inputs = randn([6, 4], new Rng(4)).to('gpu');
  const targets = tensor([0, 1, 2, 0, 1, 2], { dtype: 'int32' }).to('gpu');
  const seen: { textures: number; heap: number; loss: number }[] = [];
  for (let step = 1; step <= count; step++) {
    const loss = scope(() => {
      const error = losses.crossEntropy(model.forward(variable(inputs)), targets);
      error.backward();
      optimizer.step();
      model.zeroGrad();
      return step % (count / 10) === 0 ? (error.item() as number) : 0;
    });
    if (step % (count / 10) !== 0) continue;
    // Parameters that were replaced go when they are collected; finalizers run between tasks.
    for (let i = 0; i < 3; i++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    seen.push({ textures: textures.size, heap: performance.memory.usedJSHeapSize, loss });
  }
  return seen;
}

Object.assign(globalThis, { training: { start: () => chooseDevice('gpu'), gem, permuted, steps } });
