// Where windows lie: the arithmetic that convolution and pooling share, one spatial axis at a time. Windows of `size` elements,
// `dilation` apart, lie every `stride` elements on an axis of n elements with `before` and `after` more of padding:
//
//     count = floor((n + before + after - reach) / stride) + 1,   reach = dilation * (size - 1) + 1
//
// (Dumoulin & Visin, A guide to convolution arithmetic for deep learning, 2016; the option names are PyTorch's).

import { WindowError } from '../errors.ts';
import { type Window, windowReach } from '../view.ts';

/** One number for every spatial axis, or one for each. */
export type PerAxis = number | readonly number[];

/**
 * Elements put around each spatial axis: one number for all, one for each, or a pair [before, after] for each. 'valid' is none;
 * 'same' is what makes ceil(n / stride) windows, an odd one behind ('sameLower': in front).
 */
export type Padding = PerAxis | readonly (readonly [before: number, after: number])[] | 'valid' | 'same' | 'sameLower';

export interface WindowOptions {
  /** How far a window is from the next. */
  readonly stride?: PerAxis;
  readonly padding?: Padding;
  /** How far an element of a window is from the next. */
  readonly dilation?: PerAxis;
}

/** The windows of one spatial axis, and the padding under them. */
export interface Laid extends Omit<Window, 'axis'> {
  readonly before: number;
  readonly after: number;
  readonly count: number;
}

/** An option with one integer of at least `least` for each spatial axis. @throws WindowError */
export function perAxis(op: string, name: string, value: PerAxis, rank: number, least: number): number[] {
  const list = typeof value === 'number' ? new Array<number>(rank).fill(value) : value;
  const good = Array.isArray(list) && list.length === rank && list.every((n) => Number.isInteger(n) && n >= least);
  if (good) return [...list];
  const many = rank === 1 ? '' : `, or ${rank} of them, one for each spatial axis`;
  throw new WindowError(`${op}: ${name} is an integer of at least ${least}${many}; found ${JSON.stringify(value)}`, {
    [name]: value,
  });
}

const WORDS: readonly unknown[] = ['valid', 'same', 'sameLower'];

/** A pair [before, after] for each axis; 'same' and its kin split `total`, or make none where it is negative. */
export function paddingPairs(op: string, padding: Padding, totals: readonly number[]): [number, number][] {
  if (typeof padding === 'string' && WORDS.includes(padding)) {
    return totals.map((total) => {
      const all = padding === 'valid' ? 0 : Math.max(0, total);
      const less = Math.floor(all / 2);
      return padding === 'sameLower' ? [all - less, less] : [less, all - less];
    });
  }
  const list = Array.isArray(padding) ? (padding as readonly unknown[]) : totals.map(() => padding);
  const pairs = list.map((p) => (Array.isArray(p) ? p : [p, p]) as [number, number]);
  const good = (pair: readonly number[]) => pair.length === 2 && pair.every((n) => Number.isInteger(n) && n >= 0);
  if (pairs.length === totals.length && pairs.every(good)) return pairs;
  throw new WindowError(
    `${op}: padding is an integer of at least 0, one for each of the ${totals.length} spatial axes, ` +
      `a pair [before, after] for each, 'valid', 'same' or 'sameLower'; found ${JSON.stringify(padding)}`,
    { padding },
  );
}

/** Size, stride and dilation for each axis. @throws WindowError */
export function windowSteps(op: string, rank: number, kernel: PerAxis, options: WindowOptions): Omit<Window, 'axis'>[] {
  const sizes = perAxis(op, 'kernelSize', kernel, rank, 1);
  const strides = perAxis(op, 'stride', options.stride ?? 1, rank, 1);
  const dilations = perAxis(op, 'dilation', options.dilation ?? 1, rank, 1);
  return sizes.map((size, i) => ({ size, stride: strides[i]!, dilation: dilations[i]! }));
}

/**
 * The windows on axes of the given lengths. With ceilMode a last window that starts inside the axis or its padding in front is
 * kept though it reaches past the end.
 * @throws WindowError for options outside their range, or if not even one window fits.
 */
export function layWindows(
  op: string,
  lengths: readonly number[],
  kernel: PerAxis,
  options: WindowOptions & { readonly ceilMode?: boolean },
): Laid[] {
  const steps = windowSteps(op, lengths.length, kernel, options);
  const short = steps.map((w, i) => (Math.ceil(lengths[i]! / w.stride) - 1) * w.stride + windowReach(w) - lengths[i]!);
  const pairs = paddingPairs(op, options.padding ?? 0, short);
  return steps.map((w, i) => {
    const [before, after] = pairs[i]!;
    const room = lengths[i]! + before + after;
    const starts = (room - windowReach(w)) / w.stride;
    let count = (options.ceilMode ? Math.ceil(starts) : Math.floor(starts)) + 1;
    if (options.ceilMode && (count - 1) * w.stride >= lengths[i]! + before) count--;
    if (count < 1) {
      throw new WindowError(
        `${op}: a window that reaches over ${windowReach(w)} elements does not fit into the ${room} of spatial axis ${i} ` +
          `(${lengths[i]} and padding ${before} + ${after})`,
        { size: w.size, dilation: w.dilation, length: lengths[i], padding: pairs[i] },
      );
    }
    return { ...w, before, after, count };
  });
}

/** How far the last window reaches past the padding behind: more than nothing only in ceilMode. */
export function overhang(length: number, w: Laid): number {
  return Math.max(0, (w.count - 1) * w.stride + windowReach(w) - (w.before + length + w.after));
}
