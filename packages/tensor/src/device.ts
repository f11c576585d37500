// Devices: where tensors live. A device is one backend under the name that users write and that `tensor.device` tells back.

import type { Backend } from './backend.ts';
import { createCpuBackend } from './backends/cpu/backend.ts';
import { wantFusedMultiplyAdd } from './backends/cpu/fma.ts';
import { CpuMemory } from './backends/cpu/memory.ts';
import { createReferenceBackend } from './backends/reference.ts';
import { DeviceError, OptionError } from './errors.ts';

export type Device = 'cpu' | 'cpu-fma' | 'gpu' | 'webgpu' | 'reference';
/** What a caller may ask for: a device, or 'auto' for the gpu where it has been started and else the cpu. */
export type DeviceChoice = Device | 'auto';

/** Devices that must be awaited: chooseDevice. */
type Awaited = 'cpu-fma' | 'gpu' | 'webgpu';

// The cpu's devices hold their tensors in one memory.
const cpuMemory = new CpuMemory();
const gpuBackend = (name: 'gpu' | 'webgpu') =>
  import('./backends/gpu/backend.ts').then((gpu) => gpu.createGpuBackend(name));

/** The gpu's backends are loaded here and only here, so that nobody else loads or bundles gpu.js. */
const loaders: { readonly [D in Awaited]: () => Promise<Backend> } = {
  'cpu-fma': async () => {
    wantFusedMultiplyAdd();
    return createCpuBackend('cpu-fma', cpuMemory);
  },
  gpu: () => gpuBackend('gpu'),
  webgpu: () => gpuBackend('webgpu'),
};
const AWAITED: readonly string[] = Object.keys(loaders);

// Made when first asked for; a backend has no settings, so sharing one is not configuration.
const makers: { readonly [D in Exclude<Device, Awaited>]: () => Backend } = {
  cpu: () => createCpuBackend('cpu', cpuMemory),
  reference: createReferenceBackend,
};
const made = new Map<Device, Backend>();
const names = Object.keys(makers) as Device[];

/** The names a tensor's `device` option takes here: 'cpu-fma', 'gpu' and 'webgpu' are among them once they have been started. */
export const devices: readonly Device[] = names;

const notStarted = (name: string) =>
  `the ${name} has not been started: await chooseDevice('${name}')${name === 'gpu' ? ", or 'auto'," : ''} first`;
// What 'auto' stands for, and why.
let automatic = { device: 'cpu' as Device, because: notStarted('gpu') };
const starting = new Map<Awaited, Promise<Backend>>();

async function start(name: Awaited): Promise<void> {
  const known = starting.get(name) ?? loaders[name]();
  starting.set(name, known);
  try {
    const backend = await known;
    if (made.has(name)) return;
    made.set(name, backend);
    names.push(name);
    // On the webgpu nothing can be read at once, which is no choice to make for anybody.
    if (name === 'gpu') automatic = { device: 'gpu', because: 'it was started' };
  } catch (error) {
    starting.delete(name);
    if (name === 'gpu') automatic = { device: 'cpu', because: error instanceof Error ? error.message : String(error) };
    throw error;
  }
}

/**
 * The device to use: 'cpu-fma' is the cpu with fused multiply-add in float32 products, faster, with last bits that depend on the machine;
 * 'gpu' starts the GPU by WebGL2 (once), 'webgpu' by WebGPU, where nothing can be read at once, and 'auto' tries to
 * start the 'gpu' and else takes the cpu. From then on the name works wherever a device is asked for, and `info().auto` says what 'auto'
 * stands for, and why.
 * @throws DeviceError if one is wanted and there is none: it says what was found and how to get one; or for another name.
 */
export async function chooseDevice(wish: DeviceChoice): Promise<Device> {
  if (Object.hasOwn(loaders, wish)) await start(wish as Awaited);
  // 'auto' chooses openly: the reason is in info().
  if (wish === 'auto') await start('gpu').catch(() => undefined);
  return backendOf(wish).name as Device;
}

/**
 * How many threads compute on 'cpu' and 'cpu-fma': 1 at first. Large products, elementwise ops and reductions are shared among them, and the
 * results have the same bits for any number. They wait, spinning for a moment, between two ops, and do not keep a program alive;
 * `setNumThreads(1)` ends them. Of calls that overlap the last one counts.
 * @throws OptionError unless it is an integer from 1 on; DeviceError where threads cannot be had: in a browser whose page is not cross-origin
 * isolated, or without WebAssembly. Then all is as before.
 */
export async function setNumThreads(size: number): Promise<void> {
  if (!Number.isInteger(size) || size < 1) {
    throw new OptionError(`setNumThreads: wants an integer from 1 on, found ${size}`, { size });
  }
  await backendOf('cpu').setThreads?.(size);
}

/** @throws DeviceError if there is no device of that name. */
export function backendOf(device: DeviceChoice): Backend {
  const name = device === 'auto' ? automatic.device : device;
  const known = made.get(name);
  if (known) return known;
  if (AWAITED.includes(name)) throw new DeviceError(notStarted(name), { device });
  if (!Object.hasOwn(makers, name)) {
    const later = AWAITED.filter((d) => !made.has(d as Device)).map((d) => `${d} (after await chooseDevice('${d}'))`);
    const all = [...names, ...later, 'auto'];
    throw new DeviceError(`no device named '${String(device)}'; this build has ${all.join(', ')}`, { device });
  }
  const backend = makers[name as keyof typeof makers]();
  made.set(name, backend);
  return backend;
}

/** What each device really computes with here, and what 'auto' stands for: for people, bug reports and tests. */
export function info(): { readonly [D in DeviceChoice]: Readonly<Record<string, string>> } {
  return {
    cpu: backendOf('cpu').describe(),
    'cpu-fma': made.get('cpu-fma')?.describe() ?? { state: notStarted('cpu-fma') },
    gpu: made.get('gpu')?.describe() ?? { state: notStarted('gpu') },
    webgpu: made.get('webgpu')?.describe() ?? { state: notStarted('webgpu') },
    reference: backendOf('reference').describe(),
    auto: automatic,
  };
}
