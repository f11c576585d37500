// The surface of Rng: recorded bits of every method, so that a change is noticed; the laws (drawing in pieces, independent
// children, saved states); and what it says of wrong arguments.

import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomArgumentError, RandomStateError, Rng } from '../src/random.ts';

function fnv(array: { buffer: ArrayBufferLike; byteOffset: number; byteLength: number }): string {
  let hash = 0x811c9dc5;
  for (const byte of new Uint8Array(array.buffer, array.byteOffset, array.byteLength)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** 0, 1/8, 2/8, ..., 1, 0, ... */
const weights = (n: number) => Array.from({ length: n }, (_, i) => (i % 9) / 8);

const METHODS: [name: string, draw: (rng: Rng) => Parameters<typeof fnv>[0] & ArrayLike<number>, string, number[]][] = [
  ['uint32s', (r) => r.uint32s(1000), '486e85f1', [1851468003, 2243411547, 3016668856]],
  ['uniform float32', (r) => r.uniform(1000), 'be429dab', [0.4310784339904785, 0.5223349332809448, 0.7023729085922241]],
  ['uniform float32 in bounds', (r) => r.uniform(1000, -3, 0.1), '4c121942', [-1.6636568307876587, -1.380761742591858]],
  ['uniform float64', (r) => r.uniform(1000, 0, 1, 'float64'), '3eaee7e9', [0.4310784900362413, 0.7023729480544882]],
  ['normal float32', (r) => r.normal(1000), '6795067d', [-0.17362909018993378, 0.5312376618385315, 2.2662055492401123]],
  ['normal float64', (r) => r.normal(1000, 2, 3, 'float64'), '5f5c8922', [1.4791127460843962, 3.593712912775175]],
  ['truncatedNormal', (r) => r.truncatedNormal(1000, 0, 0.02), '4bf3a2d8', [-0.0034725817386060953]],
  [
    'truncatedNormal tail',
    (r) => r.truncatedNormal(1000, 0, 1, 4, Infinity, 'float64'),
    '759db6e2',
    [4.198642964827511],
  ],
  [
    'truncatedNormal narrow',
    (r) => r.truncatedNormal(1000, 0, 1, -0.5, 0.25, 'float64'),
    'c4bef47b',
    [-0.17669113514198043],
  ],
  [
    'exponential float32',
    (r) => r.exponential(1000),
    'dc4402a2',
    [0.8414651155471802, 0.35329076647758484, 0.011788614094257355],
  ],
  [
    'exponential float64',
    (r) => r.exponential(1000, 0.25, 'float64'),
    '0205529f',
    [3.3658604090457356, 1.4131630338196366],
  ],
  ['integers', (r) => r.integers(1000, -5, 12), '2ef355fb', [2, 3, 6]],
  ['integers, often redrawn', (r) => r.integers(1000, -(2 ** 31), 2 ** 30 + 1), '0d94330c', [-758882646, -464924988]],
  ['bernoulli', (r) => r.bernoulli(1000, 0.3), '11802bc9', [0, 0, 0]],
  ['permutation', (r) => r.permutation(1000), 'b281584d', [431, 522, 702]],
  ['choice', (r) => r.choice(5000, 1000), 'dfeb4b4c', [2155, 2612, 3512]],
  ['choice with replacement', (r) => r.choice(50, 1000, true), '9e46ada4', [21, 26, 35]],
  ['choice by weight', (r) => r.choice(500, 400, false, weights(500)), '846a0389', [49, 97, 358]],
  ['choice by weight with replacement', (r) => r.choice(50, 1000, true, weights(50)), 'c873a7ae', [22, 34, 49]],
  ['foldIn', (r) => r.foldIn(7).uint32s(1000), '7462f2f1', [4248314177, 2426720693, 2328832987]],
  [
    'foldIn of foldIn',
    (r) =>
      r
        .foldIn(7)
        .foldIn(2 ** 40)
        .uint32s(1000),
    '6e73a69f',
    [3665978778, 490542491],
  ],
  ['split', (r) => r.split(3)[2].uint32s(1000), 'cab458e0', [1008477185, 556400332, 1771582977]],
];

describe('every method', () => {
  it.each(METHODS)('%s: recorded bits', (_, draw, hash, first) => {
    const values = draw(new Rng(2026n));
    expect(Array.from(values).slice(0, first.length)).toEqual(first);
    expect(fnv(values)).toBe(hash);
  });

  it('draws the same at once and in pieces', () => {
    const draws: ((rng: Rng, n: number) => ArrayLike<number>)[] = [
      (r, n) => r.uint32s(n),
      (r, n) => r.uniform(n),
      (r, n) => r.uniform(n, 1, 1 + 2 ** -22),
      (r, n) => r.uniform(n, -1, 1, 'float64'),
      (r, n) => r.normal(n),
      (r, n) => r.truncatedNormal(n),
      (r, n) => r.truncatedNormal(n, 0, 1, 3, 4, 'float64'),
      (r, n) => r.integers(n, 0, 3 * 2 ** 29),
      (r, n) => r.bernoulli(n, 0.5),
      (r, n) => r.choice(9, n, true),
      (r, n) => r.exponential(n, 2),
      (r, n) => r.choice(9, n, true, weights(9)),
    ];
    const sizes = fc.array(fc.nat(70), { maxLength: 6 });
    fc.assert(
      fc.property(fc.constantFrom(...draws), fc.nat(), sizes, (draw, seed, pieces) => {
        const total = pieces.reduce((sum, n) => sum + n, 0);
        const whole = new Rng(seed);
        const rng = new Rng(seed);
        expect(pieces.flatMap((n) => Array.from(draw(rng, n)))).toEqual(Array.from(draw(whole, total)));
        expect(rng.state).toEqual(whole.state);
      }),
    );
  });

  it('draws uniform float32 by vectors as by the loop that few numbers take', () => {
    const bound = fc.float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 99), max: 2 ** 99 });
    // From any word of a chunk, and on both sides of where the counter's low word is full.
    const position = fc.oneof(fc.nat(200), fc.integer({ min: 2 ** 34 - 40_000, max: 2 ** 34 }), fc.nat(2 ** 31));
    const interval = fc.oneof(
      fc.tuple(bound, bound).filter(([low, high]) => low < high),
      // Half of all draws round up to the end, and are redrawn.
      fc.constant<[number, number]>([1, 1 + 2 ** -23]),
      fc.constant<[number, number]>([-1, 0]),
    );
    fc.assert(
      fc.property(
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.nat(9),
        position,
        fc.nat(30_000),
        interval,
        (seed, child, at, n, [low, high]) => {
          const whole = Rng.fromState({ ...new Rng(seed).foldIn(child).state, position: at });
          const rng = whole.clone();
          const pieces = new Float32Array(n);
          for (let i = 0; i < n; i += 4000) pieces.set(rng.uniform(Math.min(4000, n - i), low, high), i);
          expect(fnv(whole.uniform(n, low, high))).toBe(fnv(pieces));
          expect(whole.state).toEqual(rng.state);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('gives float32 normals that are the float64 ones rounded', () => {
    expect(new Rng(4).normal(500, 1, 2)).toEqual(Float32Array.from(new Rng(4).normal(500, 1, 2, 'float64')));
  });

  it('keeps the seed apart from everything else: number and bigint agree, neighbours differ', () => {
    expect(new Rng(7).uint32s(8)).toEqual(new Rng(7n).uint32s(8));
    expect(new Rng(7).uint32s(8)).not.toEqual(new Rng(8).uint32s(8));
    expect(new Rng(2n ** 63n).uint32s(8)).not.toEqual(new Rng(0).uint32s(8));
  });
});

describe('split and foldIn', () => {
  it('do not depend on what has been drawn, nor on the order in which the children draw', () => {
    const fresh = new Rng(81);
    const used = new Rng(81);
    used.normal(1234);
    expect(used.foldIn(5).state).toEqual(fresh.foldIn(5).state);
    const [a, b] = fresh.split(2);
    const [c, d] = used.split(2);
    const first = [a.uint32s(9), b.uint32s(9)];
    const second = [d.uint32s(9), c.uint32s(9)];
    expect(first).toEqual(second.reverse());
    expect(used.uint32s(4)).toEqual(Rng.fromState({ ...new Rng(81).state, position: 2 * 1234 }).uint32s(4));
  });

  it('split that is refused makes no children', () => {
    const rng = new Rng(82);
    for (const wrong of [-1, 0.5, 2 ** 32, 1e10]) {
      expect(() => rng.split(wrong)).toThrow(RandomArgumentError);
    }
    expect(rng.state.children).toBe(0);
  });

  it('split goes on where the last split ended; foldIn always gives the child of that name', () => {
    const rng = new Rng(82);
    const pieces = [...rng.split(2), ...rng.split(0), ...rng.split(3)].map((child) => child.state);
    expect(pieces).toEqual(new Rng(82).split(5).map((child) => child.state));
    expect(rng.foldIn(1).state).toEqual(rng.foldIn(1).state);
  });

  it('give streams that share no words with each other or with the parent', () => {
    const rng = new Rng(83);
    const families = [rng, ...rng.split(200), ...Array.from({ length: 200 }, (_, i) => rng.foldIn(i))];
    const grandchildren = families.slice(1, 21).flatMap((parent) => [...parent.split(5), parent.foldIn(3)]);
    const keys = [...families, ...grandchildren].map((r) => r.clone().uint32s(2).join());
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('give streams that are uncorrelated', () => {
    const n = 50_000;
    const rng = new Rng(84);
    const streams = [rng, ...rng.split(2), rng.foldIn(0), rng.foldIn(1), new Rng(85)].map((r) => r.normal(n));
    streams.forEach((x, i) => {
      for (const y of streams.slice(0, i)) {
        const dot = x.reduce((sum, value, at) => sum + value * y[at], 0);
        expect(Math.abs(dot / Math.sqrt(n))).toBeLessThan(4);
      }
    });
  });
});

describe('printing', () => {
  it('shows the state, in one line', () => {
    const rng = new Rng(0xfedcba9876543210n);
    rng.uint32s(12);
    rng.split(3);
    const shown = 'Rng(philox4x32-10, key=0xfedcba9876543210, stream=0x0, position=12, children=3)';
    expect([String(rng), inspect(rng), inspect({ rng })]).toEqual([shown, shown, `{\n  rng: ${shown}\n}`]);
    expect(String(new Rng(7))).toBe('Rng(philox4x32-10, key=0x7, stream=0x0, position=0, children=0)');
    const [low, high] = new Rng(7).foldIn(1).state.stream;
    expect(String(new Rng(7).foldIn(1))).toContain(
      `stream=0x${(2n ** 32n * BigInt(high) + BigInt(low)).toString(16)}, `,
    );
  });
});

describe('state', () => {
  it('goes through JSON and continues with the same bits and the same children', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.nat(500), fc.nat(3), (seed, drawn, children) => {
        const rng = new Rng(seed).foldIn(drawn);
        rng.uint32s(drawn);
        rng.split(children);
        const back = Rng.fromState(JSON.parse(JSON.stringify(rng.state)));
        expect(back.state).toEqual(rng.state);
        expect(back.normal(70)).toEqual(rng.normal(70));
        expect(back.split(1)[0].state).toEqual(rng.split(1)[0].state);
      }),
    );
  });

  it('clone goes its own way', () => {
    const rng = new Rng(91);
    rng.uniform(5);
    const copy = rng.clone();
    const ahead = copy.uint32s(100);
    expect(rng.state.position).toBe(5);
    expect(rng.uint32s(100)).toEqual(ahead);
  });

  it('restored, draws the same again, from the same object', () => {
    const rng = new Rng(92).foldIn(3);
    rng.uint32s(7);
    const before = rng.state;
    const drawn = [rng.uint32s(70), rng.split(2).map((child) => child.state)];
    const after = rng.state;
    rng.restore(before);
    expect([rng.uint32s(70), rng.split(2).map((child) => child.state)]).toEqual(drawn);
    rng.restore(after);
    expect(rng.state).toEqual(after);
  });

  it('of another generator is not restored', () => {
    const rng = new Rng(1);
    for (const state of [new Rng(2).state, rng.foldIn(0).state, { ...rng.state, position: -1 }]) {
      expect(() => rng.restore(state)).toThrow(RandomStateError);
    }
    expect(() => rng.restore(new Rng(2).state)).toThrow('its key or stream differs');
    expect(rng.state).toEqual(new Rng(1).state);
  });

  it('that is damaged is refused by name', () => {
    const good = new Rng(1).state;
    const damaged: unknown[] = [
      null,
      undefined,
      7,
      'state',
      {},
      { ...good, algorithm: 'mt19937' },
      { ...good, key: [1] },
      { ...good, key: [1, 2 ** 32] },
      { ...good, key: [1, -1] },
      { ...good, key: '12' },
      { ...good, stream: [0.5, 0] },
      { ...good, stream: undefined },
      { ...good, position: -1 },
      { ...good, position: 2 ** 53 },
      { ...good, position: null },
      { ...good, children: Number.NaN },
    ];
    for (const state of damaged) expect(() => Rng.fromState(state)).toThrow(RandomStateError);
    const edited = { ...good, key: [3, 4] };
    const rng = Rng.fromState(edited);
    const before = rng.clone().uint32s(100);
    edited.key[0] = 9;
    expect(rng.uint32s(100)).toEqual(before);
  });
});

describe('arguments', () => {
  const rng = new Rng(0);
  const wrong: [string, () => unknown, RegExp][] = [
    ['negative seed', () => new Rng(-1), /seed must be an integer in \[0, 2\^64\).*found -1/],
    ['fractional seed', () => new Rng(0.5), /found 0.5/],
    ['unsafe seed', () => new Rng(2 ** 53), /found 9007199254740992/],
    ['long seed', () => new Rng(2n ** 64n), /found 18446744073709551616/],
    ['count', () => rng.uniform(-1), /Rng.uniform: the count must be a non-negative integer, found -1/],
    ['count', () => rng.normal(1.5), /Rng.normal: the count .* found 1.5/],
    ['count', () => rng.uint32s(Number.NaN), /Rng.uint32s: the count .* found NaN/],
    ['dtype', () => rng.uniform(1, 0, 1, 'int32' as 'float32'), /dtype must be .* found 'int32'; for integers use/],
    ['empty interval', () => rng.uniform(1, 3, 1), /finite low < high in float32, found \[3, 1\)/],
    ['interval empty in float32', () => rng.uniform(1, 1, 1 + 1e-9), /low < high in float32/],
    ['infinite interval', () => rng.uniform(1, 0, Infinity), /finite low < high/],
    ['overflowing interval', () => rng.uniform(1, -1e308, 1e308, 'float64'), /finite low < high/],
    ['std', () => rng.normal(1, 0, -1), /std >= 0, found mean = 0, std = -1/],
    ['mean', () => rng.normal(1, Number.NaN), /finite mean/],
    ['zero std', () => rng.truncatedNormal(1, 0, 0), /std > 0/],
    ['bounds', () => rng.truncatedNormal(1, 0, 1, 2, 2), /a < b in float32.* found \[2, 2\]/],
    ['unreachable', () => rng.truncatedNormal(1, 0, 1e-300, 1e30, Infinity, 'float64'), /infinitely many std/],
    ['range', () => rng.integers(1, 5, 5), /low < high .* found low = 5, high = 5/],
    ['range', () => rng.integers(1, 0, 2 ** 31 + 1), /high <= 2\^31/],
    ['range', () => rng.integers(1, 0.5, 3), /needs integers/],
    ['probability', () => rng.bernoulli(1, 1.1), /in \[0, 1\], found 1.1/],
    ['probability', () => rng.bernoulli(1, Number.NaN), /found NaN/],
    ['length', () => rng.permutation(-3), /found -3/],
    ['too many', () => rng.choice(3, 4), /cannot choose 4 of 3 without replacement; pass replace = true, or k <= 3/],
    ['from none', () => rng.choice(0, 1, true), /1 from an empty population/],
    ['population', () => rng.choice(-1, 0), /population .* found -1/],
    ['choice count', () => rng.choice(3, 0.5), /count .* found 0.5/],
    ['rate', () => rng.exponential(1, 0), /rate must be positive and finite, found 0/],
    ['rate', () => rng.exponential(1, Infinity), /found Infinity/],
    ['other weights', () => rng.choice(3, 1, true, [1, 2]), /wants 3 weights, one for each integer, found 2/],
    ['negative weight', () => rng.choice(2, 1, true, [1, -2]), /finite and not negative, found -2/],
    ['no weight', () => rng.choice(2, 1, true, [1, Number.NaN]), /finite and not negative, found NaN/],
    [
      'heavy weights',
      () => rng.choice(2, 1, true, [1e308, 1e308]),
      /sum of the weights must be finite, found Infinity/,
    ],
    ['zero weights', () => rng.choice(2, 1, true, [0, 0]), /cannot choose 1 from weights that are all 0/],
    [
      'too few weights',
      () => rng.choice(3, 3, false, [1, 0, 2]),
      /choose 3 of 3, 1 of them with weight 0, without .* or k <= 2/,
    ],
    ['name', () => rng.foldIn(-1), /Rng.foldIn: the name .* found -1/],
    ['streams', () => rng.split(0.5), /number of streams .* found 0.5/],
  ];
  it.each(wrong)('%s: a RandomArgumentError that says what was found', (_, call, message) => {
    expect(call).toThrow(RandomArgumentError);
    expect(call).toThrow(message);
  });

  it('carry the values as fields, and a refused call draws nothing', () => {
    const before = rng.state;
    try {
      rng.integers(3, 5, 2);
      expect.unreachable();
    } catch (error) {
      expect((error as RandomArgumentError).fields).toEqual({ low: 5, high: 2 });
      expect((error as RandomArgumentError).name).toBe('RandomArgumentError');
    }
    expect(rng.state).toEqual(before);
    expect(rng.uniform(0)).toEqual(new Float32Array(0));
  });
});
