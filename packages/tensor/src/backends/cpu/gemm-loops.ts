/**
 * Matrix product as plain loops, C[i,j] = sum over k of A[i,k] B[k,j]: the form to read, and what runs where WebAssembly vectors are
 * missing or a product is too small to be worth a copy.
 *
 * A tile of 3 by 3 sums is kept in local variables while k runs, so that each value loaded is used three times; nine sums and six
 * operands are what fits the registers. Tiles at an edge repeat the last row or column and store only what exists.
 *
 * Order of summation: k runs in blocks of `K_BLOCK`; within a block every sum goes upwards from 0; the sums of the blocks are
 * added in order. Every product and every sum is rounded to the array's own type, which is what makes the float32 loops agree
 * bit for bit with the float32 vectors of gemm-kernel.ts.
 */

/** A strided operand is (array, offset, row stride, column stride), in elements; strides may be zero or negative. C is dense. */
type GemmOf<Data> = (
  m: number,
  n: number,
  k: number,
  a: Data,
  aOffset: number,
  aRowStride: number,
  aColStride: number,
  b: Data,
  bOffset: number,
  bRowStride: number,
  bColStride: number,
  c: Data,
  cOffset: number,
) => void;

/** C[m,n] = A[m,k] B[k,n] in float32. C is written row-major from `cOffset`, whatever it held, and must not overlap A or B. */
export interface Gemm extends GemmOf<Float32Array> {}

/** The same in float64. */
export interface Gemm64 extends GemmOf<Float64Array> {}

/** Part of the result's definition, not only of its speed: see the order of summation above. */
export const K_BLOCK = 512;

const round = Math.fround;

/** Rounding at every step costs nearly half the speed of sums in float64, and buys the bits of the vectors. */
export const gemmLoops: Gemm = (m, n, k, a, aOffset, aRow, aCol, b, bOffset, bRow, bCol, c, cOffset) => {
  const tile = new Float32Array(9);
  for (let k0 = 0; k0 === 0 || k0 < k; k0 += K_BLOCK) {
    const depth = Math.min(K_BLOCK, k - k0);
    for (let i = 0; i < m; i += 3) {
      const rows = Math.min(3, m - i);
      const a1 = rows > 1 ? aRow : 0;
      const a2 = rows > 2 ? 2 * aRow : a1;
      for (let j = 0; j < n; j += 3) {
        const columns = Math.min(3, n - j);
        const b1 = columns > 1 ? bCol : 0;
        const b2 = columns > 2 ? 2 * bCol : b1;
        let p = aOffset + i * aRow + k0 * aCol;
        let q = bOffset + k0 * bRow + j * bCol;
        let c00 = 0;
        let c01 = 0;
        let c02 = 0;
        let c10 = 0;
        let c11 = 0;
        let c12 = 0;
        let c20 = 0;
        let c21 = 0;
        let c22 = 0;
        for (let step = 0; step < depth; step++, p += aCol, q += bRow) {
          const x0 = a[p];
          const x1 = a[p + a1];
          const x2 = a[p + a2];
          const y0 = b[q];
          const y1 = b[q + b1];
          const y2 = b[q + b2];
          c00 = round(c00 + round(x0 * y0));
          c01 = round(c01 + round(x0 * y1));
          c02 = round(c02 + round(x0 * y2));
          c10 = round(c10 + round(x1 * y0));
          c11 = round(c11 + round(x1 * y1));
          c12 = round(c12 + round(x1 * y2));
          c20 = round(c20 + round(x2 * y0));
          c21 = round(c21 + round(x2 * y1));
          c22 = round(c22 + round(x2 * y2));
        }
        tile[0] = c00;
        tile[1] = c01;
        tile[2] = c02;
        tile[3] = c10;
        tile[4] = c11;
        tile[5] = c12;
        tile[6] = c20;
        tile[7] = c21;
        tile[8] = c22;
        for (let r = 0; r < rows; r++) {
          const at = cOffset + (i + r) * n + j;
          for (let s = 0; s < columns; s++) c[at + s] = (k0 === 0 ? 0 : c[at + s]) + tile[3 * r + s];
        }
      }
    }
  }
};

/** The same loops in float64, which JavaScript rounds to by itself. (One text for both, given what rounds, is 20 times as slow in V8.) */
export const gemmLoops64: Gemm64 = (m, n, k, a, aOffset, aRow, aCol, b, bOffset, bRow, bCol, c, cOffset) => {
  const tile = new Float64Array(9);
  for (let k0 = 0; k0 === 0 || k0 < k; k0 += K_BLOCK) {
    const depth = Math.min(K_BLOCK, k - k0);
    for (let i = 0; i < m; i += 3) {
      const rows = Math.min(3, m - i);
      const a1 = rows > 1 ? aRow : 0;
      const a2 = rows > 2 ? 2 * aRow : a1;
      for (let j = 0; j < n; j += 3) {
        const columns = Math.min(3, n - j);
        const b1 = columns > 1 ? bCol : 0;
        const b2 = columns > 2 ? 2 * bCol : b1;
        let p = aOffset + i * aRow + k0 * aCol;
        let q = bOffset + k0 * bRow + j * bCol;
        let c00 = 0;
        let c01 = 0;
        let c02 = 0;
        let c10 = 0;
        let c11 = 0;
        let c12 = 0;
        let c20 = 0;
        let c21 = 0;
        let c22 = 0;
        for (let step = 0; step < depth; step++, p += aCol, q += bRow) {
          const x0 = a[p];
          const x1 = a[p + a1];
          const x2 = a[p + a2];
          const y0 = b[q];
          const y1 = b[q + b1];
          const y2 = b[q + b2];
          c00 += x0 * y0;
          c01 += x0 * y1;
          c02 += x0 * y2;
          c10 += x1 * y0;
          c11 += x1 * y1;
          c12 += x1 * y2;
          c20 += x2 * y0;
          c21 += x2 * y1;
          c22 += x2 * y2;
        }
        tile[0] = c00;
        tile[1] = c01;
        tile[2] = c02;
        tile[3] = c10;
        tile[4] = c11;
        tile[5] = c12;
        tile[6] = c20;
        tile[7] = c21;
        tile[8] = c22;
        for (let r = 0; r < rows; r++) {
          const at = cOffset + (i + r) * n + j;
          for (let s = 0; s < columns; s++) c[at + s] = (k0 === 0 ? 0 : c[at + s]) + tile[3 * r + s];
        }
      }
    }
  }
};
