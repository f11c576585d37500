// A primitive without a rule does not compile. The compiler itself is asked, twice: about these sources with one rule
// taken out of the table, and about the table as it is beside a tensor package that has one primitive more.

import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
const folder = mkdtempSync(join(tmpdir(), 'gemlab-table-'));
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
afterAll(() => rmSync(folder, { recursive: true }));

/** A copy of some sources with one change in one file. */
function changed(name: string, src: string, file: string, from: RegExp, to: string): string {
  const copy = join(folder, name);
  cpSync(src, copy, { recursive: true });
  const text = readFileSync(join(copy, file), 'utf8');
  expect(text).toMatch(from);
  writeFileSync(join(copy, file), text.replace(from, to));
  return copy;
}

/** The compiler's complaints about autograd's sources, beside tensor's (which may have their own, lacking the same kernels). */
async function complaints(name: string, autograd: string, tensor: string): Promise<string[]> {
  const project = join(folder, `${name}.json`);
  const config = {
    extends: path('../../../tsconfig.base.json'),
    compilerOptions: {
      noEmit: true,
      composite: false,
      rewriteRelativeImportExtensions: false,
      allowImportingTsExtensions: true,
      paths: { '@gemlab/tensor': [join(tensor, 'index.ts')] },
    },
    files: [join(autograd, 'index.ts')],
  };
  writeFileSync(project, JSON.stringify(config));
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [tsc, '-p', project, '--pretty', 'false'], (_, stdout) => resolve(stdout));
  });
  return output.split('\n').filter((line) => /autograd.*error TS/.test(line));
}

const [autograd, tensor] = [path('../src'), path('../../tensor/src')];

test('without its rule, a primitive is missing from the table', async () => {
  const without = changed('autograd', autograd, 'rules/elementwise.ts', /^ {2}exp: .*\n/m, '');
  const found = await complaints('removed', without, tensor);
  expect(found[0]).toMatch(/rules\/index\.ts.*Property 'exp' is missing in type/);
  expect(found.filter((line) => !line.includes('rules/index.ts'))).toEqual([]);
});

test('a new primitive is missing from the table', async () => {
  const more = changed('tensor', tensor, 'primitives.ts', /'exp',/, "'exp', 'cube',");
  const found = await complaints('added', autograd, more);
  expect(found[0]).toMatch(/rules\/index\.ts.*Property 'cube' is missing in type/);
});
