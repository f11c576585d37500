// The READMEs are run. A fenced block whose info string ends in `run` is executed, and what it prints must be what the
// README says, to the last digit; blocks without `run` are only shown.
//
// ```ts run    A whole module, run on the workspace's sources, from any package's name. The output is written beside the
//              call that prints it, after `// prints `; further lines go below, as comments aligned under the first:
//
//                  console.log(a.grad.item()); // prints 138.8338192419825
//                  console.log(m.grad);
//                  // prints [[1, 2],
//                  //         [3, 4]]
//
// ```sh run    A script for bash, run in the README's folder; it must succeed. If a ```text block comes next, that is its
//              output; a line `...` in it stands for one or more lines.
//
// All examples in TypeScript are also compiled, each on its own.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { format, stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { packages, root, run } from './workspace.ts';

interface Block {
  /** README and line, as an editor opens it. */
  readonly at: string;
  readonly readme: string;
  readonly line: number;
  readonly info: string;
  readonly code: string;
}

const readmes = [root, ...packages.map(({ dir }) => dir)].map((dir) => join(dir, 'README.md')).filter(existsSync);
const blocks = readmes.flatMap(fences);
const examples = blocks.filter(({ info }) => info === 'ts run');
const scripts = blocks.filter(({ info }) => info === 'sh run');

/** The fenced blocks of a README, in order. */
function fences(readme: string): Block[] {
  const text = readFileSync(readme, 'utf8');
  return [...text.matchAll(/^```([^\n`]*)\n(.*?)^```$/gms)].map(({ index, 1: info, 2: code }) => {
    const line = text.slice(0, index).split('\n').length;
    return { at: `${relative(root, readme)}:${line}`, readme, line, info: info!.trim(), code: code! };
  });
}

/** Output as it is compared: without colours, and without blanks at the ends of lines and of the whole. */
function tidy(output: string): string {
  return stripVTControlCharacters(output)
    .replace(/[ \t]+$/gm, '')
    .replace(/^\n+|\s+$/g, '');
}

describe('examples', () => {
  const folder = join(root, 'test/.readme');
  // One file for each example, its code on the lines that it has in the README: errors point there.
  const file = ({ at, line, code }: Block) => {
    const path = join(folder, `${at.replaceAll(/[/:]/g, '-')}.ts`);
    writeFileSync(path, `${'\n'.repeat(line)}${code}\nexport {};\n`);
    return path;
  };

  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const files = new Map(examples.map((block) => [block, file(block)]));
  afterEach(() => void vi.restoreAllMocks());

  /** What an example says it prints. */
  function promised(code: string): string {
    const comments = [...code.matchAll(/\/\/ prints (.*(?:\n *\/\/(?: {8}.*)?$)*)/gm)].map(([, text]) => text!);
    return comments.join('\n').replaceAll(/^ *\/\/(?: {8})?/gm, '');
  }

  test.each(examples.map((block) => [block.at, block] as const))('%s prints what it says', async (_, block) => {
    const printed: string[] = [];
    vi.spyOn(console, 'log').mockImplementation((...values) => void printed.push(format(...values)));
    await import(files.get(block)!);
    expect(tidy(printed.join('\n'))).toBe(tidy(promised(block.code)));
  });

  test.runIf(examples.length > 0)('compile', async () => {
    const options = { noEmit: true, composite: false, incremental: false, noUnusedLocals: false };
    const config = {
      extends: '../../tsconfig.tests.json',
      compilerOptions: options,
      include: ['*.ts'],
      references: [],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const { status, stdout } = await run('tsc', ['-p', folder], root);
    expect(status, stdout).toBe(0);
  });

  const documented = packages.filter(({ dir, manifest }) => !manifest.private && existsSync(join(dir, 'README.md')));
  test.each(documented.map(({ dir, manifest }) => [manifest.name, dir]))(
    'the README of %s has one that prints',
    (_, dir) => {
      expect(examples.some(({ readme, code }) => readme === join(dir, 'README.md') && promised(code) !== '')).toBe(
        true,
      );
    },
  );
});

describe('commands', () => {
  test.each(scripts.map((block) => [block.at, block] as const))(
    '%s does what it says',
    async (_, block) => {
      const { status, stdout, stderr } = await run(
        'bash',
        ['-euo', 'pipefail', '-c', block.code],
        join(block.readme, '..'),
      );
      expect(status, stdout + stderr).toBe(0);

      const next = blocks[blocks.indexOf(block) + 1];
      if (next?.readme !== block.readme || next.info !== 'text') return;
      const expected = tidy(next.code);
      const literal = expected.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
      const pattern = new RegExp(`^${literal.replace(/^\\.\\.\\.$/gm, '.*')}$`, 's');
      if (!pattern.test(tidy(stdout))) expect(tidy(stdout)).toBe(expected);
    },
    300_000,
  );

  test('every block that is run is of a kind that can be', () => {
    const kinds = ['ts run', 'sh run'];
    expect(blocks.filter(({ info }) => /\brun\b/.test(info) && !kinds.includes(info)).map(({ at }) => at)).toEqual([]);
  });

  test.runIf(existsSync(join(root, 'README.md')))("CI runs the README's test command", () => {
    const command = readFileSync(join(root, '.ci/run'), 'utf8').match(/^(npx .*test) <\/dev\/null$/m)?.[1];
    expect(readFileSync(join(root, 'README.md'), 'utf8')).toContain(command);
  });
});
