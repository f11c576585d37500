// Devices: where tensors live. A device is one backend under the name that users write and that `tensor.device` tells back.

import type { Backend } from './backend.ts';
import { createCpuBackend } from './backends/cpu/backend.ts';
import { createReferenceBackend } from './backends/reference.ts';
import { DeviceError } from './errors.ts';

export type Device = 'cpu' | 'gpu' | 'reference';
/** What a caller may ask for: a device, or 'auto' for the gpu where it has been started and else the cpu. */
export type DeviceChoice = Device | 'auto';

// Made when first asked for; a backend has no settings, so sharing one is not configuration. The gpu must be awaited: chooseDevice.
const makers: { readonly [D in Exclude<Device, 'gpu'>]: () => Backend } = {
  cpu: createCpuBackend,
  reference: createReferenceBackend,
};
const made = new Map<Device, Backend>();
const names = Object.keys(makers) as Device[];

/** The names a tensor's `device` option takes here: 'gpu' is one of them once it has been started. */
export const devices: readonly Device[] = names;

const NOT_STARTED = "the gpu has not been started: await chooseDevice('gpu'), or 'auto', first";
// What 'auto' stands for, and why.
let automatic = { device: 'cpu' as Device, because: NOT_STARTED };
let starting: Promise<Backend> | undefined;

/** The gpu's backend is loaded here and only here, so that nobody else loads or bundles gpu.js. */
async function startGpu(): Promise<void> {
  starting ??= import('./backends/gpu/backend.ts').then((gpu) => gpu.createGpuBackend());
  try {
    const backend = await starting;
    if (made.has('gpu')) return;
    made.set('gpu', backend);
    names.push('gpu');
    automatic = { device: 'gpu', because: 'it was started' };
  } catch (error) {
    starting = undefined;
    automatic = { device: 'cpu', because: error instanceof Error ? error.message : String(error) };
    throw error;
  }
}

/**
 * The device to use: 'gpu' starts the GPU (once), 'auto' tries to and else takes the cpu. From then on the name works wherever a
 * device is asked for, and `info().auto` says what 'auto' stands for, and why.
 * @throws DeviceError if 'gpu' is wanted and there is none: it says what was found and how to get one; or for another name.
 */
export async function chooseDevice(wish: DeviceChoice): Promise<Device> {
  if (wish === 'gpu') await startGpu();
  // 'auto' chooses openly: the reason is in info().
  if (wish === 'auto') await startGpu().catch(() => undefined);
  return backendOf(wish).name as Device;
}

/** @throws DeviceError if there is no device of that name. */
export function backendOf(device: DeviceChoice): Backend {
  const name = device === 'auto' ? automatic.device : device;
  const known = made.get(name);
  if (known) return known;
  if (name === 'gpu') throw new DeviceError(NOT_STARTED, { device });
  if (!Object.hasOwn(makers, name)) {
    const all = [...names, ...(names.includes('gpu') ? [] : ["gpu (after await chooseDevice('gpu'))"]), 'auto'];
    throw new DeviceError(`no device named '${String(device)}'; this build has ${all.join(', ')}`, { device });
  }
  const backend = makers[name]();
  made.set(name, backend);
  return backend;
}

/** What each device really computes with here, and what 'auto' stands for: for people, bug reports and tests. */
export function info(): { readonly [D in DeviceChoice]: Readonly<Record<string, string>> } {
  return {
    cpu: backendOf('cpu').describe(),
    gpu: made.get('gpu')?.describe() ?? { state: NOT_STARTED },
    reference: backendOf('reference').describe(),
    auto: automatic,
  };
}
