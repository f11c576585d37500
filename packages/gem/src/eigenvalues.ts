// Eigenvalues of a small symmetric matrix by Jacobi's method (1846; Golub & Van Loan, section 8.5): rotate away one off-diagonal entry
// after another. Each rotation is orthogonal, so the eigenvalues stay, and what is left off the diagonal shrinks quadratically.

/** Six or so bring the rest to rounding, where rotations may go on trading last bits. */
const MAX_SWEEPS = 30;

/** The eigenvalues of a symmetric n x n matrix of finite numbers, in ascending order. The matrix is not changed. */
export function symmetricEigenvalues(matrix: readonly (readonly number[])[]): number[] {
  const a = matrix.map((row) => [...row]);
  const n = a.length;
  const scale = Math.max(0, ...a.flat().map(Math.abs));
  let rotated = scale > 0;
  for (let sweep = 0; rotated && sweep < MAX_SWEEPS; sweep++) {
    rotated = false;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (Math.abs(a[p]![q]!) <= Number.EPSILON * scale) continue;
        rotated = true;
        rotateAway(a, p, q);
      }
    }
  }
  return a.map((row, i) => row[i]!).sort((x, y) => x - y);
}

/** Rotates the (p, q) plane so that a[p][q] becomes 0. */
function rotateAway(a: number[][], p: number, q: number): void {
  const theta = (a[q]![q]! - a[p]![p]!) / (2 * a[p]![q]!);
  // The smaller root of t^2 + 2 theta t - 1 = 0, t = tan of the angle, in the form that does not cancel.
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1);
  const s = t * c;
  for (const row of a) {
    const [x, y] = [row[p]!, row[q]!];
    row[p] = c * x - s * y;
    row[q] = s * x + c * y;
  }
  const [rowP, rowQ] = [a[p]!, a[q]!];
  a[p] = rowP.map((x, k) => c * x - s * rowQ[k]!);
  a[q] = rowP.map((x, k) => s * x + c * rowQ[k]!);
  a[p]![q] = 0;
  a[q]![p] = 0;
}

/** Largest over smallest eigenvalue of a Gram matrix; null where it is singular to rounding, that is, its vectors are dependent. */
export function gramCondition(gram: readonly (readonly number[])[]): number | null {
  const values = symmetricEigenvalues(gram);
  const [smallest, largest] = [values[0]!, values.at(-1)!];
  return smallest > gram.length * Number.EPSILON * largest ? largest / smallest : null;
}
