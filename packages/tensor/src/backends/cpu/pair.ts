// How two operands of an elementwise op are walked together, where that takes no more than planes of rows of elements: neighbouring axes that
// both walk with one stride are one.

import type { Shape } from '../../shape.ts';

/** Strides are in elements: from plane to plane, from row to row, and in a row, where at least one of the two operands moves on by 1. */
export class Pair {
  planes = 1;
  rows = 1;
  n = 1;
  aPlane = 0;
  aRow = 0;
  aStep = 0;
  bPlane = 0;
  bRow = 0;
  bStep = 0;

  /** Takes the strides of two operands of this shape; false if they are not walked so, and what is here is then of no use. */
  take(shape: Shape, a: readonly number[], b: readonly number[]): boolean {
    this.planes = 1;
    this.rows = 1;
    this.n = 1;
    this.aPlane = 0;
    this.aRow = 0;
    this.aStep = 1;
    this.bPlane = 0;
    this.bRow = 0;
    this.bStep = 1;
    let level = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const d = shape[axis]!;
      if (d === 1) continue;
      const sa = a[axis]!;
      const sb = b[axis]!;
      if (level === 0) {
        this.n = d;
        this.aStep = sa;
        this.bStep = sb;
        level = 1;
      } else if (level === 1) {
        if (sa === this.aStep * this.n && sb === this.bStep * this.n) this.n *= d;
        else {
          this.rows = d;
          this.aRow = sa;
          this.bRow = sb;
          level = 2;
        }
      } else if (level === 2) {
        if (sa === this.aRow * this.rows && sb === this.bRow * this.rows) this.rows *= d;
        else {
          this.planes = d;
          this.aPlane = sa;
          this.bPlane = sb;
          level = 3;
        }
      } else if (sa === this.aPlane * this.planes && sb === this.bPlane * this.planes) this.planes *= d;
      else return false;
    }
    return this.aStep >>> 1 === 0 && this.bStep >>> 1 === 0 && this.aStep + this.bStep !== 0;
  }
}
