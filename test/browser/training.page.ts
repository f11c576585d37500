// What runs in the page: models trained on a device through the public API alone, and the textures and the heap counted meanwhile.

import { losses, nn, optim, type Variable, variable } from '@gemlab/autograd';
import {
  AGEMPlugin,
  DERPlugin,
  EpisodicMemory,
  EWCPlugin,
  GEMPlugin,
  gradientBased,
  ICaRLPlugin,
  LwFPlugin,
  MASPlugin,
  permutedStream,
  ReplayPlugin,
  runStream,
  SGEMPlugin,
  SIPlugin,
  Strategy,
  type StrategyPlugin,
  sampleGradients,
  streamOf,
  type TaskSamples,
} from '@gemlab/gem';
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

const ring = () => new EpisodicMemory<TaskSamples>(20);
type Method = (model: nn.MLP, features: (x: Variable) => Variable) => StrategyPlugin;
const METHODS: Record<string, Method> = {
  'A-GEM': () => new AGEMPlugin({ memory: ring(), sampleSize: 20, rng: new Rng(4) }),
  'S-GEM': () => new SGEMPlugin({ memory: ring(), rng: new Rng(4) }),
  replay: () => new ReplayPlugin({ memory: ring(), batchSize: 10, rng: new Rng(4) }),
  GSS: (model) => {
    const policy = gradientBased<TaskSamples>(sampleGradients(model, losses.crossEntropy), { compared: 2 });
    const memory = new EpisodicMemory<TaskSamples>({ total: 6 }, policy, { by: 'all', rng: new Rng(5) });
    return new ReplayPlugin({ memory, batchSize: 4, rng: new Rng(4) });
  },
  'DER++': () => new DERPlugin({ total: 30, batchSize: 10, alpha: 0.2, beta: 0.5, rng: new Rng(4) }),
  EWC: () => new EWCPlugin({ lambda: 20 }),
  SI: () => new SIPlugin({ c: 1 }),
  MAS: () => new MASPlugin({ lambda: 0.1 }),
  LwF: () => new LwFPlugin({ lambda: 1 }),
  iCaRL: (_, features) => new ICaRLPlugin({ total: 12, features }),
};

/** Each method on two tasks of that stream: the weights it ends with. */
async function methods(device: Device) {
  const ends: Record<string, number[]> = {};
  for (const [name, make] of Object.entries(METHODS)) {
    const trunk = new nn.MLP([2, 6], { rng: new Rng(1) }).to(device);
    const head = new nn.Linear(6, 2, { rng: new Rng(2) }).to(device);
    const model = new nn.Sequential(trunk, new nn.ReLU(), head);
    const strategy = new Strategy({
      model,
      optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }),
      loss: losses.crossEntropy,
      plugins: [make(model as unknown as nn.MLP, (x) => trunk.forward(x).relu())],
      trainBatchSize: 20,
      rng: new Rng(3),
    });
    await runStream(strategy, stream(device).slice(0, 2));
    ends[name] = model.parameters().flatMap((p) => [...p.value.dataSync()]);
  }
  return ends;
}

/** A convolutional net with batch norm, momentum and clipped gradients: the losses, the norms, and the state at the end. */
function convolutional(device: Device) {
  const rng = new Rng(6);
  const model = new nn.Sequential(
    // Batch norm takes a bias away: its gradient would be rounding, of which Adam makes steps.
    new nn.Conv2d(1, 4, 3, { rng, padding: 1, bias: false }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.Conv2d(4, 4, 3, { rng, stride: 2, bias: false }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Linear(4 * 3 * 3, 3, { rng }),
  ).to(device);
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.01 });
  const targets = tensor(Int32Array.from({ length: 12 }, (_, i) => i % 3));
  const images = randn([12, 1, 8, 8], new Rng(7)).add(targets.cast('float32').reshape([12, 1, 1, 1]));
  const [x, y] = [variable(images.to(device)), targets.to(device)];
  const seen: number[][] = [];
  for (let step = 0; step < 6; step++) {
    seen.push(
      scope(() => {
        const loss = losses.crossEntropy(model.forward(x), y);
        loss.backward();
        const norm = optim.clipGradNorm(model.parameters(), 0.5);
        optimizer.step();
        model.zeroGrad();
        return [loss.item() as number, norm];
      }),
    );
  }
  model.eval();
  const outputs = [...model.forward(x).value.dataSync()];
  return { seen, outputs, state: Object.values(model.stateDict()).map((t) => [...t.dataSync()]) };
}

/** So many steps of GEM by a strategy, all memories full; how many textures and how much heap there were at each tenth of them. */
async function steps(count: number) {
  const model = new nn.Linear(2, 2, { rng: new Rng(3) }).to('gpu');
  const plugin = new GEMPlugin({ patternsPerExperience: 4, memoryStrength: 0.5 });
  const seen: { textures: number; heap: number; violations: number }[] = [];
  const strategy = new Strategy({
    model,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.05 }),
    loss: losses.crossEntropy,
    plugins: [plugin],
    trainBatchSize: 12,
    // Of five steps each.
    trainEpochs: count / 5,
    rng: new Rng(2),
  });
  let [step, violations] = [0, 0];
  const afterStep = async () => {
    if (strategy.clock.experience === 0) return;
    violations += plugin.lastRecord?.violated.length ?? 0;
    if (++step % (count / 10) !== 0) return;
    // Parameters that were replaced go when they are collected; finalizers run between tasks.
    for (let i = 0; i < 3; i++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    seen.push({ textures: textures.size, heap: performance.memory.usedJSHeapSize, violations });
  };
  const [first, second] = stream('gpu');
  const few = tensor([0, 1, 2, 3, 4, 5], { dtype: 'int32', device: 'gpu' });
  await strategy.train([{ ...first!, train: first!.train.subset(few) }, second!], { afterStep });
  return seen;
}

Object.assign(globalThis, {
  training: { start: () => chooseDevice('gpu'), gem, permuted, methods, convolutional, steps },
});
