// A program with a run on disk, for the test that ends it without warning: it begins the run, or goes on with it.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { losses, nn, optim } from '@gemlab/autograd';
import { Rng, randn, tensor } from '@gemlab/tensor';

const built = (entry) => import(new URL(`../../dist/${entry}.js`, import.meta.url).href);
const { GEMPlugin, resumeRun, Strategy, startRun, streamOf } = await built('index');
const { directoryStore } = await built('node/index');

function build({ seed }) {
  const rng = new Rng(seed);
  const samples = (task, part) => {
    const inputs = randn([300, 2], rng.foldIn(2 * task + part));
    const targets = inputs.matmul(tensor([Math.cos(task), Math.sin(task)])).gt(0);
    return { inputs, targets: targets.cast('int32') };
  };
  const stream = streamOf([0, 1, 2, 3].map((task) => ({ train: samples(task, 0), test: samples(task, 1) })));
  const model = new nn.MLP([2, 16, 2], { rng });
  const strategy = new Strategy({
    model,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.05, momentum: 0.9 }),
    loss: losses.crossEntropy,
    plugins: [new GEMPlugin({ patternsPerExperience: 20, memoryStrength: 0.5 })],
    trainBatchSize: 5,
    trainEpochs: 2,
    rng,
  });
  return { strategy, stream };
}

const folder = process.argv[2];
const store = directoryStore(folder);
const begun = existsSync(join(folder, 'run.json'));
console.log('begun');
if (begun) await resumeRun(store, { build });
else await startRun(store, { config: { seed: 3 }, build, checkpointEvery: 7 });
