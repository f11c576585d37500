// Fused multiply-add: a b + c with one rounding where the cpu device has two. Faster, a little closer to the true sum, and not the same
// on every machine: relaxed SIMD leaves it to each whether it fuses. So it is a device of its own, which users ask for by name.

import { DeviceError } from '../../errors.ts';
import { f32, f32x4, i32, v128, wasmModule } from './assembler.ts';
import type { Gemm } from './gemm-loops.ts';
import { isValid } from './module.ts';

interface Host {
  readonly process?: {
    readonly versions?: { readonly node?: string; readonly v8?: string };
    getBuiltinModule?(name: string): { setFlagsFromString?(flags: string): void } | undefined;
  };
}

/** Whether the engine has the instruction. */
const isThere = (): boolean => {
  const module = wasmModule();
  const one = f32x4.splat(f32.const(1));
  module.func({ export: 'f', params: {}, body: () => v128.store(i32.const(0), f32x4.relaxedMadd(one, one, one)) });
  return isValid(module.bytes());
};

/**
 * Makes sure that the engine has fused multiply-add. Node 20 has it behind a flag of V8, which is set here, and only here.
 * @throws DeviceError where there is none: it says what was found and where there is one.
 */
export function wantFusedMultiplyAdd(): void {
  const { process } = globalThis as unknown as Host;
  if (isThere()) return;
  if (process?.versions?.v8 !== undefined) {
    process.getBuiltinModule?.('node:v8')?.setFlagsFromString?.('--experimental-wasm-relaxed-simd');
    if (isThere()) return;
  }
  const engine = process?.versions?.node === undefined ? 'this browser' : `Node ${process.versions.node}`;
  throw new DeviceError(
    `cpu-fma: no fused multiply-add: the WebAssembly of ${engine} is missing, or has no relaxed SIMD, which Node from version 20 on, ` +
      "Chromium from 114 on and Firefox from 145 on have; the device 'cpu' computes the same, more slowly",
    { engine },
  );
}

/** Whether a product really is rounded once: (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24, and 0 where the square is rounded first. */
export function fuses(gemm: Gemm): boolean {
  const [n, x] = [16, 1 + 2 ** -12];
  const [rows, columns, out] = [new Float32Array(2 * n), new Float32Array(2 * n), new Float32Array(n * n)];
  rows.fill(-(1 + 2 ** -11), 0, n).fill(x, n);
  columns.fill(1, 0, n).fill(x, n);
  gemm(n, n, 2, rows, 0, 1, n, columns, 0, n, 1, out, 0);
  return out.every((v) => v === 2 ** -24);
}
