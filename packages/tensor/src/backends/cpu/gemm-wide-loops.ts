/**
 * Matrix products of float32 and float64 operands that are formed and summed in float64, as plain loops:
 *
 *   C[i,j] = sum over k of A[i,k] B[k,j]
 *
 * Order of summation, the same for every element and every shape: term k goes to lane k mod 4, each lane is summed upwards from 0, and
 * the sum is (l0 + l2) + (l1 + l3). The product of two float32 is exact in float64.
 */

export type Floats = Float32Array | Float64Array;

export const WIDE_LANES = 4;

/** As `Gemm` of gemm-loops.ts: operands with offset, row and column stride in elements; C is dense and overlaps neither. */
export type WideGemm = (
  m: number,
  n: number,
  k: number,
  a: Floats,
  aOffset: number,
  aRow: number,
  aCol: number,
  b: Floats,
  bOffset: number,
  bRow: number,
  bCol: number,
  c: Float64Array,
  cOffset: number,
) => void;

export const wideGemmLoops: WideGemm = (m, n, k, a, aOffset, aRow, aCol, b, bOffset, bRow, bCol, c, cOffset) => {
  const lanes = new Float64Array(WIDE_LANES);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      lanes.fill(0);
      for (let p = 0; p < k; p++) {
        lanes[p % WIDE_LANES] += a[aOffset + i * aRow + p * aCol] * b[bOffset + p * bRow + j * bCol];
      }
      c[cOffset + i * n + j] = lanes[0] + lanes[2] + (lanes[1] + lanes[3]);
    }
  }
};
