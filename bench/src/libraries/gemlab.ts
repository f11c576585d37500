// Every piece of work in gemlab, through its public API and as its READMEs write it.

import { groupGradients, layerFactors, losses, nn, optim, variable } from '@gemlab/autograd';
import {
  chooseDevice,
  concat,
  type Device,
  full,
  info,
  keep,
  Rng,
  scope,
  setNumThreads,
  type Tensor,
  tensor,
} from '@gemlab/tensor';
import type { HostArray } from '../host-array.ts';
import type { Inputs, Library, Piece } from '../library.ts';

const SIZES = [784, 100, 100, 10];

const back = (x: Tensor): HostArray => ({ shape: x.shape, data: (x.dataSync() as HostArray['data']).slice() });

/** A piece without a state: what it computes is returned to its scope at once. */
function pure(compute: () => Tensor): Piece {
  return { run: () => scope(() => void compute()), check: () => [back(compute())] };
}

/** The paper's network with given parameters. */
function network(inputs: Inputs, device: Device): nn.MLP {
  const model = new nn.MLP(SIZES, { rng: new Rng(0), init: 'xavier' });
  model.parameters().forEach((p, i) => {
    const { data, shape } = inputs[`w${i}`]!;
    p.assign(keep(tensor(data, { shape })));
  });
  return model.to(device);
}

/** @param options the device, and how many threads. */
export async function load([name = 'cpu', threads = '1']: readonly string[]): Promise<Library> {
  const device = await chooseDevice(name as Device);
  if (threads !== '1') await setNumThreads(Number(threads));
  const take = ({ shape, data }: HostArray) => tensor(data, { shape, device });
  const described = Object.entries(info()[device] ?? {}).map(([what, how]) => `${what}: ${how}`);
  return {
    about: { device, computes: described.join(', ') },
    pieces: {
      gemm: ({ a, b }) => {
        const [x, y] = [take(a!), take(b!)];
        return pure(() => x.matmul(y));
      },
      add: ({ a, b }) => {
        const [x, y] = [take(a!), take(b!)];
        return pure(() => x.add(y));
      },
      sum: ({ a }) => {
        const x = take(a!);
        return pure(() => x.sum());
      },
      sgd: ({ a, b }, { lr }) => {
        const p = variable(take(a!), { requiresGrad: true });
        p.grad = variable(take(b!));
        const optimizer = new optim.SGD([p], { lr: lr! });
        const run = () => scope(() => optimizer.step());
        return {
          run,
          check() {
            run();
            return [back(p.value)];
          },
        };
      },
      'cross-entropy': ({ scores, targets }) => {
        const x = variable(take(scores!), { requiresGrad: true });
        const y = take(targets!);
        const compute = () => {
          const loss = losses.crossEntropy(x, y);
          loss.backward();
          const found = [loss.value, x.grad!.value];
          x.grad = null;
          return found;
        };
        return { run: () => scope(() => void compute()), check: () => compute().map(back) };
      },
      gram: ({ g }) => {
        const G = take(g!);
        return pure(() => G.matmul(G.transpose(), { dtype: 'float64' }));
      },
      step: (inputs, { lr }) => {
        const model = network(inputs, device);
        const optimizer = new optim.SGD(model.parameters(), { lr: lr! });
        const [x, y] = [take(inputs.x!), take(inputs.y!)];
        const run = () =>
          scope(() => {
            const loss = losses.crossEntropy(model.forward(variable(x)), y);
            loss.backward();
            optimizer.step();
            model.zeroGrad();
            return loss.item() as number;
          });
        return {
          run,
          check() {
            const seen = Float32Array.of(run(), run(), run());
            return [{ shape: [3], data: seen }, ...model.parameters().map((p) => back(p.value))];
          },
        };
      },
      // All memories in one pass: the factors of the layers give the gradients of groups of samples.
      memory: (inputs, { tasks, n }) => {
        const model = network(inputs, device);
        const [all, groups] = [tasks! * n!, Array.from({ length: tasks! }, () => n!)];
        const [x, y] = [take(inputs.x!).reshape([all, SIZES[0]!]), take(inputs.y!).reshape([all])];
        const weights = full([all], 1 / n!, { device });
        return pure(() => {
          const each = losses.crossEntropy(model.forward(variable(x)), y, { reduction: 'none' });
          const gradients = groupGradients(layerFactors(each, model, { weights }).factors, groups);
          return concat(
            model.parameters().map((p) => gradients.get(p)!.reshape([tasks!, -1])),
            1,
          );
        });
      },
      gem: async (inputs, params) => {
        // Loaded here, so that start-up is that of tensors and derivatives alone.
        const { GEMPlugin, Strategy } = await import('@gemlab/gem');
        const { gemOrder, gemStream } = await import('../gem-stream.ts');
        const stream = gemStream(params, device);
        const model = network(inputs, device);
        const gem = new GEMPlugin({ patternsPerExperience: params.memories!, memoryStrength: params.memoryStrength! });
        const strategy = new Strategy({
          model,
          optimizer: new optim.SGD(model.parameters(), { lr: params.lr! }),
          loss: losses.crossEntropy,
          plugins: [gem],
          trainBatchSize: params.batch!,
          rng: gemOrder(),
        });
        return {
          run: () => strategy.train(stream[strategy.clock.experience]!),
          async check() {
            const results = await strategy.eval(stream);
            return [{ shape: [stream.length], data: Float32Array.from(results, (r) => r.accuracy) }];
          },
        };
      },
    },
  };
}
