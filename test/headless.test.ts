// The gpu backend under Node, on the WebGL2 of the package `gl`, where that is installed: the laws that browsers are held to.

import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PRIMITIVES } from '@gemlab/tensor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundle } from './browser/chromium.ts';
import { onPath } from './runtimes/runtimes.ts';
import { root, run } from './workspace.ts';

/** Installed in this workspace, or in a folder of its own, where .ci/run puts it: gl is compiled code, which nobody must have. */
const gl = [root, `${root}node_modules/.cache/gl/`]
  .map((dir) => `${dir}node_modules/gl`)
  .find((dir) => existsSync(`${dir}/build/Release/webgl.node`));
const display = process.platform !== 'linux' || process.env.DISPLAY ? [] : onPath('xvfb-run');
const headless = process.platform === 'linux' && !process.env.DISPLAY;
const missing =
  gl === undefined
    ? 'the package gl is not installed'
    : headless && !display[0]
      ? 'there is no display, nor xvfb-run'
      : undefined;

if (missing !== undefined) {
  console.warn(
    `NOT RUN: the gpu backend under Node, for ${missing}; npm install --prefix node_modules/.cache/gl gl@9.0.0-rc.10`,
  );
}

/** Every method of the page `gpu.page.ts` that tells of a law, in one process; prints what each says. */
const SCRIPT = (seed: number) => `
await import('./index.js');
const answers = { device: await gpu.start(), info: gpu.info().gpu, large: await gpu.large('gpu'), repeated: gpu.repeated(),
  programs: gpu.programs(${seed}, 15), refusals: gpu.refusals(), reading: await gpu.reading(), laws: {} };
for (const op of ${JSON.stringify(PRIMITIVES)}) answers.laws[op] = await gpu.law(op, ${seed}, 8);
answers.globals = [typeof OffscreenCanvas, typeof WebGL2RenderingContext];
console.log(JSON.stringify(answers));
`;

describe.runIf(missing === undefined)('gpu under Node, by the package gl', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gemlab-gl-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  let answers: Record<string, unknown>;

  beforeAll(async () => {
    const page = fileURLToPath(new URL('browser/gpu.page.ts', import.meta.url));
    for (const [path, { body }] of await bundle(page, { external: ['gpu.js'] })) {
      if (!path.endsWith('.js')) continue;
      mkdirSync(dirname(folder + path), { recursive: true });
      writeFileSync(folder + path, body);
    }
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'laws.js'), SCRIPT(Number(process.env.FC_SEED ?? 1)));
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(realpathSync(gl!), join(folder, 'node_modules/gl'));
    const gpuJs = createRequire(`${root}packages/tensor/package.json`).resolve('gpu.js');
    symlinkSync(dirname(dirname(gpuJs)), join(folder, 'node_modules/gpu.js'));
    const command = headless ? [display[0]!, '-a', process.execPath] : [process.execPath];
    const { status, stdout, stderr } = await run(command[0]!, [...command.slice(1), 'laws.js'], folder);
    expect(status, stderr).toBe(0);
    answers = JSON.parse(stdout);
  }, 120_000);

  test('is WebGL2, and leaves no global behind', () => {
    expect(answers.device).toBe('gpu');
    expect(answers.info).toMatchObject({ kernels: 'WebGL2 through gpu.js', renderer: expect.stringMatching(/ANGLE/) });
    expect(answers.globals).toEqual(['undefined', 'undefined']);
  });

  test('long lines and lists, changing sizes, refusals and reading', () => {
    const { large, repeated, refusals, reading, programs } = answers as Record<string, unknown[]>;
    expect(large).toEqual(large!.map(() => true));
    expect(repeated!.map((line) => (line as unknown[]).length)).toEqual([64, 5, 30, 5, 64]);
    expect(refusals!.filter((message) => !/^(DType|Shape)Error: gpu: /.test(message as string))).toEqual([]);
    expect(reading).toEqual([[3, 4], 'ScopeError', true, [1, 2, 3], 'gpu']);
    expect(programs).toBe('held');
  });

  test.each(PRIMITIVES)('%s does what its definition says, within the stated tolerance', (op) => {
    expect((answers.laws as Record<string, string>)[op]).toBe('held');
  });
});
