// Transforms of inputs for Dataset.map: functions of a batch. Images are [n, channels, height, width], or [n, height,
// width]; what is random draws from its generator at each batch, for each sample by itself.

import { arange, errors, isFloat, type Rng, type Shape, type Tensor, tensor } from '@gemlab/tensor';
import { DatasetError } from '../errors.ts';
import type { Transform } from './dataset.ts';

/**
 * (x - mean) / std, with one number for all or one for each place along `axis` (1 by default: channels).
 * @throws DatasetError for a std of 0; from the transform, unless the numbers fit the axis.
 */
export function normalize(mean: number | readonly number[], std: number | readonly number[], axis = 1): Transform {
  if ([std].flat().includes(0)) throw new DatasetError('normalize', 'std', std, `std is ${std}; expected no 0`);
  return (x) => {
    const along = (value: number | readonly number[]): Tensor | number => {
      if (typeof value === 'number') return value;
      if (value.length === x.shape[axis]) {
        const shape = x.shape.map((_, i) => (i === axis ? -1 : 1));
        return tensor([...value], { dtype: 'float64' })
          .cast(isFloat(x.dtype) ? x.dtype : 'float32')
          .to(x.device)
          .reshape(shape);
      }
      const message = `${value.length} numbers for axis ${axis} of ${errors.shapeText(x.shape)}`;
      throw new DatasetError('normalize', 'mean and std', value, message);
    };
    return x.sub(along(mean)).div(along(std));
  };
}

/** Each sample as one axis: [n, ...] to [n, d]. */
export function flatten(): Transform {
  return (x) => x.flatten(1);
}

/** `margin` more elements of `value` on all four sides of an image. */
export function pad(margin: number, value = 0): Transform {
  return (x) => {
    wantImages('pad', x);
    return x.pad(
      x.shape.map((_, i) => (i < x.rank - 2 ? ([0, 0] as const) : ([margin, margin] as const))),
      value,
    );
  };
}

/** The middle `height` x `width` of an image. @throws DatasetError, from the transform, if it is smaller. */
export function centerCrop([height, width]: readonly [number, number]): Transform {
  return (x) => {
    const [top, left] = slack('centerCrop', x, [height, width]).map((d) => d >> 1) as [number, number];
    const rest = new Array<null>(x.rank - 2).fill(null);
    return x.slice(...rest, [top, top + height], [left, left + width]);
  };
}

/**
 * Of each image another `height` x `width`, every place equally likely.
 * @throws DatasetError, from the transform, if an image is smaller.
 */
export function randomCrop([height, width]: readonly [number, number], rng: Rng): Transform {
  return drawing(rng, (x) => {
    const n = x.shape[0]!;
    const [vertical, horizontal] = slack('randomCrop', x, [height, width]);
    const from = (most: number) => tensor(rng.integers(n, 0, most + 1), { device: x.device });
    return take(take(x, -2, from(vertical), height), -1, from(horizontal), width);
  });
}

/** Each image mirrored with probability p: left and right (axis -1, the default), or top and bottom (-2). */
export function randomFlip(
  rng: Rng,
  { p = 0.5, axis = -1 }: { readonly p?: number; readonly axis?: -1 | -2 } = {},
): Transform {
  return drawing(rng, (x) => {
    wantImages('randomFlip', x);
    const flipped = tensor(rng.bernoulli(x.shape[0]!, p), { device: x.device }).cast('int32').unsqueeze(1);
    const place = arange(x.shape.at(axis)!, undefined, 1, { device: x.device });
    return pick(x, axis, place.add(flipped.mul(place.flip().sub(place))));
  });
}

const drawing = (rng: Rng, transform: Transform): Transform => Object.assign(transform, { generators: [rng] });

/** `length` elements along an axis, of sample i from starts[i] on. */
function take(x: Tensor, axis: -1 | -2, starts: Tensor, length: number): Tensor {
  return pick(x, axis, starts.unsqueeze(1).add(arange(length, undefined, 1, { device: x.device })));
}

/** Of sample i the elements index[i] along an axis. */
function pick(x: Tensor, axis: -1 | -2, index: Tensor): Tensor {
  const at = x.rank + axis;
  const [n, length] = index.shape as [number, number];
  const column = x.shape.map((_, i) => (i === 0 ? n : i === at ? length : 1));
  return x.gather(at, index.reshape(column).expand(x.shape.map((d, i) => (i === at ? length : d))));
}

/** How much larger the images are than a window. */
function slack(op: string, x: Tensor, window: readonly [number, number]): [vertical: number, horizontal: number] {
  wantImages(op, x);
  const [vertical, horizontal] = [x.shape.at(-2)! - window[0], x.shape.at(-1)! - window[1]];
  if (window.every((d) => Number.isInteger(d) && d > 0) && vertical >= 0 && horizontal >= 0)
    return [vertical, horizontal];
  const message = `a window of ${window.join(' x ')} is not within images of ${x.shape.slice(-2).join(' x ')}`;
  throw new DatasetError(op, 'size', window, message);
}

function wantImages(op: string, { shape }: { readonly shape: Shape }): void {
  if (shape.length >= 3) return;
  const message = `images are [n, ..., height, width], found ${errors.shapeText(shape)}`;
  throw new DatasetError(op, 'inputs', shape, message);
}
