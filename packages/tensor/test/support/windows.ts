// Windows for tests: options as a caller writes them, and beside them what they mean on each spatial axis.

import fc from 'fast-check';
import type { Padding, WindowOptions } from '../../src/index.ts';
import { samples } from './samples.ts';

export interface AxisPlan {
  readonly length: number;
  readonly size: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

export interface WindowPlan {
  readonly axes: readonly AxisPlan[];
  readonly kernelSize: number[];
  readonly options: WindowOptions;
}

export const reach = (a: AxisPlan) => (a.size - 1) * a.dilation + 1;

/** How many windows there are, found by going from one to the next. */
export function countOf(a: AxisPlan): number {
  let count = 0;
  while (count * a.stride + reach(a) <= a.before + a.length + a.after) count++;
  return count;
}

/** Where element k of window p stands on the axis (outside of it in the padding). */
export const placeOf = (a: AxisPlan, p: number, k: number) => p * a.stride + k * a.dilation - a.before;

/** 'same': as few as make ceil(length / stride) windows. */
function samePadding(a: Omit<AxisPlan, 'before' | 'after'>, lower: boolean): [number, number] {
  let total = 0;
  const enough = () => countOf({ ...a, before: 0, after: total }) >= Math.ceil(a.length / a.stride);
  while (!enough()) total++;
  const [less, more] = [Math.floor(total / 2), Math.ceil(total / 2)];
  return lower ? [more, less] : [less, more];
}

/** How a padding may be written: as one number, one for each axis, pairs, or a word. */
const kinds = ['none', 'number', 'each', 'pairs', 'valid', 'same', 'sameLower'] as const;

/** Windows on d axes that fit, no padding beyond their reach. */
export function windowPlans(d: number, most = 6): fc.Arbitrary<WindowPlan> {
  const small = fc.integer({ min: 1, max: 3 });
  const axis = fc.record({
    size: small,
    stride: small,
    dilation: fc.constantFrom(1, 1, 2),
    before: fc.nat(2),
    after: fc.nat(2),
    more: fc.nat(most - 1),
  });
  return fc.tuple(fc.array(axis, { minLength: d, maxLength: d }), fc.constantFrom(...kinds)).map(([drawn, kind]) => {
    const axes = drawn.map(({ more, ...a }): AxisPlan => {
      const span = (a.size - 1) * a.dilation + 1;
      const pair = (before: number, after: number) => {
        const [b, e] = [Math.min(before, span - 1), Math.min(after, span - 1)];
        return { ...a, before: b, after: e, length: Math.max(1, span - b - e) + more };
      };
      if (kind === 'none' || kind === 'valid') return pair(0, 0);
      if (kind === 'number') return pair(drawn[0]!.before, drawn[0]!.before);
      if (kind === 'each') return pair(a.before, a.before);
      if (kind === 'pairs') return pair(a.before, a.after);
      const bare = { ...a, length: 1 + more };
      const [before, after] = samePadding(bare, kind === 'sameLower');
      return { ...bare, before, after };
    });
    const spelled = (): Padding => {
      if (kind === 'number' && axes.every((a) => a.before === axes[0]!.before)) return axes[0]!.before;
      if (kind === 'each' || kind === 'number') return axes.map((a) => a.before);
      if (kind === 'pairs') return axes.map((a) => [a.before, a.after] as const);
      return kind === 'none' ? 0 : kind;
    };
    return {
      axes,
      kernelSize: axes.map((a) => a.size),
      options: {
        stride: axes.map((a) => a.stride),
        dilation: axes.map((a) => a.dilation),
        ...(kind === 'none' ? {} : { padding: spelled() }),
      },
    };
  });
}

/** Small whole numbers: sums of products of them are exact in float32, in whatever order. */
export const wholes = (shape: readonly number[], dtype: 'float32' | 'float64' | 'int32' = 'float64') =>
  samples(dtype, shape, fc.integer({ min: -4, max: 4 }));
