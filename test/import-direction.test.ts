// Imports go examples -> gem -> autograd -> tensor, enter a package only where the exports in its package.json let them,
// and never lead back to where they began. Biome checks this (biome.json, overrides). This file proves that the rules bite:
// it lints a bad source of each kind, with the workspace's own configuration, in a skeleton of the workspace.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packages, root, run } from './workspace.ts';

/** Each package, and which of the others it may import. */
const arrow: Record<string, readonly string[]> = {
  tensor: [],
  autograd: ['tensor'],
  gem: ['tensor', 'autograd'],
  examples: ['tensor', 'autograd', 'gem'],
};

/** A source to lint, and where it would lie; a file named 'a' is given a name that no other source has. */
type Source = readonly [path: string, text: string];
const importing = (path: string, ...names: string[]): Source[] => names.map((name) => [path, `import '${name}';`]);

const ids = Object.keys(arrow);
const along = ids.flatMap((id) => importing(`packages/${id}/src/a.ts`, ...arrow[id]!.map((to) => `@gemlab/${to}`)));
const against = ids.flatMap((id) => {
  const others = ids.filter((to) => !arrow[id]!.includes(to));
  return importing(`packages/${id}/src/a.ts`, ...others.map((to) => `@gemlab/${to}`));
});

const forbidden: readonly (readonly [what: string, rule: string, sources: readonly Source[]])[] = [
  ['an import against the arrow', 'noRestrictedImports', against],
  [
    'any other form of it',
    'noRestrictedImports',
    [
      ['packages/tensor/src/a.ts', "export * from '@gemlab/gem';"],
      ['packages/tensor/src/a.ts', "import type { Gem } from '@gemlab/gem'; export type G = Gem;"],
      ['packages/tensor/src/a.ts', "export const gem = () => import('@gemlab/gem');"],
      ['packages/tensor/test/a.test.ts', "import '@gemlab/autograd';"],
    ],
  ],
  [
    "an import past a package's public entry points",
    'noRestrictedImports',
    [
      ...importing('packages/gem/src/a.ts', '@gemlab/tensor/src/index.ts', '@gemlab/tensor/dist/index.js'),
      ...importing('packages/examples/src/a/b.ts', '@gemlab/gem/qp'),
      ...importing('packages/gem/test/a.test.ts', '@gemlab/autograd/src/index.ts'),
      ...importing('packages/autograd/src/a.ts', '@gemlab/gem/node'),
      ...importing('test/a.test.ts', '@gemlab/tensor/src/index.ts', '../packages/tensor/src/index.ts'),
    ],
  ],
  [
    'a relative import that leaves its package',
    'noRestrictedImports',
    [
      ...importing('packages/gem/src/a.ts', '../../tensor/src/index.ts', '../../tensor/dist/index.js'),
      ...importing('packages/gem/src/qp/a.ts', '../../../tensor/src/index.ts'),
      ...importing('packages/gem/test/a.test.ts', '../../tensor/src/index.ts', '../../tensor/test/helper.ts'),
      ...importing('packages/examples/src/a.ts', '../../gem/src/index.ts'),
    ],
  ],
  [
    'modules that import one another',
    'noImportCycles',
    [
      ['packages/gem/src/to.ts', "import { back } from './back.ts'; export const to = () => back;"],
      ['packages/gem/src/back.ts', "import { to } from './to.ts'; export const back = () => to;"],
    ],
  ],
  [
    'gpu.js outside the room of the GPU backend',
    'noRestrictedImports',
    ids.flatMap((id) => importing(`packages/${id}/src/backends/cpu/a.ts`, 'gpu.js')),
  ],
  [
    'a backend in autograd or gem',
    'noRestrictedImports',
    ['autograd', 'gem'].flatMap((id): Source[] => [
      [
        `packages/${id}/src/a.ts`,
        "import { referenceBackend } from '@gemlab/tensor'; export const b = referenceBackend;",
      ],
      [`packages/${id}/src/a.ts`, "import type { Backend } from '@gemlab/tensor'; export type B = Backend;"],
    ]),
  ],
  [
    'the storage of tensors in autograd or gem',
    'noRestrictedGlobals',
    [
      ['packages/autograd/src/a.ts', 'export const zeros = (n: number) => new Float32Array(n);'],
      ['packages/autograd/src/a.ts', 'export const first = (data: Float64Array) => data[0];'],
      ['packages/gem/src/a.ts', 'export const first = (data: Float32Array) => data[0];'],
    ],
  ],
  [
    'the machine in autograd or gem',
    'noNodejsModules',
    ['autograd', 'gem'].flatMap((id) => importing(`packages/${id}/src/a.ts`, 'node:fs', 'node:tty', 'fs')),
  ],
  [
    'printing in a library',
    'noConsole',
    ['tensor', 'autograd', 'gem'].map((id): Source => [`packages/${id}/src/a.ts`, "console.log('task 1');"]),
  ],
  [
    'a dependency that package.json does not declare',
    'noUndeclaredDependencies',
    [
      ...ids.flatMap((id) => importing(`packages/${id}/src/a.ts`, 'some-package')),
      ...importing('test/a.test.ts', 'some-package'),
    ],
  ],
];

const permitted: readonly (readonly [what: string, sources: readonly Source[]])[] = [
  ['an import along the arrow', along],
  [
    "a package's own files",
    [
      ...importing('packages/gem/src/qp/a.ts', './kkt.ts', '../project.ts'),
      ...importing('packages/gem/test/a.test.ts', '../src/index.ts', './helper.ts', 'vitest', 'fast-check', 'node:fs'),
      ...importing('packages/gem/test/qp/a.test.ts', '../../src/qp/kkt.ts', '../helper.ts'),
    ],
  ],
  [
    'a circle of types alone',
    [
      ['packages/gem/src/one.ts', "import type { Two } from './two.ts'; export type One = Two | 1;"],
      ['packages/gem/src/two.ts', "import type { One } from './one.ts'; export type Two = { readonly one: One };"],
    ],
  ],
  [
    "the machine in gem's entry for Node",
    importing('packages/gem/src/node/a.ts', 'node:fs/promises', '../run/store.ts'),
  ],
  ["gem's entry for Node", importing('packages/examples/src/a.ts', '@gemlab/gem/node')],
  ['gpu.js in its room', importing('packages/tensor/src/backends/gpu/a.ts', 'gpu.js', '../../backend.ts')],
  ['float64 rows in gem', [['packages/gem/src/a.ts', 'export const first = (row: Float64Array) => row[0];']]],
  ['the machine in examples', [['packages/examples/src/a.ts', "import 'node:fs'; console.log('task 1');"]]],
  ['public names in repo-level tests', importing('test/a.test.ts', '@gemlab/tensor', '@gemlab/gem', 'vitest')],
];

describe('lint', () => {
  const rules = new Set(forbidden.map(([, rule]) => rule));
  const sources = [...forbidden.flatMap(([, , s]) => s), ...permitted.flatMap(([, s]) => s)];
  const complaints = new Map<Source, string[]>(sources.map((source) => [source, []]));
  let skeleton: string;

  beforeAll(async () => {
    skeleton = mkdtempSync(join(tmpdir(), 'gemlab-lint-'));
    const write = (path: string, text: string) => {
      mkdirSync(dirname(join(skeleton, path)), { recursive: true });
      writeFileSync(join(skeleton, path), text);
    };
    cpSync(join(root, 'biome.json'), join(skeleton, 'biome.json'));
    cpSync(join(root, 'package.json'), join(skeleton, 'package.json'));
    for (const { id, manifest } of packages) {
      // Each package declares every other here, so that only the import rule can object.
      const all = Object.fromEntries([...ids.map((to) => `@gemlab/${to}`), 'gpu.js'].map((name) => [name, '*']));
      write(`packages/${id}/package.json`, JSON.stringify({ ...manifest, dependencies: all }));
    }
    const paths = new Map(sources.map((source, i) => [source[0].replace(/a(?=(\.test)?\.ts$)/, `case${i}`), source]));
    for (const [path, [, text]] of paths) write(path, text);

    const linted = await run(
      'biome',
      ['lint', '--vcs-enabled=false', '--max-diagnostics=none', '--reporter=json'],
      skeleton,
    );
    for (const { category, location } of JSON.parse(linted.stdout).diagnostics) {
      complaints.get(paths.get(location.path)!)?.push(category.split('/').at(-1));
    }
  });
  afterAll(() => rmSync(skeleton, { recursive: true, force: true }));

  test.each(forbidden)('forbids %s (%s)', (_, rule, sources) => {
    expect(sources.filter((source) => !complaints.get(source)!.includes(rule))).toEqual([]);
  });

  test.each(permitted)('permits %s', (_, sources) => {
    expect(sources.filter((source) => complaints.get(source)!.some((rule) => rules.has(rule)))).toEqual([]);
  });
});

describe.each(packages.map((p) => [p.id, p] as const))('packages/%s', (id, { dir, manifest }) => {
  const ours = (names: readonly string[]) => names.filter((name) => name.startsWith('@gemlab/')).sort();
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies, ...manifest.peerDependencies });

  test('declares dependencies along the arrow only', () => {
    expect(ours(declared).filter((name) => !arrow[id]!.includes(name.slice('@gemlab/'.length)))).toEqual([]);
  });

  test('builds after what it depends on', () => {
    const { references } = JSON.parse(readFileSync(join(dir, 'tsconfig.json'), 'utf8'));
    const built = new Set(references.map(({ path }: { path: string }) => `@gemlab/${path.split('/')[1]}`));
    expect([...built].sort()).toEqual(ours(declared));
  });

  test('uses every dependency that it declares', () => {
    const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.ts') && !/(^|\/)(node_modules|dist)\//.test(file),
    );
    const text = files.map((file) => readFileSync(join(dir, file), 'utf8')).join('\n');
    const used = (name: string) => text.includes(`'${name}'`) || text.includes(`'${name}/`);
    expect(declared.filter((name) => !used(name.replace('@types/', '')))).toEqual([]);
  });
});
