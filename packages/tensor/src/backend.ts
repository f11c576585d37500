// The contract between tensors and whatever computes them. A backend is a table with one kernel for each primitive
// that computes; the type makes a missing one a compile error. View primitives never reach it.

import type { DType, TypedArray } from './dtype.ts';
import type { ComputeParams, ComputePrimitive, Spec } from './primitives.ts';
import type { Storage } from './storage.ts';
import type { View } from './view.ts';

/** An operand: a storage and the view through which to read it. */
export interface Operand extends View {
  readonly dtype: DType;
  readonly storage: Storage;
}

/** Computes a primitive into fresh contiguous storage of `out`'s dtype and size. Operands are only read. */
export type Kernel<P extends ComputePrimitive> = (
  params: ComputeParams[P],
  inputs: readonly Operand[],
  out: Spec,
) => Storage;

export type Kernels = { readonly [P in ComputePrimitive]: Kernel<P> };

/** The same kernel-making rule for each of several primitives. */
export function kernelsFor<N extends ComputePrimitive>(
  names: readonly N[],
  make: (name: N) => Kernel<N>,
): Pick<Kernels, N> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as unknown as Pick<Kernels, N>;
}

export interface Backend {
  /** The device's name as users write it, and as `tensor.device` says it. */
  readonly name: string;
  readonly kernels: Kernels;
  /** Where the storages lie. Between backends of one memory a tensor moves without being copied. */
  readonly memory?: object;
  /** Takes over a host array (which the caller no longer touches) as storage. */
  upload(data: TypedArray, dtype: DType): Storage;
  /** A storage of one number, which is of that dtype: where there is a quicker way than to upload it. */
  scalar?(value: number, dtype: DType): Storage;
  /** Notes the rows of a dense matrix without zeros (see compressRows), where products of the device gain by it. */
  compressRows?(storage: Storage, rows: number, width: number, maxDensity: number): void;
  /** A fresh host copy of an operand's elements in row-major order. */
  read(x: Operand): Promise<TypedArray>;
  /** The same at once; a backend that cannot block throws DeviceError saying to await data(). */
  readSync(x: Operand): TypedArray;
  /** Puts so many threads to work, where the backend has any; results do not depend on it. @throws DeviceError where it cannot. */
  setThreads?(size: number): Promise<void>;
  /** What really computes here, in words: kernels and features found at run time. */
  describe(): Readonly<Record<string, string>>;
}
