import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { compileElementwise } from '../src/backends/cpu/elementwise.ts';
import { createGemm, type Gemm } from '../src/backends/cpu/gemm.ts';
import { compileGemm, NO_BIAS } from '../src/backends/cpu/gemm-kernel.ts';
import { createWorkspace, isShared } from '../src/backends/cpu/module.ts';
import { setTeam, startTeam, teamOf } from '../src/backends/cpu/threads.ts';
import { bitsOf, compileFill, hesitate, numbers } from './support/wasm.ts';

/** The bits of A B with each operand in rows or in columns. */
const product = (gemm: Gemm, m: number, n: number, k: number, layout: number, draw: () => number): Buffer => {
  const a = Float32Array.from({ length: m * k }, draw);
  const b = Float32Array.from({ length: k * n }, draw);
  const [aRow, aCol] = layout & 1 ? [1, m] : [k, 1];
  const [bRow, bCol] = layout & 2 ? [1, k] : [n, 1];
  const c = new Float32Array(m * n);
  gemm(m, n, k, a, 0, aRow, aCol, b, 0, bRow, bCol, c, 0);
  return bitsOf(c);
};

test('a memory can be shared here', () => {
  expect(isShared(createWorkspace()!.memory)).toBe(true);
});

describe.each([2, 3])('%i threads', (size) => {
  const workspace = createWorkspace()!;
  const alone = createGemm();
  const together = createGemm({ workspace });
  beforeAll(() => setTeam(workspace.memory, size));
  afterAll(() => setTeam(workspace.memory, 1));

  test('give the bits of one, for any shape', () => {
    expect(teamOf(workspace.memory)?.size).toBe(size);
    const run = hesitate(teamOf(workspace.memory)!, 1);
    const length = fc.integer({ min: 1, max: 200 });
    fc.assert(
      fc.property(
        length,
        length,
        fc.integer({ min: 1, max: 700 }),
        fc.nat(3),
        fc.integer(),
        (m, n, k, layout, seed) => {
          const found = product(together, m, n, k, layout, numbers(seed, 'special'));
          expect(found.equals(product(alone, m, n, k, layout, numbers(seed, 'special')))).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
    expect(run).toHaveBeenCalled();
  });

  test.each([
    [700, 300, 600],
    [10, 2000, 100],
    [100, 784, 10],
    [9, 8, 9000],
    [1000, 7, 200],
  ])('%i x %i by %i, by rows or by columns', (m, n, k) => {
    for (let layout = 0; layout < 4; layout++) {
      const found = product(together, m, n, k, layout, numbers(m));
      expect(found.equals(product(alone, m, n, k, layout, numbers(m)))).toBe(true);
    }
  });

  test('go on after the memory has grown, and many times', () => {
    const before = workspace.memory.buffer.byteLength;
    workspace.memory.grow(100);
    expect(workspace.memory.buffer.byteLength).toBeGreaterThan(before);
    const expected = product(alone, 100, 90, 80, 0, numbers(1));
    for (let i = 0; i < 20; i++) expect(product(together, 100, 90, 80, 0, numbers(1)).equals(expected)).toBe(true);
  });
});

describe('a team', () => {
  afterEach(() => vi.unstubAllGlobals());

  test('is replaced by one of another size, and by none', async () => {
    const { memory } = createWorkspace()!;
    await setTeam(memory, 2);
    await setTeam(memory, 3);
    expect(teamOf(memory)?.size).toBe(3);
    await setTeam(memory, 1);
    expect(teamOf(memory)).toBe(undefined);
  });

  test('does what each thread is told, of modules that it has not met before as well', async () => {
    const { memory, reserve } = createWorkspace()!;
    const [elements, fill] = [compileElementwise(memory)!, compileFill(memory)];
    const compiled = compileGemm(memory, false)!;
    const floats = () => new Float32Array(memory.buffer);
    reserve(1 << 16);
    await setTeam(memory, 3);
    hesitate(teamOf(memory)!, 200);
    const threads: number[] = [];
    teamOf(memory)!.run((call, thread) => {
      threads.push(thread);
      call(fill, 4, thread + 0.5, 64 * thread);
      if (thread === 2) call(elements.neg, 4, 64 * thread, 64 * thread);
    });
    // The others are told once more after each module that they have learnt, and have been left to do it.
    expect(threads).toEqual([1, 2, 1, 2, 1, 2, 0]);
    expect([0, 16, 32].map((at) => floats()[at + 3])).toEqual([0.5, 1.5, -2.5]);
    floats().fill(1);
    compiled.multiplyStack(100, 100, 100, [0], 0, 4, [0], 0, 4, 8192, 60000, NO_BIAS);
    expect(floats()[2048 + 9999]).toBe(100);
    await setTeam(memory, 1);
  });

  test('learns how fast its threads are from works of which it is told how much they are', async () => {
    const { memory, reserve } = createWorkspace()!;
    const fill = compileFill(memory);
    reserve(1 << 20);
    const team = await startTeam(memory, 2);
    hesitate(team, 1);
    team.run((call) => call(fill, 4, 1, 0));
    vi.restoreAllMocks();
    // As much to do for both, and one does it four times over.
    const shares = (amounts?: readonly number[]) => {
      for (let i = 0; i < 60; i++) {
        team.run((call, thread) => {
          for (let j = 0; j < (thread === 0 ? 4 : 16); j++) call(fill, 1 << 16, j, thread << 19);
        }, amounts);
      }
      return team.speeds.cut(1000, 1, 2).map(([, count]) => count);
    };
    expect(shares()).toEqual([500, 500]);
    expect(shares([100, 100])[0]).toBeGreaterThan(600);
    await team.stop();
  });

  test('leaves to the asking thread what it cannot pass on: functions of no module, and long lists', async () => {
    const { memory } = createWorkspace()!;
    const fill = compileFill(memory);
    const team = await startTeam(memory, 2);
    const seen: number[] = [];
    team.run((call, thread) => call((n: number) => void seen.push(n), thread));
    expect(seen).toEqual([0, 1]);
    team.run((call, thread) => {
      for (let i = 0; i < 30000; i++) call(fill, 1, i, 64 * thread);
    });
    const floats = new Float32Array(memory.buffer);
    expect([floats[0], floats[16]]).toEqual([29999, 29999]);
    await team.stop();
  });

  test('says where a kernel failed, and goes on', async () => {
    const { memory } = createWorkspace()!;
    const fill = compileFill(memory);
    const team = await startTeam(memory, 2);
    hesitate(team, 200);
    // A pointer far outside of the memory.
    const fillAt = (pointer: number) => team.run((call, thread) => thread === 1 && call(fill, 4, 7, pointer));
    expect(() => fillAt(2 ** 31 - 16)).toThrow('a thread failed in a kernel');
    fillAt(128);
    expect(new Float32Array(memory.buffer)[35]).toBe(7);
    await team.stop();
  });

  test('fails with the asking thread, and goes on', async () => {
    const { memory } = createWorkspace()!;
    const fill = compileFill(memory);
    const team = await startTeam(memory, 2);
    const fillFrom = (wrong: number) =>
      team.run((call, thread) => {
        if (thread === wrong) throw new RangeError('no');
        call(fill, 4, thread + 1, 64 * thread);
      });
    expect(() => fillFrom(0)).toThrow('no');
    expect(() => fillFrom(1)).toThrow('no');
    fillFrom(2);
    const floats = new Float32Array(memory.buffer);
    expect([floats[0], floats[16]]).toEqual([1, 2]);
    await team.stop();
  });

  test('that is not there in time is not waited for', async () => {
    const { memory } = createWorkspace()!;
    const fill = compileFill(memory);
    const team = await startTeam(memory, 2);
    team.run((call, thread) => call(fill, 4, thread, 64 * thread));
    // They are gone, and nobody was told.
    await team.stop();
    team.run((call, thread) => call(fill, 4, thread + 1, 64 * thread));
    const floats = new Float32Array(memory.buffer);
    expect([floats[0], floats[16]]).toEqual([1, 2]);
  });

  test('needs memory that can be shared, and workers: the errors say so', async () => {
    await expect(startTeam({ buffer: new ArrayBuffer(8), grow: () => 0 }, 2)).rejects.toThrow(
      /^threads: found no memory that threads can share, for 2 of them; a browser has it where the page is cross-origin isolated/,
    );
    vi.stubGlobal('process', undefined);
    await expect(startTeam(createWorkspace()!.memory, 2)).rejects.toThrow(
      'threads: could not start 1 more: this runtime has no Worker',
    );
  });
});

describe('setNumThreads', () => {
  test('shares the products of the cpu and of the cpu-fma, started before or after', async () => {
    vi.resetModules();
    const { chooseDevice, info, Rng, randn, setNumThreads }: typeof import('../src/index.ts') = await import(
      '../src/index.ts'
    );
    const [x, w] = [randn([200, 300], new Rng(1)), randn([300, 100], new Rng(2))];
    const alone = x.matmul(w).toArray();
    await setNumThreads(2);
    expect(info().cpu.threads).toBe('2');
    expect(x.matmul(w).toArray()).toEqual(alone);
    const device = await chooseDevice('cpu-fma');
    expect(info()['cpu-fma'].threads).toBe('2');
    const [y, v] = [x.to(device), w.to(device)];
    const together = y.matmul(v).toArray();
    await setNumThreads(1);
    expect([info().cpu.threads, info()['cpu-fma'].threads]).toEqual(['1', '1']);
    expect(y.matmul(v).toArray()).toEqual(together);
    expect(x.matmul(w).toArray()).toEqual(alone);
  });

  test('of calls that overlap the last one counts', async () => {
    const { info, setNumThreads } = await import('../src/index.ts');
    for (const sizes of [
      [2, 3, 1],
      [3, 1, 2],
      [2, 1],
    ]) {
      await Promise.all(sizes.map(setNumThreads));
      expect(info().cpu.threads).toBe(String(sizes.at(-1)));
    }
    await setNumThreads(1);
  });

  test('wants a number of threads', async () => {
    const { errors, info, setNumThreads } = await import('../src/index.ts');
    for (const wrong of [0, -1, 1.5, Number.NaN]) {
      const error = await setNumThreads(wrong).catch((e) => e);
      expect(error).toBeInstanceOf(errors.OptionError);
      expect(error.message).toBe(`setNumThreads: wants an integer from 1 on, found ${wrong}`);
    }
    expect(info().cpu.threads).toBe('1');
  });

  test('where there is no WebAssembly the error says so, and one thread computes on', async () => {
    vi.stubGlobal('WebAssembly', undefined);
    vi.resetModules();
    const { errors, ones, setNumThreads }: typeof import('../src/index.ts') = await import('../src/index.ts');
    const error = await setNumThreads(2).catch((e) => e);
    vi.unstubAllGlobals();
    expect(error).toBeInstanceOf(errors.DeviceError);
    expect(error.message).toBe('threads: they run WebAssembly vectors, which are missing here');
    await setNumThreads(1);
    expect(
      ones([20, 20])
        .matmul(ones([20, 20]))
        .max()
        .item(),
    ).toBe(20);
  });

  test('does not keep a finished program alive', () => {
    const program = `import { setNumThreads, ones } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
      await setNumThreads(3);
      console.log(ones([300, 300]).matmul(ones([300, 300])).sum().item());`;
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      timeout: 20_000,
    });
    expect([status, String(stdout).trim()]).toEqual([0, String(300 ** 3)]);
  });
});
