// The same bits everywhere: every runtime that is here computes what runtimes/bits.mjs lists from the built packages, and the digests
// must be the recorded ones. Needs `pnpm build`. Which runtimes those were is printed, and which were not here.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { findRuntimes } from './runtimes/runtimes.ts';
import { root } from './workspace.ts';

const recorded = JSON.parse(readFileSync(new URL('./runtimes/bits.json', import.meta.url), 'utf8'));
const { found, missing } = await findRuntimes();
const passed: string[] = [];

test.each(found.map((runtime) => [runtime.name, runtime] as const))(
  '%s has the recorded bits',
  async (name, { ask }) => {
    const { product, bits } = await ask();
    // The one that answers is the one that was asked.
    expect(product).toContain(name.match(/\d+/)![0]);
    expect(bits).toEqual(recorded);
    passed.push(name);
  },
  180_000,
);

test('the runtimes tested, by name', () => {
  const absent = missing.length === 0 ? '' : ` Not here, so not tested: ${missing.join(', ')}.`;
  console.log(`The recorded bits were found in ${passed.join(', ')}.${absent}`);
  expect(passed).toEqual(found.map(({ name }) => name));
});

// Draws depend on the seed alone because all they use is fixed by ECMAScript and IEEE 754.
test.each(['random', 'philox', 'gaussian', 'weighted'])(
  '%s.ts calls nothing that engines round their own way',
  (file) => {
    const code = readFileSync(`${root}packages/tensor/src/${file}.ts`, 'utf8').replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, '');
    const fixed = ['abs', 'floor', 'fround', 'imul', 'max', 'min', 'sqrt', 'trunc', 'SQRT2'];
    const used = Array.from(code.matchAll(/Math\.(\w+)/g), ([, name]) => name!);
    expect(used.filter((name) => !fixed.includes(name))).toEqual([]);
    // A power only of 2, and to a constant; of big integers all are exact.
    const powers = Array.from(code.matchAll(/\S+ \*\* \S+/g), ([power]) => power);
    expect(powers.filter((power) => !/\b2n? \*\* -?\d/.test(power))).toEqual([]);
  },
);
