// The gpu backends under Node, on the WebGL2 of the package `gl` and the WebGPU of the package `webgpu`, where those are installed: the laws
// that browsers are held to.

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

/** Installed in this workspace, or in a folder of its own, where .ci/run puts it: they are compiled code, which nobody must have. */
const installed = (file: string) =>
  [root, `${root}node_modules/.cache/gl/`].map((dir) => `${dir}node_modules/${file}`).find((path) => existsSync(path));

interface Way {
  readonly device: 'gpu' | 'webgpu';
  readonly name: string;
  /** A folder; or why it is not used. */
  readonly folder?: string | undefined;
  readonly missing?: string | undefined;
  readonly command: readonly string[];
  readonly env?: Record<string, string>;
}

const display = process.platform !== 'linux' || process.env.DISPLAY ? null : (onPath('xvfb-run')[0] ?? 'none');
const gl = installed('gl/build/Release/webgl.node');
const dawn = installed('webgpu/index.js');
// Of Vulkan's drivers, the one in software that comes with Debian's Chromium will do.
const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';
const ways: readonly Way[] = [
  {
    device: 'gpu',
    name: 'gl',
    folder: gl && dirname(dirname(dirname(gl))),
    missing: gl === undefined ? 'it is not installed' : display === 'none' ? 'no display, nor xvfb-run' : undefined,
    command: display === null ? [process.execPath] : [display, '-a', process.execPath],
  },
  {
    device: 'webgpu',
    name: 'webgpu',
    folder: dawn && dirname(dawn),
    missing:
      dawn === undefined
        ? 'it is not installed'
        : process.platform === 'linux' && !existsSync('/usr/lib/x86_64-linux-gnu/libvulkan.so.1')
          ? "there is no Vulkan (Debian's package libvulkan1)"
          : undefined,
    command: [process.execPath],
    env: existsSync(driver) ? { VK_DRIVER_FILES: driver } : {},
  },
];
for (const { device, name, missing } of ways) {
  if (missing === undefined) continue;
  console.warn(
    `NOT RUN: the ${device} under Node by the package ${name}, for ${missing}; .ci/run says how to install it`,
  );
}

/** What the page `gpu.page.ts` says of each law, in one process. */
const script = (device: string, seed: number) => `
await import('./index.js');
const answers = { device: await gpu.start('${device}'), info: gpu.info().${device}, laws: {} };
answers.large = await gpu.large('${device}');
if ('${device}' === 'gpu') Object.assign(answers, { repeated: gpu.repeated(), programs: gpu.programs(${seed}, 15),
  refusals: gpu.refusals(), reading: await gpu.reading() });
for (const op of ${JSON.stringify(PRIMITIVES)}) answers.laws[op] = await gpu.law(op, ${seed}, 8, '${device}');
answers.globals = [typeof OffscreenCanvas, typeof WebGL2RenderingContext, typeof globalThis.navigator?.gpu];
console.log(JSON.stringify(answers));
`;

describe.each(ways)(
  'the $device under Node, by the package $name',
  ({ device, name, folder: source, missing, command, env }) => {
    const folder = mkdtempSync(join(tmpdir(), 'gemlab-gpu-'));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));
    let answers: Record<string, unknown>;

    beforeAll(async () => {
      if (missing !== undefined) return;
      const page = fileURLToPath(new URL('browser/gpu.page.ts', import.meta.url));
      for (const [path, { body }] of await bundle(page, { external: ['gpu.js'] })) {
        if (!path.endsWith('.js')) continue;
        mkdirSync(dirname(folder + path), { recursive: true });
        writeFileSync(folder + path, body);
      }
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
      writeFileSync(join(folder, 'laws.js'), script(device, Number(process.env.FC_SEED ?? 1)));
      mkdirSync(join(folder, 'node_modules'));
      symlinkSync(realpathSync(source!), join(folder, 'node_modules', name));
      const gpuJs = createRequire(`${root}packages/tensor/package.json`).resolve('gpu.js');
      symlinkSync(dirname(dirname(gpuJs)), join(folder, 'node_modules/gpu.js'));
      const { status, stdout, stderr } = await run(command[0]!, [...command.slice(1), 'laws.js'], folder, env);
      expect(status, stderr).toBe(0);
      answers = JSON.parse(stdout);
    }, 120_000);

    test.skipIf(missing !== undefined)('says what it is, and leaves no global behind', () => {
      expect(answers.device).toBe(device);
      expect((answers.info as Record<string, string>).kernels).toMatch(device === 'gpu' ? /^WebGL2/ : /^WebGPU/);
      expect(answers.globals).toEqual(['undefined', 'undefined', 'undefined']);
    });

    test.skipIf(missing !== undefined)('long lines and lists, changing sizes, refusals and reading', () => {
      const { large, repeated, refusals, reading, programs } = answers as Record<string, unknown[]>;
      expect(large).toEqual(Array(15).fill(true));
      if (device === 'webgpu') return;
      expect(repeated!.map((line) => (line as unknown[]).length)).toEqual([64, 5, 30, 5, 64]);
      expect(refusals!.filter((message) => !/^(DType|Shape)Error: gpu: /.test(message as string))).toEqual([]);
      expect(reading).toEqual([[3, 4], 'ScopeError', true, [1, 2, 3], 'gpu']);
      expect(programs).toBe('held');
    });

    test.skipIf(missing !== undefined).each(PRIMITIVES)('%s does what its definition says', (op) => {
      expect((answers.laws as Record<string, string>)[op]).toBe('held');
    });
  },
);
