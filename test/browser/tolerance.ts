// How far a gpu may be from the laws that every backend is held to. Stated, and nowhere looser:
// - numbers below the least normal one (2^-126) may be taken for 0, and a result of one is then not held to anything;
// - division, roots and all functions of analysis are within ULPS units in the last place, sums within n u of the sum of magnitudes;
// - sin, cos and tan are held to nothing beyond |x| = 8192;
// - what lies within 2^-10 of the largest number may be infinite.

import type { Primitive } from '@gemlab/tensor';
import type { Case } from '../../packages/tensor/test/laws/case.ts';
import { type Model, ulp } from '../../packages/tensor/test/support/model.ts';

const EXACT =
  'neg abs sign floor ceil round trunc relu reluBackward add sub mul maximum minimum eq lt le where cast copy'.split(
    ' ',
  );
const ULPS: Readonly<Record<string, number>> = {
  div: 3,
  sqrt: 3,
  mod: 1,
  hypot: 6,
  pow: 32,
  cumprod: 8,
  exp: 4,
  expm1: 6,
  log: 4,
  log1p: 6,
  log2: 6,
  log10: 6,
  sin: 4,
  cos: 4,
  tan: 8,
  asin: 6,
  acos: 8,
  atan: 6,
  atan2: 8,
  sinh: 8,
  cosh: 8,
  tanh: 8,
  asinh: 8,
  acosh: 8,
  atanh: 8,
  sigmoid: 6,
  erf: 6,
  erfc: 24,
};
const LEAST = 2 ** -126;
const LARGEST = (2 - 2 ** -23) * 2 ** 127;

const subnormal = (x: number) => x !== 0 && Math.abs(x) < LEAST;

/** The distance allowed at each element of the expected result. */
export function tolerance(op: Primitive, { inputs, expected }: Case): (i: number) => number {
  const models = inputs.map((x) => x.model);
  const own = (i: number) => expected.slack?.[i] ?? 0;
  if (op in ULPS || EXACT.includes(op)) {
    const elementwise = op !== 'cumprod';
    return (i) => {
      const operands = elementwise ? models.filter((m) => m.dtype === 'float32').map((m) => m.values[i]!) : [];
      if (operands.some(subnormal)) return Number.POSITIVE_INFINITY;
      if (['sin', 'cos', 'tan'].includes(op) && Math.abs(operands[0]!) > 8192) return Number.POSITIVE_INFINITY;
      const value = expected.values[i]!;
      return expected.dtype === 'float32' ? (ULPS[op] ?? 0) * ulp(value, 'float32') + own(i) + LEAST : 0;
    };
  }
  if (expected.dtype !== 'float32') {
    // Places of extremes, and order: two subnormal numbers may be equal to each other and to 0.
    const unsure = models.some((m) => m.dtype === 'float32' && m.values.some(subnormal));
    return () => (unsure ? Number.POSITIVE_INFINITY : 0);
  }
  // The parts of a softmax are those of exp, log, a sum and a quotient, in float32.
  if (op === 'softmax' || op === 'logSoftmax') {
    const range = Math.max(0, ...models[0]!.values) - Math.min(0, ...models[0]!.values);
    const error = (range + models[0]!.values.length + 16) * 2 ** -23;
    return (i) => own(i) + (op === 'softmax' ? Math.abs(expected.values[i]!) : range + 8) * error + LEAST;
  }
  if (op === 'addScaled') {
    const [a, b] = models as [Model, Model];
    return (i) => own(i) + 4 * 2 ** -23 * (Math.abs(a.values[i]!) + 1e3 * Math.abs(b.values[i]!)) + LEAST;
  }
  if (!['sum', 'cumsum', 'matmul', 'linear', 'fold'].includes(op)) return (i) => own(i) + LEAST;
  const all = models.flatMap((m) => m.values);
  const magnitude = op === 'matmul' || op === 'linear' ? 0 : all.reduce((a, b) => a + Math.abs(b), 0);
  return (i) => own(i) + all.length * 2 ** -24 * magnitude + LEAST;
}

export function agrees(found: number, expected: number, slack: number): boolean {
  if (slack === Number.POSITIVE_INFINITY) return true;
  if (Number.isNaN(expected) || Number.isNaN(found)) return Number.isNaN(expected) && Number.isNaN(found);
  if (Math.abs(found) === Infinity && Math.sign(found) === Math.sign(expected)) {
    return Math.abs(expected) > LARGEST * (1 - 2 ** -10);
  }
  return found === expected || Math.abs(found - expected) <= slack;
}
