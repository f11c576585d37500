// The page: what runs where, a button, and a row for each piece of work. No number leaves the page.

import { chooseDevice, info } from '@gemlab/tensor';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgl';
import { works } from './work.ts';

const element = (id: string) => document.getElementById(id)!;
const pause = () => new Promise((resolve) => setTimeout(resolve));

/** The median of the calls that fit into a while, after those that compile and warm up; and what was computed. */
async function measure(
  run: () => Promise<ArrayLike<number>>,
  budget: number,
): Promise<{ ms: number; data: ArrayLike<number> }> {
  let data = await run();
  for (let i = 0; i < 2; i++) data = await run();
  const times: number[] = [];
  const end = performance.now() + budget;
  while (times.length < 3 || (performance.now() < end && times.length < 200)) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
    await pause();
  }
  times.sort((a, b) => a - b);
  return { ms: times[times.length >> 1]!, data };
}

/** Whether two results are the same up to rounding. */
function agree(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  const size = Math.max(...Array.from(a, Math.abs));
  return a.length === b.length && Array.from(a).every((v, i) => Math.abs(v - b[i]!) <= 1e-3 * (1 + size));
}

const started = (device: 'gpu' | 'webgpu') =>
  chooseDevice(device).then(
    () => info()[device].renderer!,
    (error: Error) => error,
  );
const [gpu, webgpu] = [await started('gpu'), await started('webgpu')];
const named = (found: string | Error) => (found instanceof Error ? found.message : found);
const theirs = await tf.setBackend('webgl').catch(() => false);
element('where').textContent =
  `cpu: float32 matmul by ${info().cpu['float32 matmul']}. gpu: ${named(gpu)}. ` +
  `webgpu: ${named(webgpu)}. ` +
  `tfjs: ${theirs ? `${tf.version_core}, ${tf.getBackend()}` : 'no webgl'}.`;

const button = element('run') as HTMLButtonElement;
button.disabled = false;
button.addEventListener('click', async () => {
  button.disabled = true;
  element('rows').replaceChildren();
  // ?scale=0.02&budget=10 is what the test of this page asks for.
  const asked = new URLSearchParams(location.search);
  const budget = Number(asked.get('budget') ?? 1000);
  for (const work of works(Number(asked.get('scale') ?? 1))) {
    element('state').textContent = `${work.name}…`;
    await pause();
    const row = document.createElement('tr');
    row.append(Object.assign(document.createElement('td'), { textContent: work.name }));
    element('rows').append(row);
    let reference: ArrayLike<number> | undefined;
    for (const prepare of [
      () => work.gemlab('cpu'),
      gpu instanceof Error ? null : () => work.gemlab('gpu'),
      webgpu instanceof Error ? null : () => work.gemlab('webgpu'),
      theirs ? () => work.tfjs() : null,
    ]) {
      const cell = document.createElement('td');
      row.append(cell);
      if (prepare === null) {
        cell.textContent = '-';
        continue;
      }
      try {
        const { ms, data } = await measure(prepare(), budget);
        reference ??= data;
        cell.textContent = agree(reference, data) ? ms.toPrecision(3) : 'differs';
      } catch (error) {
        cell.textContent = String(error);
      }
    }
  }
  element('state').textContent = 'Done.';
  button.disabled = false;
});
