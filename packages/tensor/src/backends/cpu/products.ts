// Products on the cpu: by compressed rows, by vectors in the heap, or by what takes operands from anywhere. The bias of a linear layer is added
// where the sums of its product are stored, or in a pass of its own, which gives the same bits.

import type { Kernel, Kernels, Operand } from '../../backend.ts';
import type { Spec } from '../../primitives.ts';
import { sizeOf } from '../../shape.ts';
import type { Storage } from '../../storage.ts';
import { contiguousView, expandView, positions } from '../../view.ts';
import { asProduct } from '../linear.ts';
import { referenceKernels } from '../reference.ts';
import { type GemmEngine, gemmLoops64 } from './gemm.ts';
import { NO_BIAS } from './gemm-kernel.ts';
import { createWideGemm } from './gemm-wide.ts';
import type { CpuMemory } from './memory.ts';
import type { SparseProducts } from './sparse-products.ts';
import type { Vectors } from './vectors.ts';

interface Means {
  readonly memory: CpuMemory;
  readonly gemm: GemmEngine;
  readonly vectors: Vectors | null;
  readonly sparse: SparseProducts | null;
  /** Adds x to a dense float tensor of its shape. */
  readonly addInPlace: (sum: Operand, x: Operand) => void;
}

export function createProducts({
  memory,
  gemm,
  vectors,
  sparse,
  addInPlace,
}: Means): Pick<Kernels, 'matmul' | 'linear'> {
  const { heap } = memory;
  const wideGemm = createWideGemm(heap ?? undefined);
  const fresh = (out: Spec) => memory.take(out.dtype, sizeOf(out.shape));

  /** a b, and what lies at `bias` added to each of its rows; false if not all of that lies in the heap. */
  const inHeap = (a: Operand, b: Operand, bias: number, out: Spec, result: Storage): boolean => {
    if (sparse?.matmul(a, b, bias, out, result)) return true;
    return result.address >= 0 && vectors !== null && vectors.matmul(a, b, bias, out, result);
  };

  const anywhere = (a: Operand, b: Operand, widens: boolean, out: Spec, result: Storage): void => {
    const products = { float32: gemm, float64: widens ? wideGemm : gemmLoops64 };
    const [m, n, k] = [out.shape.at(-2)!, out.shape.at(-1)!, a.shape.at(-1)!];
    const [left, right, to] = [a.storage, b.storage, result].map(
      (storage) => heap?.elementsOf(storage) ?? storage.data,
    );
    const starts = (x: Operand) => positions({ shape: x.shape.slice(0, -2), strides: x.strides, offset: x.offset });
    const startsB = starts(b);
    let at = 0;
    for (const startA of starts(a)) {
      const startB = startsB.next().value as number;
      (products[out.dtype as keyof typeof products] as (...args: unknown[]) => void)(
        m,
        n,
        k,
        left,
        startA,
        a.strides.at(-2)!,
        a.strides.at(-1)!,
        right,
        startB,
        b.strides.at(-2)!,
        b.strides.at(-1)!,
        to,
        at,
      );
      at += m * n;
    }
  };

  const matmul: Kernel<'matmul'> = (params, inputs, out) => {
    if (out.dtype === 'int32') return referenceKernels.matmul(params, inputs, out);
    const [a, b] = inputs as [Operand, Operand];
    const result = fresh(out);
    if (!inHeap(a, b, NO_BIAS, out, result)) anywhere(a, b, params.dtype === 'float64', out, result);
    return result;
  };

  const linear: Kernel<'linear'> = (params, inputs, out) => {
    if (out.dtype === 'int32') return referenceKernels.linear(params, inputs, out);
    const [x, w, bias] = inputs as [Operand, Operand, Operand?];
    const result = fresh(out);
    const { a, b, of } = asProduct(x, w, out);
    const at = bias === undefined ? NO_BIAS : (vectors?.addressOfBias(bias) ?? -1);
    if (at >= 0 && inHeap(a, b, at, of, result)) return result;
    anywhere(a, b, false, of, result);
    if (bias !== undefined) {
      const sum: Operand = { ...contiguousView(out.shape), dtype: out.dtype, storage: result };
      addInPlace(sum, { ...bias, ...expandView(bias, out.shape) });
    }
    return result;
  };

  return { matmul, linear };
}
