// FEATURES.md says of every public op what dtypes it takes and gives, whether it has a first and a second derivative, and where it runs.
// None of that is typed by hand: ops are found by walking the prototype chain of Tensor and the exports of its package, and every cell is
// measured on the op's case in features/cases.ts. An op without a case fails here, and so does a file that says something else.
//
//     FEATURES=write npx vitest run test/features.test.ts      writes the file anew

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gradcheck, gradientsOf, type Variable, variable } from '@gemlab/autograd';
import * as gemlab from '@gemlab/tensor';
import { type Device, type DType, devices, errors, isFloat, Tensor, type TypedArray } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { type Case, functions, type Maker, methods, otherFunctions, otherMethods } from './features/cases.ts';
import { root } from './workspace.ts';

const dtypes: readonly DType[] = ['bool', 'int32', 'float32', 'float64'];

/** The cells of one line of the table. */
interface Row {
  readonly op: string;
  readonly forward: string;
  readonly derivative: string;
  readonly second: string;
  readonly backends: string;
}

/** The methods of Tensor by the class that brings them, the most basic class first; `_name` is private to its family. */
const families = new Map<string, string[]>();
for (let p = Tensor.prototype as object; p !== Object.prototype; p = Object.getPrototypeOf(p)) {
  const own = Object.entries(Object.getOwnPropertyDescriptors(p)).filter(([, d]) => typeof d.value === 'function');
  families.set(
    p.constructor.name,
    own.map(([name]) => name).filter((name) => name !== 'constructor' && !name.startsWith('_')),
  );
}
const sections = [...families]
  .reverse()
  .map(([family, names]) => [family, names.filter((name) => Object.hasOwn(methods, name))] as const);

const named = (table: object) => Object.keys(table).sort();
const unique = (names: readonly string[]) => [...new Set(names)].sort();

test('every public method and exported function has a case, or is named as no op', () => {
  expect(unique([...named(methods), ...otherMethods])).toEqual(unique([...families.values()].flat()));
  const isFunction = ([name, value]: [string, unknown]) => typeof value === 'function' && !/^[A-Z]/.test(name);
  const exported = Object.entries(gemlab).filter(isFunction);
  expect(unique([...named(functions), ...otherFunctions])).toEqual(unique(exported.map(([name]) => name)));
});

interface Result {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** What an op gives, or null if it does not take the dtype. */
async function resultOf(run: () => Tensor): Promise<Result | null> {
  try {
    const result = run();
    return { dtype: result.dtype, shape: result.shape, data: await result.data() };
  } catch (error) {
    if (error instanceof errors.DTypeError) return null;
    throw error;
  }
}

/** Integers and truths must be the same, floats up to the rounding of a few operations. */
function expectAgreement(found: Result, expected: Result, what: string): void {
  expect([found.dtype, ...found.shape], what).toEqual([expected.dtype, ...expected.shape]);
  const tolerance = { bool: 0, int32: 0, float32: 1e-5, float64: 1e-12 }[expected.dtype];
  expected.data.forEach((value, i) => {
    const same = Object.is(found.data[i]! + 0, value + 0);
    if (!same && !(Math.abs(found.data[i]! - value) <= tolerance * (1 + Math.abs(value)))) {
      expect.fail(`${what}, element ${i}: ${found.data[i]}, but the reference has ${value}`);
    }
  });
}

/** What becomes of each dtype on the reference, and the devices that do the same. */
async function forward(op: string, run: (dtype: DType, device: Device) => Tensor) {
  const results: string[] = [];
  const taken = new Map<Device, DType[]>(devices.map((device) => [device, []]));
  for (const dtype of dtypes) {
    const expected = await resultOf(() => run(dtype, 'reference'));
    results.push(expected?.dtype ?? '–');
    if (expected === null) continue;
    for (const [device, accepted] of taken) {
      const found = await resultOf(() => run(dtype, device));
      if (found === null) continue;
      expectAgreement(found, expected, `${op} of ${dtype} on ${device}`);
      accepted.push(dtype);
    }
  }
  const all = taken.get('reference')!;
  const backends = [...taken].flatMap(([device, accepted]) =>
    accepted.length === 0 ? [] : accepted.length === all.length ? [device] : [`${device} (${accepted.join(' ')})`],
  );
  return { forward: results.join(' '), backends: backends.join(', ') };
}

/** Cast to a dtype: the floats among the inputs, or the first input if there are none. */
function cast(inputs: readonly Tensor[], dtype: DType, device: Device): Tensor[] {
  const floats = inputs.some((x) => isFloat(x.dtype));
  return inputs.map((x, i) => ((floats ? isFloat(x.dtype) : i === 0) ? x.cast(dtype) : x).to(device));
}

/** Derivatives by every float input, held to finite differences; '0' if the first one vanishes, or why there are none. */
function derivatives({ inputs, run }: Case): { derivative: string; second: string } {
  const points = inputs.filter((x) => isFloat(x.dtype));
  const f = (...at: Variable[]): Variable => {
    const rest = [...at];
    return run(...inputs.map((x) => (isFloat(x.dtype) ? rest.shift()! : variable(x))));
  };
  const leaves = points.map((x) => variable(x, { requiresGrad: true }));
  const result = f(...leaves);
  const none = points.length === 0 ? 'integer input' : isFloat(result.dtype) ? null : `${result.dtype} result`;
  if (none !== null) return { derivative: none, second: none };

  gradcheck(f, points, { order: 1 });
  // Of y + y^2 / 2, so that the gradient which comes back to the op depends on its inputs even if the op is linear.
  const curved = (...at: Variable[]) =>
    f(...at).add(
      f(...at)
        .square()
        .mul(0.5),
    );
  gradcheck(curved, points, { order: 2 });
  const seed = gemlab.ones(result.shape, { dtype: result.dtype });
  const flat = gradientsOf(result, leaves, { seed }).every((g) => !g.value.any().item());
  return flat ? { derivative: '0', second: '0' } : { derivative: '✓', second: '✓' };
}

async function measure(op: string, one: Case | Maker): Promise<Row> {
  if (typeof one === 'function') {
    const made = await forward(op, (dtype, device) => one({ dtype, device }));
    return { op, ...made, derivative: 'no input', second: 'no input' };
  }
  const ran = await forward(op, (dtype, device) => one.run(...cast(one.inputs, dtype, device)));
  return { op, ...ran, ...derivatives(one) };
}

function table(rows: readonly Row[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const head = ['op', 'forward', 'derivative', 'second derivative', 'backends'];
  const cells = rows.map((r) => [`\`${r.op}\``, r.forward, r.derivative, r.second, r.backends]);
  return [line(head), line(head.map(() => '---')), ...cells.map(line)].join('\n');
}

const INTRODUCTION = `# Features

<!-- Measured by test/features.test.ts, which fails if this file says anything else. To write it anew:
     FEATURES=write npx vitest run test/features.test.ts
     A new op is one line in test/features/cases.ts. -->

Every public op of \`@gemlab/tensor\`, on a Tensor and on a Variable of \`@gemlab/autograd\` alike.

- **forward**: the dtype of the result for operands of bool, int32, float32 and float64, in this order; – where the op takes none.
- **derivative**, **second derivative**: ✓ where they agree with finite differences in float64 (\`gradcheck\` to order 2); 0 where the
  op is a step; else why there are none.
- **backends**: the devices that do so, in agreement with the reference.
`;

const rows = new Map<string, Row>();
describe('measured', () => {
  const all = Object.entries<Case | Maker>({ ...methods, ...functions });
  test.each(all)('%s', async (op, one) => {
    rows.set(op, await measure(op, one));
  });

  test('FEATURES.md says just that', async () => {
    for (const [op, one] of all) if (!rows.has(op)) rows.set(op, await measure(op, one));
    const parts = [...sections, ['Functions', Object.keys(functions)] as const].filter(([, names]) => names.length > 0);
    const tables = parts.map(([family, names]) => `## ${family}\n\n${table(names.map((name) => rows.get(name)!))}\n`);
    const text = [INTRODUCTION, ...tables].join('\n');
    const file = join(root, 'FEATURES.md');
    if (process.env.FEATURES === 'write') writeFileSync(file, text);
    expect(readFileSync(file, 'utf8')).toBe(text);
  });
});
