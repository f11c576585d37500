// Systems of linear equations, for matrices of up to a few hundred rows: factors by recursion (factor.ts), so that all of it is
// differentiable to any order and runs on every device. Leading axes are batches and broadcast. Which elements are the pivots is
// worked out on the host first, in float64: the choice is constant wherever the derivative exists.

import { floatFor, promote } from '../dtype.ts';
import { NotPositiveDefiniteError, ShapeError, SingularMatrixError, shapeText } from '../errors.ts';
import { broadcastShapes, indexAt, type Shape, sizeOf } from '../shape.ts';
import { type ArrayOf, expandTo } from './carrier.ts';
import { choleskyFactor, lowerSolve, luFactor, pivotOrder, upperSolve } from './factor.ts';
import { LinalgOps } from './linalg.ts';

export interface TriangularOptions {
  /** The triangle to read: the lower one by default. */
  readonly upper?: boolean;
  /** The diagonal counts as 1 and is not read. */
  readonly unitDiagonal?: boolean;
}

/** P A Q = L U, for each matrix of a batch. */
interface Factored<T> {
  /** L and U in one. */
  readonly lu: T;
  /** An index of rows that is P, and one that is Q. */
  readonly rows: T;
  readonly back: T;
  /** det(P) det(Q). */
  readonly signs: T;
}

export abstract class SolveOps<Self extends SolveOps<Self>> extends LinalgOps<Self> {
  /**
   * The lower triangular L with L L' = A for each symmetric positive definite matrix A, [..., n, n]. Only the lower triangle of A
   * is read, as LAPACK does, so the gradient is lower triangular too. Integers become float32.
   * @throws NotPositiveDefiniteError naming the first leading minor that is not positive; ShapeError unless square.
   */
  cholesky(): Self {
    const a = this._square('cholesky');
    const n = a.shape.at(-1)!;
    const l = choleskyFactor(a);
    const bad = l
      .diagonal(0, -2, -1)
      .hostValues()
      .findIndex((d) => !(d > 0));
    if (bad >= 0) {
      const order = (bad % n) + 1;
      throw new NotPositiveDefiniteError(
        `cholesky: ${nameOf(a.shape, Math.floor(bad / n))} is not positive definite: its leading minor of order ${order} is not positive`,
        { shape: this.shape, matrix: Math.floor(bad / n), order },
      );
    }
    return l;
  }

  /**
   * The x with A x = b, for square A [..., n, n] and b a vector [n] or matrices [..., n, m]; leading axes broadcast. By LU with
   * complete pivoting. Integers become float32. A matrix that is singular only to rounding gives large numbers, not an error.
   * @throws SingularMatrixError where elimination ends in exact zeros; ShapeError.
   */
  solve(b: ArrayOf<Self>): Self {
    return this._solve('solve', b);
  }

  /** The inverse of each matrix, [..., n, n]. To solve a system, `solve` is faster and more accurate. @throws as solve. */
  inv(): Self {
    const { shape } = this._square('inv');
    const n = shape.at(-1)!;
    return this._solve('inv', this.lift('inv', 1, floatFor(this.dtype)).expand([n]).diag());
  }

  /**
   * The determinant of each matrix: [..., n, n] -> [...]. The gradient is right at singular matrices too; second derivatives
   * are where the rank is n - 1 or more.
   * @throws ShapeError unless square.
   */
  det(): Self {
    const { lu, signs } = this._square('det')._factored();
    return lu.diagonal(0, -2, -1).prod(-1).mul(signs);
  }

  /**
   * The x with A x = b, where A is triangular: only its lower triangle is read, or the upper one. Shapes as in solve.
   * @throws SingularMatrixError for a zero on the diagonal; ShapeError.
   */
  triangularSolve(b: ArrayOf<Self>, { upper = false, unitDiagonal = false }: TriangularOptions = {}): Self {
    const [a, right, result] = this._system('triangularSolve', b);
    if (!unitDiagonal) a._wantPivots('triangularSolve', a);
    const divide = unitDiagonal ? (row: Self) => row : (row: Self, d: Self) => row.div(d);
    return result(upper ? upperSolve(a, right, divide) : lowerSolve(a, right, divide));
  }

  private _solve(op: string, b: ArrayOf<Self>): Self {
    const [a, right, result] = this._system(op, b);
    const { lu, rows, back } = a._factored();
    a._wantPivots(op, lu);
    const y = lowerSolve(lu, right._take(-2, rows), (row) => row);
    return result(upperSolve(lu, y, (row, d) => row.div(d))._take(-2, back));
  }

  private _factored(): Factored<Self> {
    const n = this.shape.at(-1)!;
    const values = this.hostValues();
    const orders = Array.from({ length: sizeOf(this.shape.slice(0, -2)) }, (_, i) => pivotOrder(values, i * n * n, n));
    const index = (order: readonly number[][], lines: Shape) =>
      this.constant(Int32Array.from(order.flat()), [...this.shape.slice(0, -2), ...lines], 'int32');
    const [rows, columns] = [orders.map((o) => o.rows), orders.map((o) => o.columns)];
    const ordered = this._take(-2, index(rows, [n, 1]))._take(-1, index(columns, [1, n]));
    // Undoes the order of the columns: where each one has gone.
    const back = columns.map((order) => order.map((_, i) => order.indexOf(i)));
    const signs = this.constant(
      Float64Array.from(orders, ({ sign }) => sign),
      this.shape.slice(0, -2),
      this.dtype,
    );
    return { lu: luFactor(ordered), rows: index(rows, [n, 1]), back: index(back, [n, 1]), signs };
  }

  /** Rows (axis -2) or columns (axis -1) in another order; the index broadcasts to all of this. */
  private _take(axis: -1 | -2, index: Self): Self {
    return this.apply('gather', { axis: this.rank + axis }, [this.self, expandTo(index, this.shape)]);
  }

  private _wantPivots(op: string, factor: Self): void {
    const n = this.shape.at(-1)!;
    const pivots = factor.diagonal(0, -2, -1).hostValues();
    const bad = pivots.indexOf(0);
    if (bad < 0) return;
    throw new SingularMatrixError(
      `${op}: ${nameOf(this.shape, Math.floor(bad / n))} is singular: its pivot ${(bad % n) + 1} of ${n} is 0`,
      { shape: this.shape, matrix: Math.floor(bad / n), pivot: bad % n },
    );
  }

  private _square(op: string): Self {
    if (this.rank < 2 || this.shape.at(-1) !== this.shape.at(-2)) {
      throw new ShapeError(`${op}: wants square matrices, [..., n, n], found ${shapeText(this.shape)}`, {
        shape: this.shape,
      });
    }
    return this.cast(floatFor(this.dtype));
  }

  /** A, b as matrices with the leading axes of the result, and how the x found becomes the result. */
  private _system(op: string, operand: ArrayOf<Self>): [a: Self, b: Self, result: (x: Self) => Self] {
    const found = this.lift(op, operand, this.dtype);
    const dtype = floatFor(promote(this.dtype, found.dtype));
    this._square(op);
    const a = this.cast(dtype);
    const b = (found.rank === 1 ? found.unsqueeze(1) : found).cast(dtype);
    const n = a.shape.at(-1)!;
    if (b.rank === 0 || b.shape.at(-2) !== n) {
      throw new ShapeError(
        `${op}: beside matrices ${shapeText(this.shape)} b must be [${n}] or [..., ${n}, m], found ${shapeText(found.shape)}`,
        { shapes: [this.shape, found.shape] },
      );
    }
    const batch = broadcastShapes(`${op}, leading axes`, a.shape.slice(0, -2), b.shape.slice(0, -2));
    const right = expandTo(b, [...batch, ...b.shape.slice(-2)]);
    return [a, right, (x) => (found.rank === 1 ? x.squeeze(-1) : x)];
  }
}

/** A matrix of a batch, in words. */
function nameOf(shape: Shape, at: number): string {
  if (shape.length === 2) return 'the matrix';
  return `matrix ${shapeText(indexAt(shape.slice(0, -2), at))} of ${shapeText(shape)}`;
}
