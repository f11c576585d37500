// Every public op on its case in ../features/cases.ts: does a gpu do what the cpu does, in each dtype that it has?

import { type Variable, variable } from '@gemlab/autograd';
import { chooseDevice, type Device, type DType, errors, isFloat, type Tensor } from '@gemlab/tensor';
import { type Case, functions, type Maker, methods } from '../features/cases.ts';

const DTYPES: readonly DType[] = ['bool', 'int32', 'float32'];

/** Cast to a dtype: the floats among the inputs, or the first input if there are none. */
function cast(inputs: readonly Tensor[], dtype: DType, device: Device): Tensor[] {
  const floats = inputs.some((x) => isFloat(x.dtype));
  return inputs.map((x, i) => ((floats ? isFloat(x.dtype) : i === 0) ? x.cast(dtype) : x).to(device));
}

/** Result and gradients of an op, as lines that say shape, dtype and elements; null if it does not take the dtype on the cpu. */
async function perform(one: Case | Maker, dtype: DType, device: Device): Promise<Tensor[]> {
  if (typeof one === 'function') return [one({ dtype, device })];
  const inputs = cast(one.inputs, dtype, device);
  const result = one.run(...inputs);
  if (dtype !== 'float32' || !isFloat(result.dtype)) return [result];
  const leaves = inputs.map((x) => variable(x, { requiresGrad: isFloat(x.dtype) }));
  const root = (one.run as (...xs: Variable[]) => Variable)(...leaves);
  if (!root.requiresGrad) return [result];
  root.mul(root).sum().backward();
  return [result, ...leaves.flatMap((x) => (x.grad ? [x.grad.value] : []))];
}

/** Where the device differs from the cpu, or refuses: a line for each op and dtype. */
async function differences(device: Device): Promise<string[]> {
  await chooseDevice(device as 'gpu');
  const found: string[] = [];
  for (const [op, one] of Object.entries<Case | Maker>({ ...methods, ...functions })) {
    for (const dtype of DTYPES) {
      let expected: Tensor[];
      try {
        expected = await perform(one, dtype, 'cpu');
      } catch (error) {
        if (error instanceof errors.DTypeError) continue;
        throw error;
      }
      if (expected.some((t) => t.dtype === 'float64')) continue;
      try {
        const results = await perform(one, dtype, device);
        for (const [i, t] of expected.entries()) {
          const [ours, theirs] = [await results[i]!.data(), t.dataSync()];
          const same = String([t.dtype, t.shape]) === String([results[i]!.dtype, results[i]!.shape]);
          const near = (v: number, w: number) => Object.is(v + 0, w + 0) || Math.abs(v - w) <= 1e-4 * (1 + Math.abs(w));
          if (!same || !theirs.every((w, j) => near(ours[j]!, w))) found.push(`${op} ${dtype}: differs`);
        }
      } catch (error) {
        found.push(`${op} ${dtype}: ${String(error).slice(0, 60)}`);
      }
    }
  }
  return found;
}

Object.assign(globalThis, { features: { differences } });
