// Devices: where tensors live. A device is one backend under the name that users write and that `tensor.device` tells back.

import type { Backend } from './backend.ts';
import { createCpuBackend } from './backends/cpu/backend.ts';
import { createReferenceBackend } from './backends/reference.ts';
import { DeviceError } from './errors.ts';

export type Device = 'cpu' | 'reference';

const makers: { readonly [D in Device]: () => Backend } = {
  cpu: createCpuBackend,
  reference: createReferenceBackend,
};

// Made when first asked for; a backend has no settings, so sharing one is not configuration.
const made = new Map<Device, Backend>();

/** The names a tensor's `device` option takes here. */
export const devices = Object.keys(makers) as readonly Device[];

/** @throws DeviceError if there is no device of that name. */
export function backendOf(device: Device): Backend {
  const known = made.get(device);
  if (known) return known;
  if (!Object.hasOwn(makers, device)) {
    throw new DeviceError(`no device named '${String(device)}'; this build has ${devices.join(', ')}`, { device });
  }
  const backend = makers[device]();
  made.set(device, backend);
  return backend;
}

/** What each device really computes with here: for people, bug reports and tests. */
export function info(): { readonly [D in Device]: Readonly<Record<string, string>> } {
  return Object.fromEntries(devices.map((d) => [d, backendOf(d).describe()])) as ReturnType<typeof info>;
}
