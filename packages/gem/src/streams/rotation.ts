// Turning images by any angle, to the pixel as Pillow's Image.rotate does (the 2018 GEM code made its tasks with it).
//
// The output pixel with centre (x + 1/2, y + 1/2) shows what lies in the source at
//
//     u = a (x + 1/2) + b (y + 1/2) + c         a = cos t   b = -sin t   c = w/2 - a w/2 - b h/2
//     v = d (x + 1/2) + e (y + 1/2) + f         d = sin t   e =  cos t   f = h/2 - d w/2 - e h/2
//
// (y points down, t turns counter-clockwise about the image's centre), and 0 where (u, v) lies outside. Pillow rounds cos and sin
// to 15 decimals, and for 'nearest' all six numbers to 1/65536, with which it adds up integers (Image.py rotate; Geometry.c
// affine_fixed, bilinear_filter32F). Both roundings decide pixels at the edges, so both are kept. They also make the result
// the same on every engine, though cos and sin are not.

import type { Transform } from '@gemlab/autograd';
import { keep, type Tensor, tensor } from '@gemlab/tensor';
import { StreamError, wantInteger } from './errors.ts';

/** 'nearest': one source pixel for each; 'bilinear': the four around the point, weighted by nearness. */
export type Interpolation = 'nearest' | 'bilinear';

/** Height and width in pixels. */
export type ImageShape = readonly [height: number, width: number];

type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** From output to source coordinates. */
function inverseRotation(degrees: number, [height, width]: ImageShape): Affine {
  const turned = degrees % 360;
  const angle = -((turned < 0 ? turned + 360 : turned) * (Math.PI / 180));
  const decimals = (x: number) => Number(x.toFixed(15));
  const [a, b, d, e] = [Math.cos(angle), Math.sin(angle), -Math.sin(angle), Math.cos(angle)].map(decimals) as [
    number,
    number,
    number,
    number,
  ];
  const [x, y] = [width / 2, height / 2];
  return [a, b, a * -x + b * -y + x, d, e, d * -x + e * -y + y];
}

/** For each output pixel the source pixel it shows (row-major), or -1 outside. */
function nearestPixels(degrees: number, shape: ImageShape): number[] {
  const [height, width] = shape;
  const [a, b, c, d, e, f] = inverseRotation(degrees, shape);
  const fixed = (value: number) => Math.floor(value * 65536 + 0.5);
  const [a1, b1, c1] = [fixed(a), fixed(b), fixed(c + a * 0.5 + b * 0.5)];
  const [d1, e1, f1] = [fixed(d), fixed(e), fixed(f + d * 0.5 + e * 0.5)];
  return Array.from({ length: height * width }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    const u = Math.floor((c1 + b1 * y + a1 * x) / 65536);
    const v = Math.floor((f1 + e1 * y + d1 * x) / 65536);
    return u >= 0 && u < width && v >= 0 && v < height ? v * width + u : -1;
  });
}

/** One of the four neighbours that each output pixel mixes, and its share (0 outside the source). */
interface Corner {
  readonly pixels: number[];
  readonly weights: number[];
}

function bilinearCorners(degrees: number, shape: ImageShape): Corner[] {
  const [height, width] = shape;
  const [a, b, c, d, e, f] = inverseRotation(degrees, shape);
  const clip = (value: number, size: number) => Math.min(size - 1, Math.max(0, value));
  const corners = [0, 1, 2, 3].map((): Corner => ({ pixels: [], weights: [] }));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const u = a * (x + 0.5) + b * (y + 0.5) + c;
      const v = d * (x + 0.5) + e * (y + 0.5) + f;
      const inside = u >= 0 && u < width && v >= 0 && v < height;
      const [left, top] = [Math.floor(u - 0.5), Math.floor(v - 0.5)];
      const [right, below] = [u - 0.5 - left, v - 0.5 - top];
      corners.forEach(({ pixels, weights }, i) => {
        const [dx, dy] = [i % 2, i >> 1];
        pixels.push(clip(top + dy, height) * width + clip(left + dx, width));
        weights.push(inside ? (dx ? right : 1 - right) * (dy ? below : 1 - below) : 0);
      });
    }
  }
  return corners;
}

/**
 * Images turned counter-clockwise about their centre by an angle in degrees, what comes from outside being 0. Inputs are [n, ...],
 * where a sample's elements are any number of images (channels) of height x width one after another: [n, h*w], [n, h, w], [n, c, h, w].
 * @throws StreamError if the angle is not finite or a size not an integer >= 1; from the transform, if a sample does not divide into
 *   such images, or for 'bilinear' inputs that are not floats.
 */
export function rotation(
  degrees: number,
  imageShape: ImageShape,
  { interpolation = 'nearest', device = 'cpu' }: { interpolation?: Interpolation; device?: Tensor['device'] } = {},
): Transform {
  if (!Number.isFinite(degrees)) {
    throw new StreamError('rotation', 'degrees', degrees, `degrees is ${String(degrees)}; expected a finite number`);
  }
  // Both are asked for: a list may be shorter than its type says.
  for (const i of [0, 1] as const) wantInteger('rotation', `imageShape[${i}]`, imageShape[i], 1);
  const index = (pixels: number[]) => keep(tensor(Int32Array.from(pixels), { device }));
  if (interpolation === 'nearest') {
    // What lies outside shows a pixel of value 0 that is put after the last one.
    const from = index(nearestPixels(degrees, imageShape).map((p) => (p < 0 ? imageShape[0] * imageShape[1] : p)));
    const border = [
      [0, 0],
      [0, 0],
      [0, 1],
    ] as const;
    return overImages(imageShape, (images) => images.pad(border).indexSelect(2, from));
  }
  if (interpolation !== 'bilinear') {
    const message = `interpolation is '${String(interpolation)}'; expected 'nearest' or 'bilinear'`;
    throw new StreamError('rotation', 'interpolation', interpolation, message);
  }
  const corners = bilinearCorners(degrees, imageShape).map(({ pixels, weights }) => ({
    from: index(pixels),
    share: keep(tensor(Float64Array.from(weights), { device })),
  }));
  return overImages(imageShape, (images) => {
    if (images.dtype !== 'float32' && images.dtype !== 'float64') {
      const message = `bilinear interpolation mixes pixels, so inputs must be floats, found ${images.dtype}`;
      throw new StreamError('rotation', 'inputs', images.dtype, `${message}; did you mean .cast('float32')?`);
    }
    return corners
      .map(({ from, share }) => images.indexSelect(2, from).mul(share.cast(images.dtype)))
      .reduce((sum, part) => sum.add(part));
  });
}

/** A function of images [n, c, h*w] as one of inputs of any shape. */
function overImages([height, width]: ImageShape, turn: Transform): Transform {
  return (inputs) => {
    const [n, size] = [inputs.shape[0]!, height * width];
    const sample = inputs.shape.slice(1).reduce((product, d) => product * d, 1);
    if (sample === 0 || sample % size !== 0) {
      const message = `samples of shape [${inputs.shape.slice(1).join(',')}] do not divide into images of ${height}x${width}`;
      throw new StreamError('rotation', 'inputs', inputs.shape, message);
    }
    return turn(inputs.reshape([n, sample / size, size])).reshape(inputs.shape);
  };
}
