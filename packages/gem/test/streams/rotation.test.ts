// Rotation against Pillow (fixtures/make_rotation_pillow.py says how the numbers were made) and against its own laws.

import { readFileSync } from 'node:fs';
import { scope, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ImageShape, rotation, StreamError } from '../../src/streams/index.ts';

interface Case {
  shape: [number, number];
  degrees: number;
  pixels: number[];
}
interface Fixture {
  nearest: Case[];
  bilinear: Case[];
  sweep: { shape: [number, number]; degrees: number[]; fnv1a: number[] };
}
const pillow = JSON.parse(readFileSync(new URL('./fixtures/rotation-pillow.json', import.meta.url), 'utf8')) as Fixture;

const values = (x: Tensor) => x.flatten().toArray() as number[];
/** One image [1, h*w] whose pixels hold 1 + their position, so that a result names the source pixels; 0 is outside. */
const numbered = ([h, w]: ImageShape) =>
  tensor(
    Float32Array.from({ length: h * w }, (_, i) => i + 1),
    { shape: [1, h * w] },
  );
const digit: ImageShape = [28, 28];

function fnv1a(numbers: readonly number[]): number {
  return numbers.reduce((hash, n) => Math.imul(hash ^ n, 0x01000193), 0x811c9dc5) >>> 0;
}

describe('rotation, nearest', () => {
  it.each(pillow.nearest)('shows the pixels that Pillow shows: $shape by $degrees', ({ shape, degrees, pixels }) => {
    expect(values(rotation(degrees, shape)(numbered(shape)))).toEqual(pixels);
  });

  it('agrees with Pillow in every pixel of 28x28 for 600 angles', () => {
    const { shape, degrees, fnv1a: expected } = pillow.sweep;
    const image = numbered(shape);
    expect(degrees.map((angle) => fnv1a(values(rotation(angle, shape)(image))))).toEqual(expected);
  });

  it('by 0 is the identity, by 90, 180, 270 the exact quarter turns, counter-clockwise', () => {
    const image = numbered(digit);
    const grid = image.reshape([28, 28]);
    const turned = (degrees: number) => rotation(degrees, digit)(image).reshape([28, 28]).toArray();
    expect(turned(0)).toEqual(grid.toArray());
    expect(turned(90)).toEqual(grid.transpose().flip(0).toArray());
    expect(turned(180)).toEqual(grid.flip().toArray());
    expect(turned(270)).toEqual(grid.transpose().flip(1).toArray());
    expect(turned(360)).toEqual(grid.toArray());
    expect(turned(-90)).toEqual(turned(270));
  });

  it('by 90 four times is the identity', () => {
    const quarter = rotation(90, digit);
    const image = numbered(digit);
    expect(quarter(quarter(quarter(quarter(image)))).toArray()).toEqual(image.toArray());
  });

  it('shows only pixels of the source, and 0', () => {
    const sides = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(sides, sides, fc.double({ min: -720, max: 720, noNaN: true }), (h, w, degrees) => {
        for (const p of values(rotation(degrees, [h, w])(numbered([h, w])))) {
          expect(Number.isInteger(p) && p >= 0 && p <= h * w).toBe(true);
        }
      }),
    );
  });

  it('shows 0 outside whatever the pixels are, infinite ones too', () => {
    const row = tensor([[Infinity, 1, 2]]);
    expect(values(rotation(90, [1, 3])(row))).toEqual([0, 1, 0]);
    expect(values(rotation(180, [1, 3])(row))).toEqual([2, 1, Infinity]);
  });
});

describe('rotation, bilinear', () => {
  it.each(pillow.bilinear)('mixes as Pillow mixes: $shape by $degrees', ({ shape, degrees, pixels }) => {
    const [h, w] = shape;
    const image = tensor(
      Float64Array.from({ length: h * w }, (_, i) => (i * i) % 31),
      { shape: [1, h * w] },
    );
    const turned = values(rotation(degrees, shape, { interpolation: 'bilinear' })(image));
    turned.forEach((v, i) => {
      expect(v).toBeCloseTo(pixels[i]!, 5);
    });
  });

  it('keeps float32 float32, and leaves a constant image constant inside', () => {
    const image = tensor(new Float32Array(25).fill(0.5), { shape: [1, 5, 5] });
    const turned = rotation(30, [5, 5], { interpolation: 'bilinear' })(image);
    expect(turned.dtype).toBe('float32');
    expect(turned.slice(0, 2, 2).item()).toBeCloseTo(0.5, 6);
  });
});

describe('rotation', () => {
  it('turns each channel and each sample by itself, and keeps shape and dtype', () => {
    const shape = [2, 3, 5, 8];
    const many = tensor(
      Int32Array.from({ length: 240 }, (_, i) => i + 1),
      { shape },
    );
    const turn = rotation(37, [5, 8]);
    const turned = turn(many);
    expect([turned.shape, turned.dtype]).toEqual([shape, 'int32']);
    expect(turned.slice(1, 2).toArray()).toEqual(turn(many.slice(1, 2).unsqueeze(0)).squeeze(0).toArray());
    expect(turn(many.flatten(1)).toArray()).toEqual(turned.flatten(1).toArray());
  });

  it('made inside a scope works after it', () => {
    for (const interpolation of ['nearest', 'bilinear'] as const) {
      let turn = (x: Tensor) => x;
      scope(() => {
        turn = rotation(20, [3, 3], { interpolation });
      });
      expect(turn(numbered([3, 3])).shape).toEqual([1, 9]);
    }
  });

  it('names what it cannot turn', () => {
    const image = tensor([[1, 2, 3]]);
    expect(() => rotation(Number.NaN, [2, 2])).toThrow(/rotation: degrees is NaN; expected a finite number/);
    expect(() => rotation(1, [2, 0.5])).toThrow(/imageShape\[1\] is 0.5; expected an integer >= 1/);
    expect(() => rotation(1, [2, 2], { interpolation: 'cubic' as 'nearest' })).toThrow(
      /'cubic'; expected 'nearest' or/,
    );
    expect(() => rotation(1, [2, 2])(image)).toThrow(/samples of shape \[3\] do not divide into images of 2x2/);
    expect(() => rotation(1, [1, 3], { interpolation: 'bilinear' })(image.cast('int32'))).toThrow(StreamError);
  });
});
