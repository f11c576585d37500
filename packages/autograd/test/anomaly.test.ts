// Errors that point at the line: the first NaN or infinity under detectAnomaly, and failures inside backward with and
// without it.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { errors, Rng, scope, type Tensor, tensor, where } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { parseStack, siteText } from '../src/call-site.ts';
import {
  AnomalyError,
  BackwardError,
  checkpoint,
  customGradient,
  detectAnomaly,
  GradientError,
  gradientsOf,
  losses,
  nn,
  type Variable,
  variable,
} from '../src/index.ts';
import { leaf } from './derivatives.ts';

const float64 = (x: number | number[] | number[][]): Tensor => tensor(x, { dtype: 'float64' });
const here = fileURLToPath(import.meta.url);
const lines = readFileSync(here, 'utf8').split('\n');

function thrown(fn: () => unknown): AnomalyError {
  try {
    fn();
  } catch (error) {
    return error as AnomalyError;
  }
  throw new Error('nothing was thrown');
}

/** Whether a site is the line of this file that ends in `// mark`. */
function isAt(site: unknown, mark: string): boolean {
  const [, file, line] = /([^\s(]+):(\d+):\d+\)?$/.exec(site as string) ?? [];
  return file?.replace('file://', '') === here && lines[Number(line) - 1]!.endsWith(`// ${mark}`);
}

class Entropy extends nn.Module {
  override forward(p: Variable): Variable {
    return p.mul(p.log()).sum().neg(); // entropy
  }
}

describe('detectAnomaly in the forward pass', () => {
  test('names op, element and line of the first NaN', () => {
    const x = leaf([0.5, -0.25, -1]);
    const error = thrown(() => detectAnomaly(() => new nn.Sequential(new Entropy()).forward(x)));
    expect(error).toBeInstanceOf(AnomalyError);
    expect(error.fields).toMatchObject({ op: 'log', phase: 'forward', value: Number.NaN, index: [1], input: null });
    expect(isAt(error.fields.site, 'entropy')).toBe(true);
    expect(error.message).toBe(
      `detectAnomaly: log [3] -> [3]: gave NaN at [1] from finite inputs; called at ${error.fields.site}`,
    );
    expect(error.fields.site).toContain('Entropy.forward');
  });

  test('names the first infinity, and lets those pass that were there before', () => {
    const x = leaf([[1, 0]]);
    const error = thrown(() => detectAnomaly(() => x.mul(2).log().exp())); // infinity
    expect(error.fields).toMatchObject({ op: 'log', value: -Infinity, index: [0, 1] });
    expect(isAt(error.fields.site, 'infinity')).toBe(true);
    const mask = float64([[0, -Infinity]]);
    expect(detectAnomaly(() => x.add(mask).exp()).value.toArray()).toEqual([[Math.E, 0]]);
    expect(detectAnomaly(() => x.log().exp(), { infinities: false }).value.toArray()).toEqual([[1, 0]]);
  });

  test('catches NaN made of infinities, and NaN that a tensor brings along', () => {
    const x = leaf([1, 2]);
    const infinite = float64([1, Infinity]);
    const made = thrown(() => detectAnomaly(() => x.mul(infinite).sub(infinite)));
    expect(made.message).toContain('sub [2], [2] -> [2]: gave NaN at [1]; called at');
    const brought = thrown(() => detectAnomaly(() => x.mul(float64([Number.NaN, 1]))));
    expect(brought.fields).toMatchObject({ op: 'mul', input: 1, index: [0] });
    expect(brought.message).toContain('mul [2], [2] -> [2]: input 1 already holds NaN at [0]; called at');
  });

  test('looks at constants too, and not at what is chosen away', () => {
    expect(thrown(() => detectAnomaly(() => variable(float64(-1)).sqrt())).fields.op).toBe('sqrt');
    const x = leaf([-1, 4]);
    expect(
      detectAnomaly(() => where<Variable>(x.gt(0), where<Variable>(x.gt(0), x, 1).sqrt(), 0)).value.toArray(),
    ).toEqual([0, 2]);
  });

  test('lets healthy training pass, with the same numbers', () => {
    const train = () => {
      const model = new nn.MLP([3, 4, 2], { rng: new Rng(0) });
      const x = variable(tensor([[1, 2, 3]]));
      losses.crossEntropy(model.forward(x), tensor([1], { dtype: 'int32' })).backward();
      return model.parameters().map((p) => p.grad!.value.toArray());
    };
    expect(detectAnomaly(train)).toEqual(train());
  });

  test('ends with its function, also when that throws, and refuses one that goes on', () => {
    const x = leaf(-1);
    thrown(() => detectAnomaly(() => x.log()));
    expect(x.log().item()).toBeNaN();
    expect(() => detectAnomaly(async () => 1)).toThrow(GradientError);
    expect(x.log().item()).toBeNaN();
  });

  test('leaves the length of stacks as it was', () => {
    const limit = Error.stackTraceLimit;
    detectAnomaly(() => leaf(1).exp());
    expect(Error.stackTraceLimit).toBe(limit);
  });
});

describe('detectAnomaly in the backward pass', () => {
  test('names the forward line of the op whose derivative failed, and the line that called backward', () => {
    const x = leaf([4, 0]);
    const error = thrown(() =>
      detectAnomaly(() => {
        const y = x.sqrt(); // forward
        y.sum().backward(); // backward
      }),
    );
    expect(error).toBeInstanceOf(AnomalyError);
    expect(error.fields).toMatchObject({ op: 'sqrt', phase: 'backward', value: Infinity, index: [1] });
    expect(isAt(error.fields.site, 'forward')).toBe(true);
    expect(error.message).toMatch(
      /^backward of sqrt \[2\] -> \[2\], called at .*: detectAnomaly: div .* gave Infinity/,
    );
    expect(isAt(error.message, 'backward')).toBe(true);
    expect(x.grad).toBeNull();
  });

  test('finds the step in derivatives of derivatives, and in checkpoints', () => {
    const x = leaf([1, 0]);
    // x^1.5 has a derivative at 0, but not a second one.
    const error = thrown(() =>
      detectAnomaly(() => {
        const [g] = gradientsOf(x.pow(1.5).sum(), [x], { createGraph: true });
        gradientsOf(g!.sum(), [x]);
      }),
    );
    expect(error.fields).toMatchObject({ op: 'pow', phase: 'backward' });
    const inside = thrown(() =>
      detectAnomaly(() => {
        const y = checkpoint((v: Variable) => v.mul(2).sqrt(), x); // inside
        return y.sum().backward();
      }),
    );
    expect(inside.fields).toMatchObject({ op: 'sqrt', phase: 'backward' });
    expect(isAt(inside.fields.site, 'inside')).toBe(true);
    expect(inside.message).toMatch(/^backward of checkpoint \[2\] -> \[2\], called at .*: backward of sqrt/);
  });

  test('catches contributions that overflow together', () => {
    const y = leaf(0).mul(1);
    const error = thrown(() => detectAnomaly(() => y.mul(1e308).add(y.mul(1e308)).backward()));
    expect(error.fields).toMatchObject({ op: 'mul', phase: 'backward', value: Infinity });
    expect(error.message).toContain('add [], [] -> []: gave Infinity at []');
  });
});

describe('a failure inside backward', () => {
  const failing = customGradient<[Tensor]>({
    name: 'failing',
    forward: (x) => x.square(),
    backward: () => {
      throw new RangeError('mine');
    },
  });

  test('names the op and its shapes', () => {
    const y = failing(leaf([1, 2])).sum();
    const error = thrown(() => y.backward());
    expect(error).toBeInstanceOf(BackwardError);
    expect(error.message).toBe(
      'backward of failing [2] -> [2]; under detectAnomaly this names the line that called it: mine',
    );
    expect(error.fields).toEqual({ op: 'failing', shapes: [[2]], site: null });
    expect(error.cause).toBeInstanceOf(RangeError);
  });

  test('names the line too if the op was called under detectAnomaly', () => {
    const y = detectAnomaly(() => {
      return failing(leaf([1, 2])).sum(); // failing
    });
    const error = thrown(() => y.backward());
    expect(isAt(error.fields.site, 'failing')).toBe(true);
    expect(error.message).toBe(`backward of failing [2] -> [2], called at ${error.fields.site}: mine`);
  });

  test('is, for instance, a tape whose scope has ended', () => {
    let y = leaf(0);
    const x = leaf([1, 2]);
    scope(() => {
      y = x.exp().sum();
    });
    const error = thrown(() => y.backward());
    expect(error.message).toMatch(
      /^backward of exp \[2\] -> \[2\]; .*: this tensor was made inside a scope that has ended/,
    );
    expect(error.cause).toBeInstanceOf(errors.ScopeError);
    expect(x.grad).toBeNull();
  });

  test('leaves every grad as it was, and the tape as good as before', () => {
    const x = leaf(2);
    let fail = true;
    const once = customGradient<[Tensor]>({
      forward: (v) => v.square(),
      backward: (g, { inputs: [v] }) => {
        if (fail) throw new RangeError('mine');
        return [g.mul(v).mul(2)];
      },
    });
    const y = x.mul(once(x));
    expect(() => y.backward()).toThrow('mine');
    expect(x.grad).toBeNull();
    fail = false;
    y.backward();
    expect(x.grad!.item()).toBe(12);
  });
});

describe('stacks of every engine', () => {
  const frames = (stack: string) => parseStack(stack).map(({ name, file, line, column }) => [name, file, line, column]);

  test('V8', () => {
    const stack = [
      'Error: called here',
      '    at loss (file:///home/me/train.ts:12:31)',
      '    at Model.forward [as run] (/home/me/dir (copy)/model.ts:3:4)',
      '    at new Model (C:\\me\\model.ts:5:6)',
      '    at async Promise.all (index 0)',
      '    at async run (https://localhost/a@b/run.js?v=1:7:8)',
      '    at Array.map (<anonymous>)',
      '    at file:///home/me/train.ts:40:3',
      '    at async file:///home/me/train.ts:41:3',
      '    at eval (eval at <anonymous> (file:///home/me/x.js:1:1), <anonymous>:2:9)',
    ].join('\n');
    expect(frames(stack)).toEqual([
      ['loss', 'file:///home/me/train.ts', 12, 31],
      ['Model.forward [as run]', '/home/me/dir (copy)/model.ts', 3, 4],
      ['Model', 'C:\\me\\model.ts', 5, 6],
      ['run', 'https://localhost/a@b/run.js?v=1', 7, 8],
      ['', 'file:///home/me/train.ts', 40, 3],
      ['', 'file:///home/me/train.ts', 41, 3],
      ['eval', 'eval at <anonymous> (file:///home/me/x.js:1:1), <anonymous>', 2, 9],
    ]);
  });

  test('Firefox and Safari', () => {
    const stack = [
      'loss@http://localhost/node_modules/@me/train.js:12:31',
      'async*run/<@http://localhost/train.js:7:8',
      '@http://localhost/train.js:40:3',
      'http://localhost/@me/train.js:41:3',
      'global code@http://localhost/train.js:42:3',
      'map@[native code]',
      '[native code]',
      '',
    ].join('\n');
    expect(frames(stack)).toEqual([
      ['loss', 'http://localhost/node_modules/@me/train.js', 12, 31],
      ['run/<', 'http://localhost/train.js', 7, 8],
      ['', 'http://localhost/train.js', 40, 3],
      ['', 'http://localhost/@me/train.js', 41, 3],
      ['global code', 'http://localhost/train.js', 42, 3],
    ]);
  });

  test("without a frame of the user's, all that is known is told", () => {
    const site = (stack: string | undefined) => Object.assign(new Error('called here'), { stack });
    const own = parseStack(new Error('here').stack!)[0]!.file.replace(/test\/[^/]*$/, 'src/');
    expect(siteText(site(`Error\n    at a (${own}x.ts:1:2)\n    at node:internal/y:3:4\n    at ${own}z.ts:5:6`))).toBe(
      `a (${own}x.ts:1:2) < ${own}z.ts:5:6`,
    );
    expect(siteText(site(undefined))).toBe('an unknown place');
    expect(siteText(site('Error'))).toBe('an unknown place');
  });
});
