// Per-sample gradients and the factors of layers, against one backward for each sample.

import { readFileSync } from 'node:fs';
import {
  concat,
  errors,
  privately,
  Rng,
  randn,
  type Shape,
  scope,
  type Tensor,
  tensor,
  where,
  zeros,
} from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkpoint,
  functionalCall,
  GradientError,
  gradientsOf,
  groupGradients,
  layerFactors,
  linearUses,
  losses,
  nn,
  noGrad,
  perSampleGradients,
  samplesMeet,
  type Variable,
  variable,
} from '../src/index.ts';
import { elementwise } from '../src/rules/elementwise.ts';
import { cases } from './cases.ts';
import { leaf } from './derivatives.ts';
import { Draw } from './draw.ts';

const float64 = { dtype: 'float64' } as const;
const normal = (shape: number[], seed: number): Tensor => randn(shape, new Rng(seed), float64);
const parameter = (shape: number[], seed: number): Variable => variable(normal(shape, seed), { requiresGrad: true });
const linear = (inputs: number, outputs: number, seed: number, bias = true) =>
  new nn.Linear(inputs, outputs, { rng: new Rng(seed), bias, ...float64 });

/** The rows of the Jacobian, one backward for each. */
function rows(each: Variable, parameters: readonly Variable[]): Tensor[][] {
  return Array.from({ length: each.size }, (_, i) => gradientsOf(each.slice(i), parameters).map((g) => g.value));
}

/** Equal but for the rounding of sums. */
function expectClose(found: Tensor, expected: Tensor, scale = 1): void {
  expect([found.shape, found.dtype]).toEqual([expected.shape, expected.dtype]);
  if (found.size === 0) return;
  const allowed = 1e-13 * (scale + (expected.abs().max().item() as number));
  expect(found.sub(expected).abs().max().item()).toBeLessThanOrEqual(allowed);
}

function expectRows(each: Variable, parameters: readonly Variable[]): void {
  const expected = rows(each, parameters);
  perSampleGradients(each, parameters).forEach((found, k) => {
    expect(found.shape).toEqual([each.size, ...parameters[k]!.shape]);
    expected.forEach((row, i) => {
      expectClose(found.slice(i), row[k]!);
    });
  });
}

/** How many walks back perSampleGradients takes. */
function walks(each: Variable, parameters: readonly Variable[], at: Variable): number {
  let count = 0;
  const remove = at.registerHook(() => {
    count++;
    return undefined;
  });
  perSampleGradients(each, parameters);
  remove();
  return count;
}

test('PyTorch finds the same', () => {
  const f = JSON.parse(readFileSync(new URL('fixtures/functional.json', import.meta.url), 'utf8'));
  const [w0, b0, w1, b1] = f.theta.map((p: number[]) => leaf(p)) as [Variable, Variable, Variable, Variable];
  const x = variable(tensor(f.inputs, float64));
  const logits = x.matmul(w0.transpose()).add(b0).tanh().matmul(w1.transpose()).add(b1);
  const each = losses.crossEntropy(logits, tensor(f.targets, { dtype: 'int32' }), { reduction: 'none' });
  const found = perSampleGradients(each, [w0, b0, w1, b1]);
  found.forEach((g, i) => {
    expectClose(g, tensor(f.perSample[i], float64));
  });
});

describe('models, in one walk', () => {
  const n = 5;
  const targets = tensor([0, 2, 1, 1, 0], { dtype: 'int32' });
  const entropy = (logits: Variable) => losses.crossEntropy(logits, targets, { reduction: 'none' });
  const x = variable(normal([n, 4], 1));

  /** Checks the rows, that one walk was enough, and that running each sample by itself says the same. */
  function check(run: (x: Variable) => Variable, parameters: readonly Variable[], input = x, loss = entropy): void {
    const output = run(input);
    expectRows(loss(output), parameters);
    expect(walks(loss(output.retainGrad()), parameters, output)).toBe(1);
    const alone = (i: number) => {
      const one = losses.crossEntropy(run(input.slice([i, i + 1])), targets.slice([i, i + 1]));
      return gradientsOf(one, parameters);
    };
    if (loss !== entropy) return;
    perSampleGradients(loss(run(input)), parameters).forEach((found, k) => {
      for (let i = 0; i < n; i++) expectClose(found.slice(i), alone(i)[k]!.value);
    });
  }

  test('a multilayer perceptron', () => {
    const model = new nn.MLP([4, 6, 5, 3], { rng: new Rng(0), ...float64 });
    check((v) => model.forward(v), model.parameters());
    const images = variable(normal([n, 2, 2], 2));
    check((v) => model.forward(v), model.parameters(), images);
  });

  test('a layer used twice, with a residual connection, and a parameter that scales', () => {
    const [layer, head] = [linear(4, 4, 0), linear(4, 3, 1, false)];
    const scale = parameter([4], 3);
    const run = (v: Variable) => head.forward(layer.forward(layer.forward(v).tanh()).mul(scale).add(v));
    check(run, [...layer.parameters(), ...head.parameters(), scale]);
  });

  test('a layer normalisation written out', () => {
    const [first, head] = [linear(4, 6, 0), linear(6, 3, 1)];
    const [gain, shift] = [parameter([6], 3), parameter([1, 6], 4)];
    const run = (v: Variable) => {
      const h = first.forward(v);
      const centred = h.sub(h.mean(1, { keepDims: true }));
      const normed = centred.div(centred.square().mean(-1, { keepDims: true }).add(1e-5).sqrt());
      return head.forward(normed.mul(gain).add(shift).relu());
    };
    check(run, [...first.parameters(), gain, shift, ...head.parameters()]);
  });

  test('sequences, in batches first or second', () => {
    const [layer, head] = [linear(4, 6, 0), linear(6, 3, 1)];
    const parameters = [...layer.parameters(), ...head.parameters()];
    const pooled = (h: Variable, axis: number) => head.forward(h.relu().mean(axis));
    check((v) => pooled(layer.forward(v), 1), parameters, variable(normal([n, 7, 4], 5)));
    // [time, batch, features]
    const timeFirst = variable(normal([7, n, 4], 6));
    const output = pooled(layer.forward(timeFirst), 0);
    expectRows(entropy(output), parameters);
    expect(walks(entropy(output), parameters, output)).toBe(1);
    // A recurrence.
    const recur = (v: Variable) => {
      let h = layer.forward(v.slice(null, 0)).tanh();
      for (let t = 1; t < 4; t++) h = layer.forward(v.slice(null, t)).add(h).tanh();
      return head.forward(h);
    };
    check(recur, parameters, variable(normal([n, 4, 4], 7)));
  });

  test('several heads, and outputs masked by the task of each sample', () => {
    const [body, heads] = [linear(4, 5, 0), [linear(5, 2, 1), linear(5, 3, 2)]];
    const parameters = [body, ...heads].flatMap((layer) => layer.parameters());
    const mask = tensor([true, true, true, false, false]).reshape([1, 5]);
    const run = (v: Variable) => {
      const logits = concat<Variable>(
        heads.map((head) => head.forward(body.forward(v).relu())),
        1,
      );
      return where<Variable>(mask, logits, -1e9);
    };
    check(run, parameters);
  });

  test('convolutions, plain, in groups, dilated and transposed, with pooling', () => {
    const images = variable(normal([n, 2, 6, 6], 8));
    const rng = new Rng(3);
    const net = new nn.Sequential(
      new nn.Conv2d(2, 4, 3, { rng, padding: 1, stride: 2, ...float64 }),
      new nn.BatchNorm2d(4, float64),
      new nn.ReLU(),
      new nn.Conv2d(4, 6, 2, { rng, groups: 2, dilation: 2, bias: false, ...float64 }),
      new nn.GroupNorm(3, 6, float64),
      new nn.ConvTranspose2d(6, 4, 2, { rng, stride: 2, ...float64 }),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.LayerNorm(4, float64),
      new nn.Linear(4, 3, { rng, ...float64 }),
    );
    net.eval();
    check((v) => net.forward(v), net.parameters(), images);
  });

  test('an embedding, read by a one-dimensional convolution', () => {
    const [table, conv] = [
      new nn.Embedding(7, 4, { rng: new Rng(0), paddingIndex: 2, ...float64 }),
      new nn.Conv1d(4, 3, 2, { rng: new Rng(1), ...float64 }),
    ];
    const words = variable(tensor(new Rng(2).integers(n * 5, 0, 7), { shape: [n, 5] }));
    const run = (v: Variable) => conv.forward(table.forward(v).transpose(1, 2)).mean(2);
    check(run, [table.weight, ...conv.parameters()], words);
  });

  test('a product with rows of the samples, and linear steps by hand', () => {
    const [rows, w, b] = [parameter([3, 4], 1), parameter([3, 4], 2), parameter([3], 3)];
    check((v) => rows.linear(v).transpose(), [rows]);
    check((v) => rows.linear(v).transpose().add(v.linear(w.tanh(), b.exp())), [rows, w, b]);
    const stack = parameter([2, 3, 4], 4);
    check((v) => stack.linear(v).sum(0).transpose(), [stack]);
  });

  test('weights that are computed from parameters, elementwise', () => {
    const [raw, scale] = [parameter([3, 4], 1), parameter([3, 4], 2)];
    const run = (v: Variable) => v.matmul(raw.tanh().mul(scale).neg().div(scale.exp()).transpose()).add(0);
    check(run, [raw, scale]);
  });

  // Per sample the step is differentiated for all at once, whatever its rule is written with.
  test.each(
    (Object.keys(elementwise) as (keyof typeof elementwise)[]).filter((op) => elementwise[op] !== 'nondifferentiable'),
  )('parameters that pass through %s', (op) => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }), fc.nat(), (shape, seed) => {
        // A shape of its own for each input would be another step, an expand.
        const d = Object.assign(new Draw(shape, (v) => v, seed), { broadcastable: (all: Shape) => all });
        const { f, inputs } = cases[op](d);
        const leaves = inputs.map((value) => variable(value, { requiresGrad: true }));
        const y = f(...leaves);
        const output = variable(normal([n, ...shape], seed)).mul(y);
        const each = output.reshape([n, -1]).sum(1);
        expectRows(each, leaves);
        expect(walks(each, leaves, output)).toBe(1);
      }),
      { numRuns: 10 },
    );
  });

  test('parameters off the tape of these losses, and a frozen layer', () => {
    const [body, head, aside] = [linear(4, 5, 0), linear(5, 3, 1), linear(2, 2, 2)];
    const frozen = body.weight.detach();
    const run = (v: Variable) => head.forward(v.matmul(frozen.transpose()).add(body.bias!).relu());
    check(run, [body.bias!, ...head.parameters()]);
    const [g] = perSampleGradients(entropy(run(x)), [aside.weight]);
    expect(g!.toArray()).toEqual(zeros([n, 2, 2]).toArray());
  });

  test('of other dtypes and devices', () => {
    const model = new nn.MLP([4, 3], { rng: new Rng(0) });
    for (const p of model.parameters()) p.assign(p.value.to('reference'));
    const input = variable(normal([n, 4], 1).cast('float32').to('reference'));
    const each = losses.crossEntropy(model.forward(input), targets.to('reference'), { reduction: 'none' });
    for (const g of perSampleGradients(each, model.parameters()))
      expect([g.dtype, g.device]).toEqual(['float32', 'reference']);
  });
});

describe('where samples meet', () => {
  test('in a batch normalisation in training, there is a walk for each; in evaluation one', () => {
    const rng = new Rng(0);
    const net = new nn.Sequential(
      new nn.Conv2d(1, 2, 2, { rng, ...float64 }),
      new nn.BatchNorm2d(2, float64),
      new nn.Flatten(),
      new nn.Linear(8, 1, { rng, ...float64 }),
    );
    const images = variable(normal([4, 1, 3, 3], 5));
    for (const [training, count] of [
      [true, 4],
      [false, 1],
    ] as const) {
      net.train(training);
      const output = net.forward(images);
      expectRows(output.square().squeeze(1), net.parameters());
      expect(walks(output.square().squeeze(1), net.parameters(), output)).toBe(count);
    }
  });

  test('in batch statistics, there is a walk for each', () => {
    const [first, head] = [linear(4, 6, 0), linear(6, 1, 1)];
    const h = first.forward(variable(normal([5, 4], 1)));
    const centred = h.sub(h.mean(0));
    const output = head.forward(centred.div(centred.square().mean(0).sqrt()).tanh());
    const parameters = [...first.parameters(), ...head.parameters()];
    expectRows(output.square().squeeze(1), parameters);
    expect(walks(output.squeeze(1), parameters, output)).toBe(5);
    // Behind the statistics samples are by themselves again.
    expect(walks(output.squeeze(1), head.parameters(), output)).toBe(1);
  });

  // Steps of every kind, with and without a mixture of samples, in random order.
  const steps: readonly ((h: Variable, w: Variable) => Variable)[] = [
    (h, w) => h.matmul(w.transpose()),
    (h, w) => h.linear(w, w.slice(1)),
    (h, w) => h.transpose(0, 1).linear(w.tanh()),
    (h, w) => h.reshape([-1, 4]).linear(w).reshape(h.shape),
    (h, w) => w.linear(h.slice(null, 0)).transpose().unsqueeze(1).expand(h.shape),
    (h, w) => h.add(h.slice(0, 0).linear(w)),
    (h, w) =>
      w
        .matmul(h.flatten(1).slice(null, [0, 4]).transpose())
        .transpose()
        .unsqueeze(1)
        .expand(h.shape),
    (h, w) =>
      w
        .matmul(h.reshape([-1, 4]).transpose())
        .transpose()
        .reshape(h.shape),
    (h, w) =>
      w
        .reshape([1, 4, 4])
        .matmul(h.permute([2, 1, 0]).reshape([1, 4, -1]))
        .reshape([4, 3, 3])
        .permute([2, 1, 0]),
    (h, w) => h.reshape([-1, 4]).matmul(w.transpose()).tanh().reshape([3, 3, 4]),
    (h, w) => h.mul(w.slice(0)),
    (h, w) => h.add(w.reshape([16]).slice([2, 6])),
    (h, w) =>
      h
        .reshape([9, 4])
        .mul(w.slice([0, 1]))
        .reshape([3, 3, 4]),
    (h, w) => h.add(w.slice(null, [0, 1]).reshape([4])),
    (h) => h.tanh(),
    (h) => h.flip(0),
    (h) => h.flip(2),
    (h) => h.cumsum(0),
    (h) => h.cumsum(1),
    (h) => h.softmax(0),
    (h) => h.softmax(2),
    (h) => h.sub(h.mean(0)),
    (h) => h.sub(h.max(1, { keepDims: true })),
    (h) => h.transpose(0, 1).tanh().transpose(0, 1),
    (h) => h.reshape([-1, 4]).tanh().reshape(h.shape),
    (h) => h.reshape([4, -1]).transpose().reshape(h.shape),
    (h) => concat<Variable>([h.slice([1, null]), h.slice([0, 1])], 0),
    (h) => concat<Variable>([h.slice(null, [1, null]), h.slice(null, [0, 1])], 1),
    (h) =>
      h.slice([1, null]).pad([
        [1, 0],
        [0, 0],
        [0, 0],
      ]),
    (h) =>
      h.slice(null, [1, null]).pad([
        [0, 0],
        [1, 0],
        [0, 0],
      ]),
    (h) => h.indexSelect(0, tensor([2, 0, 1], { dtype: 'int32' })),
    (h) => h.indexSelect(2, tensor([2, 0, 1, 1], { dtype: 'int32' })),
    (h) => h.scatterAdd(1, zeros([3, 1, 4], { dtype: 'int32' }), h.slice(null, [1, 2])),
    (h) => h.scatterAdd(0, zeros([1, 3, 4], { dtype: 'int32' }), h.slice([1, 2])),
    (h) => h.matmul(h.transpose()).matmul(h),
    (h) => h.transpose(0, 2).matmul(h.transpose(0, 2).transpose()).slice(null, null, [0, 3]).transpose(0, 2).add(h),
    (h, w) => h.conv1d(w.slice([0, 3], [0, 3]).unsqueeze(2)),
    (h, w) =>
      h.conv1d(w.slice(0).reshape([1, 1, 4]).expand([3, 1, 4]), {
        padding: 'same',
        groups: 3,
        bias: w.slice([0, 3], 1),
      }),
    (h, w) =>
      h
        .transpose(0, 1)
        .conv1d(w.slice([0, 3], [0, 3]).unsqueeze(2))
        .transpose(0, 1),
    (h, w) => h.conv1d(w.slice([0, 3], [0, 3]).unsqueeze(2).mul(w.sum())),
    (h) => h.layerNorm(4),
    (h) => h.cast('float32').cast('float64'),
    (h) => checkpoint((v: Variable) => v.tanh(), h),
    (h) => where<Variable>(h.gt(0), h, h.mul(0.1)),
    (h) => h.expand([2, ...h.shape]).sum(0),
    (h, w) => h.matmul(w.slice([0, 1]).expand([4, 4])),
    (h, w) => h.matmul(w.slice(null, [0, 1]).expand([3, 4, 4])),
    (h, w) => h.matmul(w.expand([3, 4, 4])),
    (h, w) => h.matmul(w.relu().transpose()),
  ];
  const ends: readonly ((h: Variable) => Variable)[] = [
    (h) => h.sum([1, 2]),
    (h) => h.transpose(0, 1).sum([1, 2]),
    (h) => h.square().mean(2).max(1),
    (h) => h.slice(null, 0, 0),
    (h) => h.slice(0, null, 0),
    (h) => h.slice(0, 0, [0, 3]),
    (h) => h.logSumExp(-1).prod(1),
  ];

  test('or may meet, or not, the rows are right', () => {
    let together = 0;
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: steps.length - 1 }), { minLength: 1, maxLength: 5 }),
        fc.nat({ max: ends.length - 1 }),
        fc.nat(),
        (chosen, end, seed) => {
          const [w, v] = [parameter([4, 4], seed), parameter([4], seed + 1)];
          const x = variable(normal([3, 3, 4], seed + 2));
          let h = x.matmul(w).add(v);
          const first = h;
          for (const i of chosen) h = steps[i]!(h, w);
          const each = ends[end]!(h);
          expectRows(each, [w, v]);
          if (walks(each, [w, v], first) === 1) together++;
        },
      ),
      { numRuns: 120 },
    );
    // A good part needs one walk only; the others are told apart from those.
    expect(together).toBeGreaterThan(15);
  });
});

describe('edges', () => {
  const layer = linear(3, 2, 0);

  test('one sample, and none', () => {
    for (const n of [0, 1]) {
      const each = layer.forward(variable(normal([n, 3], 1))).sum(1);
      expectRows(each, layer.parameters());
    }
  });

  test('the parameters may be a tree, and the gradients are tensors in its form', () => {
    const each = layer.forward(variable(normal([4, 3], 1))).sum(1);
    const found = perSampleGradients(each, { layer: Object.fromEntries(layer.namedParameters()), nothing: null });
    expect(found.layer.weight!.shape).toEqual([4, 2, 3]);
    expect([Object.keys(found), found.nothing]).toEqual([['layer', 'nothing'], null]);
  });

  test('no grad is touched', () => {
    layer.zeroGrad();
    perSampleGradients(layer.forward(variable(normal([4, 3], 1))).sum(1), layer.parameters());
    expect(layer.parameters().map((p) => p.grad)).toEqual([null, null]);
  });

  test('what does not fit is refused', () => {
    const y = layer.forward(variable(normal([4, 3], 1)));
    expect(() => perSampleGradients(y, layer.parameters())).toThrow(GradientError);
    expect(() => perSampleGradients(y.mean(), layer.parameters())).toThrow(
      "perSampleGradients: wants the losses of the samples, [n], found []; did you mean a loss with reduction: 'none'?",
    );
    expect(() =>
      perSampleGradients(
        noGrad(() => y.sum(1)),
        layer.parameters(),
      ),
    ).toThrow('the losses are not on the tape');
    expect(() => perSampleGradients(y.sum(1), [layer.weight, y])).toThrow('parameter 1 of 2 is no leaf');
    expect(() => perSampleGradients(y.sum(1), layer.weight.detach())).toThrow('parameter 0 of 1 is no leaf');
  });
});

describe('factors', () => {
  const n = 6;
  const model = new nn.MLP([4, 5, 3], { rng: new Rng(0), ...float64 });
  const parameters = model.parameters();
  const x = variable(normal([n, 4], 1));
  const targets = tensor([0, 2, 1, 1, 0, 2], { dtype: 'int32' });
  const each = losses.crossEntropy(model.forward(x), targets, { reduction: 'none' });

  test("are what a layer got and what came back: the weight's gradient is D' A, the bias's the sum of D", () => {
    const { factors, rest } = layerFactors(each, model);
    expect(factors.map(({ name, input, delta }) => [name, input.shape, delta.shape])).toEqual([
      ['0.weight', [n, 4], [n, 5]],
      ['2.weight', [n, 5], [n, 3]],
    ]);
    expect(rest).toEqual([]);
    expect(factors[0]!.input.toArray()).toEqual(x.value.toArray());
    for (const { weight, bias, input, delta } of factors) {
      const [gw, gb] = gradientsOf(each.sum(), [weight, bias!]);
      expectClose(delta.transpose().matmul(input), gw!.value);
      expectClose(delta.sum(0), gb!.value);
    }
    expect(model.parameters().every((p) => p.grad === null)).toBe(true);
  });

  test.each([false, true])(
    'borrowed (%s), they leave a value to the engine, which alone holds it; else they may be held for good',
    (borrows) => {
      scope(() => {
        const own = privately(() => normal([n, 4], 1).add(1));
        const y = losses.crossEntropy(model.forward(variable(own)), targets, { reduction: 'none' });
        const [first] = layerFactors(y, model, { borrows }).factors;
        expect(first!.input.storage).toBe(own.storage);
        own.storage.retire();
        expect(own.storage.isPrivate).toBe(false);
        expect(own.storage.owner !== null).toBe(borrows);
      });
    },
  );

  test('are the same for steps by hand', () => {
    const [w0, b0, w1, b1] = parameters as [Variable, Variable, Variable, Variable];
    const h = x.matmul(w0.transpose()).add(b0).relu();
    const byHand = losses.crossEntropy(h.matmul(w1.transpose()).add(b1), targets, { reduction: 'none' });
    const [expected, found] = [byHand, each].map((by) => layerFactors(by, model));
    expect(found!.rest).toEqual([]);
    expect(found!.factors.length).toBe(2);
    const plain = ({ input, delta, ...of }: (typeof found & object)['factors'][number]) => ({
      ...of,
      input: input.toArray(),
      delta: delta.toArray(),
    });
    expect(found!.factors.map(plain)).toEqual(expected!.factors.map(plain));
    const uses = [byHand, each].map((by) =>
      linearUses(by, model).map(({ output, input, ...of }) => ({ ...of, input: input.toArray() })),
    );
    expect(uses[1]).toEqual(uses[0]);
    const [rowsByHand, rowsFound] = [byHand, each].map((by) => perSampleGradients(by, parameters));
    expect(rowsFound!.map((g) => g.toArray())).toEqual(rowsByHand!.map((g) => g.toArray()));
  });

  test('of outputs, with the gradient of a loss by them as weights, make the gradient of that loss', () => {
    const outputs = model.forward(x);
    // Sees all samples at once.
    const loss = outputs.mean(0).square().sum();
    const [weights] = gradientsOf(loss, [outputs]);
    const { factors, rest } = layerFactors(outputs, model, { weights: weights!.value });
    expect(rest).toEqual([]);
    const whole = groupGradients(factors, [n]);
    for (const [p, gradient] of whole) expectClose(gradient.squeeze(0), gradientsOf(loss, [p])[0]!.value);
    expect(() => layerFactors(outputs, model)).toThrow(GradientError);
  });

  test('are there for the uses of layers in a batch, whose outputs keep their gradient when told to', () => {
    const loss = losses.crossEntropy(model.forward(x), targets);
    const uses = linearUses(loss, model);
    expect(uses.map(({ name, weight, bias }) => [name, weight, bias])).toEqual([
      ['0.weight', parameters[0], parameters[1]],
      ['2.weight', parameters[2], parameters[3]],
    ]);
    for (const { output } of uses) output.retainGrad();
    loss.backward();
    for (const { weight, input, output } of uses) {
      expectClose(output.grad!.value.transpose().matmul(input), weight.grad!.value);
    }
    model.zeroGrad();
  });

  test('samplesMeet says whether a row of the outputs comes from its own row of the inputs alone', () => {
    const rows = variable(normal([n, 4], 1), { requiresGrad: true });
    expect(samplesMeet(model.forward(rows), rows)).toBeNull();
    expect(samplesMeet(model.forward(rows.sub(rows.mean(0))), rows)).toMatch(/^samples may meet in /);
    expect(samplesMeet(rows.transpose(), rows)).toBe('6 samples gave outputs [4,6]');
    const square = variable(normal([4, 4], 1), { requiresGrad: true });
    expect(samplesMeet(square.transpose(), square)).toBe('samples do not lie along the first axis');
  });

  test('inside functionalCall, are those of the parameters that were given, as all gradients of single samples', () => {
    const [other, names] = [new nn.MLP([4, 5, 3], { rng: new Rng(7), ...float64 }), [...model.namedParameters()]];
    const plain = (list: readonly Tensor[]) => list.map((t) => t.toArray());
    const facts = (of: nn.MLP, by: Variable) => {
      const { factors, rest } = layerFactors(by, of);
      const groups = groupGradients(factors, [n - 2, 2]);
      const uses = linearUses(by, of).map(({ name, weight, bias, input }) => [name, weight, bias, input.toArray()]);
      return [
        plain(perSampleGradients(by, of.parameters())),
        plain(of.parameters().map((p) => groups.get(p)!)),
        uses.map(([name, weight, bias, input]) => [name, weight === of.parameters()[0], bias !== null, input]),
        rest,
      ];
    };
    class Facts extends nn.Module {
      readonly inner = model;
      found: unknown;
      override forward(v: Variable): Variable {
        const by = losses.crossEntropy(this.inner.forward(v), targets, { reduction: 'none' });
        this.found = facts(this.inner, by);
        return by;
      }
    }
    const expected = facts(other, losses.crossEntropy(other.forward(x), targets, { reduction: 'none' }));
    const given = other.parameters();
    // Leaves, and what was computed from some.
    for (const read of [given, given.map((p) => p.mul(2).sub(p))]) {
      const module = new Facts();
      functionalCall(module, Object.fromEntries(names.map(([name], i) => [`inner.${name}`, read[i]!])), x);
      expect(module.found).toEqual(expected);
    }
  });

  test('give the gradients of groups, for any sizes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: n }), { minLength: 1, maxLength: 5 }), fc.nat(), (cuts, seed) => {
        const bounds = [0, ...cuts.sort((a, b) => a - b), n];
        const sizes = bounds.slice(1).map((end, i) => end - bounds[i]!);
        const weights = normal([n], seed);
        const found = groupGradients(layerFactors(each, model, { weights }).factors, sizes);
        expect([...found.keys()]).toEqual(parameters);
        sizes.forEach((size, g) => {
          const own = [...Array(n).keys()].map((i) => (i >= bounds[g]! && i < bounds[g]! + size ? 1 : 0));
          const expected = gradientsOf(each, parameters, { seed: weights.mul(tensor(own)) });
          parameters.forEach((p, k) => {
            expectClose(found.get(p)!.slice(g), expected[k]!.value);
          });
        });
      }),
      { numRuns: 25 },
    );
    const [whole, single] = [
      groupGradients(layerFactors(each, model).factors, [n]),
      groupGradients(layerFactors(each, model).factors, Array(n).fill(1)),
    ];
    const expected = perSampleGradients(each, parameters);
    parameters.forEach((p, k) => {
      expectClose(single.get(p)!, expected[k]!);
      expectClose(whole.get(p)!.squeeze(0), expected[k]!.sum(0));
    });
  });

  test('give inner products of gradients without the gradients', () => {
    const { factors } = layerFactors(each, model);
    const gram = factors
      .map(({ input: A, delta: D }) => A.matmul(A.transpose()).add(1).mul(D.matmul(D.transpose())))
      .reduce((a, b) => a.add(b));
    const G = concat(
      perSampleGradients(each, parameters).map((g) => g.reshape([n, -1])),
      1,
    );
    expectClose(gram, G.matmul(G.transpose()));
  });

  test('of sequences keep their middle axes, samples first', () => {
    const layer = linear(4, 3, 0);
    const batch = variable(normal([n, 7, 4], 2));
    const sequence = variable(normal([7, n, 4], 3));
    // The last runs a stack of samples and times as one batch.
    const runs = [
      layer.forward(batch).tanh().sum([1, 2]),
      layer.forward(sequence).tanh().sum([0, 2]),
      layer
        .forward(sequence.reshape([-1, 4]))
        .tanh()
        .reshape([7, n, 3])
        .sum([0, 2]),
    ];
    for (const [i, each] of runs.entries()) {
      const { factors } = layerFactors(each, layer);
      expect(factors.map(({ name, input, delta }) => [name, input.shape, delta.shape])).toEqual([
        ['weight', [n, 7, 4], [n, 7, 3]],
      ]);
      const expectedInput = i === 0 ? batch.value : sequence.value.transpose(0, 1);
      expect(factors[0]!.input.toArray()).toEqual(expectedInput.toArray());
      const found = groupGradients(factors, [2, 0, n - 2]);
      const expected = perSampleGradients(each, layer.parameters());
      layer.parameters().forEach((p, k) => {
        expectClose(found.get(p)!.slice(0), expected[k]!.slice([0, 2]).sum(0));
        expectClose(found.get(p)!.slice(1), zeros(p.shape, float64));
        expectClose(found.get(p)!.slice(2), expected[k]!.slice([2, null]).sum(0));
      });
    }
  });

  test('of no samples have no rows', () => {
    const rng = new Rng(3);
    const net = new nn.Sequential(
      new nn.Conv2d(2, 4, 2, { rng, groups: 2, bias: false, ...float64 }),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.MLP([16, 5, 3], { rng, ...float64 }),
    );
    const each = net.forward(variable(zeros([0, 2, 5, 5], float64))).sum(1);
    const { factors, rest } = layerFactors(each, net);
    expect(factors.map(({ name, input, delta }) => [name, input.shape, delta.shape])).toEqual([
      ['0.weight', [0, 16, 8], [0, 16, 4]],
      ['3.0.weight', [0, 16], [0, 5]],
      ['3.2.weight', [0, 5], [0, 3]],
    ]);
    expect(rest).toEqual([]);
    for (const sizes of [[], [0], [0, 0]]) {
      const found = groupGradients(factors, sizes);
      for (const p of net.parameters()) expectClose(found.get(p)!, zeros([sizes.length, ...p.shape], float64));
    }
  });

  test('of convolutions are those of linear layers on windows', () => {
    const rng = new Rng(3);
    const shapes = fc.record({
      d: fc.integer({ min: 1, max: 2 }),
      groups: fc.integer({ min: 1, max: 2 }),
      kernel: fc.integer({ min: 1, max: 3 }),
      stride: fc.integer({ min: 1, max: 2 }),
      padding: fc.integer({ min: 0, max: 1 }),
      bias: fc.boolean(),
      samples: fc.integer({ min: 2, max: 4 }),
    });
    fc.assert(
      fc.property(shapes, ({ d, kernel, samples, ...settings }) => {
        const Conv = d === 1 ? nn.Conv1d : nn.Conv2d;
        const layers = [new Conv(4, 2, kernel, { rng, ...settings, ...float64 })];
        layers.push(new Conv(2, 6, 1, { rng, groups: settings.groups, bias: settings.bias, ...float64 }));
        const model = new nn.Sequential(layers[0]!, new nn.Tanh(), layers[1]!);
        const input = variable(normal([samples, 4, ...Array(d).fill(4)], 5));
        const each = model.forward(input).tanh().flatten(1).sum(1);
        const { factors, rest } = layerFactors(each, model);
        expect(rest).toEqual([]);
        expect(factors.map(({ name, bias, groups }) => [name, bias !== null, groups])).toEqual([
          ['0.weight', settings.bias, settings.groups],
          ['2.weight', settings.bias, settings.groups],
        ]);
        const found = groupGradients(factors, [1, samples - 1]);
        const expected = perSampleGradients(each, model.parameters());
        model.parameters().forEach((p, k) => {
          expectClose(found.get(p)!.slice(0), expected[k]!.slice(0), 10);
          expectClose(found.get(p)!.slice(1), expected[k]!.slice([1, null]).sum(0), 10);
        });
      }),
      { numRuns: 30 },
    );
  });

  test('of a convolution whose bias is used elsewhere too, or which is transposed, leave the rest', () => {
    const image = variable(normal([n, 2, 5], 6));
    const conv = new nn.Conv1d(2, 3, 2, { rng: new Rng(0), ...float64 });
    const each = conv.forward(image).flatten(1).sum(1).add(conv.bias!.sum());
    const { factors, rest } = layerFactors(each, conv);
    expect([factors.map((f) => [f.name, f.bias]), rest]).toEqual([[['weight', null]], [conv.bias]]);
    const up = new nn.ConvTranspose1d(2, 3, 2, { rng: new Rng(0), ...float64 });
    expect(layerFactors(up.forward(image).flatten(1).sum(1), up)).toEqual({ factors: [], rest: up.parameters() });
  });

  test('of a convolution have its windows for rows', () => {
    const rng = new Rng(4);
    const net = new nn.Sequential(
      new nn.Conv2d(2, 3, 2, { rng, padding: 1, stride: 2, ...float64 }),
      new nn.ReLU(),
      new nn.Conv2d(3, 1, 1, { rng, ...float64 }),
      new nn.Conv2d(1, 4, 3, { rng, bias: false, ...float64 }),
      new nn.Flatten(),
      new nn.Linear(4, 3, { rng, ...float64 }),
    );
    const images = variable(normal([n, 2, 5, 5], 7));
    const each = losses.crossEntropy(net.forward(images), targets, { reduction: 'none' });
    const { factors, rest } = layerFactors(each, net);
    expect(rest).toEqual([]);
    expect(factors.map(({ name, bias, input, delta }) => [name, bias !== null, input.shape, delta.shape])).toEqual([
      ['0.weight', true, [n, 9, 8], [n, 9, 3]],
      ['2.weight', true, [n, 9, 3], [n, 9, 1]],
      ['3.weight', false, [n, 1, 9], [n, 1, 4]],
      ['5.weight', true, [n, 4], [n, 3]],
    ]);
    const expected = perSampleGradients(each, net.parameters());
    for (const sizes of [Array(n).fill(1), [n], [1, 0, n - 1]]) {
      const found = groupGradients(factors, sizes);
      net.parameters().forEach((p, k) => {
        let start = 0;
        sizes.forEach((size: number, g: number) => {
          expectClose(found.get(p)!.slice(g), expected[k]!.slice([start, start + size]).sum(0));
          start += size;
        });
      });
    }
  });

  test('of a layer used twice, or sharing its weight, are one for each use', () => {
    const layer = linear(4, 4, 0);
    const twin = Object.assign(linear(4, 4, 2), { weight: layer.weight });
    const both = new nn.Sequential(layer, linear(4, 4, 1), twin);
    const h = layer.forward(twin.forward(layer.forward(x).tanh()).tanh());
    const { factors, rest } = layerFactors(h.sum(1), both);
    const names = factors.map(({ name, bias }) => [
      name,
      bias === layer.bias ? 'own' : bias === twin.bias ? 'twin' : '',
    ]);
    expect(names.sort()).toEqual([
      ['0.weight', 'own'],
      ['0.weight', 'own'],
      ['0.weight', 'twin'],
    ]);
    expect(rest).toEqual([]);
    const gradients = groupGradients(factors, [n]);
    for (const p of [layer.weight, layer.bias!, twin.bias!]) {
      expectClose(gradients.get(p)!.squeeze(0), gradientsOf(h.sum(), [p])[0]!.value);
    }
  });

  test('leave out what is used in another way, and say so', () => {
    const layer = linear(4, 4, 0);
    const [{ weight }, bias] = [layer, layer.bias!];
    const y = layer.forward(x);
    const product = x.matmul(weight.transpose());
    const names = (list: readonly (Variable | null)[]) =>
      list.flatMap((p) => (p === weight ? 'weight' : p === bias ? 'bias' : [])).sort();
    const check = (each: Variable, covered: string[], left: string[]) => {
      const { factors, rest } = layerFactors(each, layer);
      expect([names(factors.flatMap((f) => [f.weight, f.bias])), names(rest)]).toEqual([covered, left]);
      for (const [p, g] of groupGradients(factors, [n])) {
        expectClose(g.squeeze(0), gradientsOf(each.sum(), [p])[0]!.value);
      }
    };
    check(y.sum(1), ['bias', 'weight'], []);
    check(y.sum(1).add(weight.square().sum()), [], ['bias', 'weight']);
    check(y.matmul(weight).sum(1), [], ['bias', 'weight']);
    check(y.sum(1).add(bias.sum()), ['weight'], ['bias']);
    check(y.mul(bias).sum(1), ['weight'], ['bias']);
    check(product.mul(2).add(bias).sum(1), ['weight'], ['bias']);
    check(x.linear(weight).add(bias).sum(1), ['bias', 'weight'], []);
    check(x.linear(weight, bias).add(bias).sum(1), ['weight'], ['bias']);
    check(x.linear(weight, bias.mul(2)).add(bias).sum(1), ['weight'], ['bias']);
    check(x.linear(weight.mul(2), bias).sum(1), [], ['bias', 'weight']);
    check(x.linear(weight, bias).add(x.linear(weight.detach(), bias)).sum(1), ['weight'], ['bias']);
    check(weight.linear(x).sum(0), [], ['weight']);
    check(x.linear(x.slice([0, 4]), bias).sum(1), [], ['bias']);
    check(product.add(bias.mul(2)).sum(1), ['weight'], ['bias']);
    check(
      product
        .add(bias.slice([0, 1]))
        .add(bias)
        .sum(1),
      ['weight'],
      ['bias'],
    );
    check(product.add(bias).sum(1).add(x.matmul(weight.detach()).add(bias).sum(1)), ['weight'], ['bias']);
    check(product.add(bias).mul(product).sum(1), ['weight'], ['bias']);
    check(x.matmul(weight).add(bias).sum(1), [], ['bias', 'weight']);
    check(x.matmul(weight.permute([0, 1])).sum(1), [], ['weight']);
    // Columns for rows, as a convolution has its windows.
    check(weight.matmul(x.transpose()).transpose().add(bias).sum(1), ['bias', 'weight'], []);
    // A row made a matrix.
    const row = linear(1, 2, 0, false);
    const wide = x.matmul(row.weight.transpose().expand([4, 2])).sum(1);
    expect(layerFactors(wide, row)).toEqual({ factors: [], rest: [row.weight] });
    // One number for each sample, of which there are as many as outputs, is no bias.
    const four = layerFactors(
      weight
        .matmul(x.slice([0, 4]).transpose())
        .add(bias)
        .sum(0),
      layer,
    );
    expect([names(four.factors.flatMap((f) => [f.weight, f.bias])), names(four.rest)]).toEqual([['weight'], ['bias']]);
  });

  test('leave out what is frozen or was not used', () => {
    const [free, plain] = [linear(4, 4, 0), linear(4, 3, 1, false)];
    const pair = new nn.Sequential(free, plain, linear(1, 1, 2));
    const h = plain.forward(free.forward(x).relu());
    const { factors, rest } = layerFactors(h.sum(1), pair);
    expect(factors.map(({ name, bias }) => [name, bias !== null])).toEqual([
      ['0.weight', true],
      ['1.weight', false],
    ]);
    expect(rest).toEqual([]);
    // A bias that is narrower than its layer.
    const narrow = Object.assign(linear(4, 4, 0), { bias: parameter([1], 3) });
    const y = x.matmul(narrow.weight.transpose()).add(narrow.bias);
    expect(layerFactors(y.sum(1), narrow).rest).toEqual([narrow.bias]);
    // Frozen parameters are inputs of steps on the tape.
    const half = Object.assign(linear(4, 4, 0), { bias: variable(normal([4], 3)) });
    expect(layerFactors(half.forward(x).sum(1), half)).toMatchObject({ factors: [{ bias: null }], rest: [] });
    const other = Object.assign(linear(4, 4, 0), { weight: variable(normal([4, 4], 3)) });
    expect(layerFactors(other.forward(x).sum(1), other)).toEqual({ factors: [], rest: [other.bias] });
  });

  test('are refused where samples meet', () => {
    const layer = linear(4, 4, 0);
    const y = layer.forward(x);
    const fails = (each: Variable, message: string) => {
      expect(() => layerFactors(each, layer)).toThrow(GradientError);
      expect(() => layerFactors(each, layer)).toThrow(message);
    };
    fails(y.sub(y.mean(0)).square().sum(1), 'layerFactors: samples may meet in expand [4] -> [6,4], so no row');
    fails(y.flip(0).sum(1), 'samples may meet in slice [6,4] -> [6,4]');
    fails(y.reshape([4, 6]).sum(0), 'samples may meet in reshape [6,4] -> [4,6]');
    fails(checkpoint((v: Variable) => v.tanh(), y).sum(1), 'samples may meet in checkpoint [6,4] -> [6,4]');
    fails(
      y
        .add(
          y
            .transpose()
            .slice(null, [0, 4])
            .pad([
              [0, 2],
              [0, 0],
            ]),
        )
        .sum(1),
      'samples may meet in',
    );
    fails(y.sum(0), 'samples lie along outputs, so no row');
    fails(y.mean(), 'layerFactors: wants the losses of the samples, [n], found []');
    expect(() => layerFactors(each, model, { weights: zeros([2]) })).toThrow(errors.ShapeError);
    const { factors } = layerFactors(each, model);
    expect(() => groupGradients(factors, [1, 2])).toThrow(errors.ShapeError);
    expect(() => groupGradients(factors, [7, -1])).toThrow('groups of [7,-1] are not the 6 samples');
  });
});
