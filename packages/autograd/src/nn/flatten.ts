// Flatten: what stands between the convolutions and the linear layers.

import type { Variable } from '../variable.ts';
import { Module } from './module.ts';

/** Axes `start` to `end` (inclusive) merged into one; by default all but the first. */
export class Flatten extends Module {
  readonly start: number;
  readonly end: number;
  constructor(start = 1, end = -1) {
    super();
    this.start = start;
    this.end = end;
  }
  override forward(x: Variable): Variable {
    return x.flatten(this.start, this.end);
  }
}
