// What npm would get: each public package is packed, checked by publint and attw, unpacked beside the others in an empty
// folder, imported by plain Node and compiled against by a stranger's TypeScript. Needs `pnpm build`; uses no network.
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Manifest, packages, run } from './workspace.ts';

const published = packages.filter(({ manifest }) => !manifest.private);
const entries = published.flatMap(({ manifest }) =>
  Object.keys(manifest.exports ?? {}).map((path) => manifest.name + path.slice(1)),
);

const consumer = mkdtempSync(join(tmpdir(), 'gemlab-packed-'));
const home = (name: string) => join(consumer, 'node_modules', name);
const tarball = (id: string) => join(consumer, `${id}.tgz`);
const packed = (name: string): Manifest => JSON.parse(readFileSync(join(home(name), 'package.json'), 'utf8'));

async function ok(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { status, stdout, stderr } = await run(command, args, cwd);
  expect(status, `${command} ${args.join(' ')}\n${stdout}${stderr}`).toBe(0);
  return stdout;
}

beforeAll(async () => {
  await Promise.all(
    published.map(async ({ id, dir, manifest }) => {
      await ok('pnpm', ['pack', '--out', tarball(id)], dir);
      mkdirSync(home(manifest.name), { recursive: true });
      await ok('tar', ['-xzf', tarball(id), '-C', home(manifest.name), '--strip-components=1'], consumer);
    }),
  );
  // Other people's packages come from the workspace, but only those that the packed package.json declares.
  for (const { dir, manifest } of published) {
    for (const name of Object.keys(packed(manifest.name).dependencies ?? {}).filter((n) => !n.startsWith('@gemlab/'))) {
      mkdirSync(dirname(home(name)), { recursive: true });
      symlinkSync(realpathSync(join(dir, 'node_modules', name)), home(name));
    }
  }
  writeFileSync(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
}, 60_000);
afterAll(() => rmSync(consumer, { recursive: true, force: true }));

describe.each(published.map((p) => [p.manifest.name, p] as const))('%s', (name, { id, manifest }) => {
  test('passes publint', async () => {
    const { messages, pkg } = await publint({ pkgDir: home(name), pack: false, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
  });

  test('has right types for every way to import ESM (attw)', async () => {
    const analysis = await checkPackage(createPackageFromTarballData(readFileSync(tarball(id))));
    // We publish ESM only: how CommonJS would resolve the types says nothing.
    const commonjs = ['node10', 'node16-cjs'];
    const problems = analysis.types ? analysis.problems : ['no types'];
    expect(problems.filter((p) => !commonjs.includes(Object(p).resolutionKind))).toEqual([]);
  });

  test('depends on published versions', () => {
    const versions = Object.values(packed(name).dependencies ?? {});
    expect(versions.filter((version) => !/^[\^~]?\d/.test(version))).toEqual([]);
    // pnpm writes them in the order in which it found their versions.
    const named = (dependencies = {}) => Object.keys(dependencies).sort();
    expect(named(packed(name).dependencies)).toEqual(named(manifest.dependencies));
  });
});

test('plain Node imports every entry point', async () => {
  const script = `for (const entry of ${JSON.stringify(entries)}) console.log(entry, Object.keys(await import(entry)).length > 0)`;
  expect(await ok('node', ['--input-type=module', '-e', script], consumer)).toBe(
    entries.map((e) => `${e} true\n`).join(''),
  );
});

test('no class has a name that the bundler gave it', async () => {
  const script = `
    const renamed = [];
    const look = (path, exports) => {
      for (const [name, value] of Object.entries(exports)) {
        if (typeof value === 'function' && /^class\\b/.test(String(value)) && value.name.includes('$')) renamed.push([path, name, value.name]);
        if (value?.[Symbol.toStringTag] === 'Module') look(path + '.' + name, value);
      }
    };
    for (const entry of ${JSON.stringify(entries)}) look(entry, await import(entry));
    console.log(JSON.stringify(renamed));`;
  expect(JSON.parse(await ok('node', ['--input-type=module', '-e', script], consumer))).toEqual([]);
});

test('an anomaly is reported at the line of the program, not at one of the packages', async () => {
  const program = `
    import { tensor } from '@gemlab/tensor';
    import { detectAnomaly, variable } from '@gemlab/autograd';
    const x = variable(tensor([4, 0]), { requiresGrad: true });
    function distance() { return x.sqrt().sum(); }
    function logarithm() { return x.neg().log().sum(); }
    for (const run of [() => distance().backward(), () => logarithm()]) {
      try { detectAnomaly(run); } catch ({ fields }) { console.log(fields.site); }
    }`;
  writeFileSync(join(consumer, 'program.mjs'), program);
  const sites = (await ok('node', ['program.mjs'], consumer)).trim().split('\n');
  expect(sites.map((site) => site.replace(/\(.*\//, '('))).toEqual([
    expect.stringMatching(/^distance \(program\.mjs:5:\d+\)$/),
    expect.stringMatching(/^logarithm \(program\.mjs:6:\d+\)$/),
  ]);
});

test.each(['nodenext', 'preserve'])('TypeScript compiles against every entry point (module: %s)', async (module) => {
  writeFileSync(join(consumer, 'index.ts'), entries.map((entry, i) => `export * as e${i} from '${entry}';\n`).join(''));
  const options = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2023', '--types', ''];
  await ok('tsc', [...options, '--module', module, 'index.ts'], consumer);
});
