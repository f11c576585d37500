// Values made by NumPy and PyTorch (fixtures/golden*.json, each written by the script beside it), for every public op: special
// values, int32 wraparound, reductions over axes, every slice of a line. Signs of zero count here, but where they are a matter
// of taste.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  arange,
  concat,
  type DType,
  devices,
  einsum,
  eye,
  full,
  linspace,
  meshgrid,
  ones,
  stack,
  Tensor,
  tensor,
  where,
  zeros,
} from '../src/index.ts';
import { ulp } from './support/model.ts';

interface Recorded {
  readonly dtype: DType;
  readonly shape: number[];
  readonly data: (number | string)[];
}
interface Case {
  readonly call: [string, ...unknown[]];
  readonly inputs: string[];
  readonly expected: Recorded;
  readonly ulps: number;
  /** Where terms cancel, their size: ulps are those of this, if the value is smaller. */
  readonly scale?: number;
  /** Which of several results, by place or by name. */
  readonly pick?: number | string;
}
interface Golden {
  readonly arrays: Record<string, Recorded>;
  readonly cases: Case[];
}

const fixtures = new URL('./fixtures/', import.meta.url);
const goldens = readdirSync(fixtures)
  .filter((name) => /^golden.*\.json$/.test(name))
  .map((name): Golden => JSON.parse(readFileSync(new URL(name, fixtures), 'utf8')));
/** All cases, with the inputs themselves in place of their names. */
const cases = goldens.flatMap((golden) =>
  golden.cases.map((one) => ({ ...one, operands: one.inputs.map((name) => golden.arrays[name]!) })),
);

const SPECIAL: Record<string, number> = { nan: Number.NaN, inf: Infinity, '-inf': -Infinity, '-0': -0 };
const numbers = ({ data }: Recorded) => data.map((v) => (typeof v === 'string' ? SPECIAL[v]! : v));

/** Which of 0 and -0 is larger, and whether -0 has a sign, NumPy itself leaves to the build; its einsum adds every product to 0. */
const eitherZero = ['sign', 'maximum', 'minimum', 'einsum'];

type Anything = (...args: unknown[]) => Tensor | Record<number | string, Tensor>;
const functions: Record<string, unknown> = {
  where,
  concat,
  stack,
  meshgrid,
  einsum,
  arange,
  linspace,
  eye,
  full,
  zeros,
  ones,
};
const called = (name: string) => cases.filter(({ call }) => call[0] === name);

/** The public ops: what Tensor's family of classes defines, without what only reads or carries values. */
function publicOps(): string[] {
  const plumbing = [
    'constructor',
    'apply',
    'lift',
    'detach',
    'hostValues',
    'constant',
    'copy',
    'to',
    'data',
    'dataSync',
    'item',
    'toArray',
    'toString',
  ];
  const names: string[] = [];
  for (let p = Tensor.prototype as object; p !== Object.prototype; p = Object.getPrototypeOf(p)) {
    const methods = Object.entries(Object.getOwnPropertyDescriptors(p)).filter(
      ([, d]) => typeof d.value === 'function',
    );
    names.push(...methods.map(([name]) => name));
  }
  return [...new Set(names)].filter((name) => !name.startsWith('_') && !plumbing.includes(name));
}

test('every public op has values made by NumPy or PyTorch', () => {
  expect(publicOps().length).toBeGreaterThan(80);
  expect([...publicOps(), ...Object.keys(functions)].filter((name) => called(name).length === 0)).toEqual([]);
});

describe.each(devices)('%s', (device) => {
  function run({ call: [name, ...args], operands, expected, pick }: (typeof cases)[number]): Tensor {
    const tensors = operands.map((input) =>
      tensor(Float64Array.from(numbers(input)), { dtype: input.dtype, shape: input.shape, device }),
    );
    const fill = (arg: unknown): unknown => {
      if (Array.isArray(arg)) return arg.map(fill);
      if (arg === null && name !== 'slice') return undefined;
      if (typeof arg === 'object' && arg !== null) {
        return Object.fromEntries(Object.entries(arg).map(([key, value]) => [key, fill(value)]));
      }
      if (arg === 'Infinity' || arg === '-Infinity') return Number(arg);
      return typeof arg === 'string' && arg.startsWith('$') ? tensors[Number(arg.slice(1))] : arg;
    };
    const filled = args.map(fill);
    const free = functions[name] as Anything | undefined;
    const options = operands.length === 0 ? [{ device, dtype: expected.dtype }] : [];
    const result = free ? free(...filled, ...options) : (tensors[0]![name as 'neg'] as Anything)(...filled);
    return result instanceof Tensor ? result : result[pick!]!;
  }
  test.each([...new Set(cases.map(({ call }) => call[0]))])('%s', (name) => {
    for (const one of called(name)) {
      const found = run(one);
      const what = `${JSON.stringify(one.call)} of ${one.inputs}`;
      expect([found.dtype, ...found.shape], what).toEqual([one.expected.dtype, ...one.expected.shape]);
      const values = found.dataSync();
      numbers(one.expected).forEach((expected, i) => {
        const same = Object.is(values[i], expected) || (values[i] === expected && eitherZero.includes(name));
        const close =
          Math.abs(values[i]! - expected) <=
          one.ulps * ulp(Math.max(Math.abs(expected), one.scale ?? 0), one.expected.dtype);
        if (!same && !((expected !== 0 || one.scale) && close)) {
          expect.fail(`${what}, element ${i}: found ${values[i]}, expected ${expected}`);
        }
      });
    }
  });
});
