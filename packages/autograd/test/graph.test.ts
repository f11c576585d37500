// The tape as data: what is in it, in which order, and how it prints.

import { inspect } from 'node:util';
import { concat, errors, PRIMITIVES, Rng, scope, tensor, zeros } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkpoint, customGradient, gradientsOf, graphOf, nn, noGrad, type Variable, variable } from '../src/index.ts';
import { cases } from './cases.ts';
import { leaf } from './derivatives.ts';
import { draws } from './draw.ts';

const float64 = (x: number[] | number[][]) => tensor(x, { dtype: 'float64' });
const layer = new nn.Linear(2, 2, { rng: new Rng(0), dtype: 'float64' });
layer.weight.assign(
  float64([
    [1, 2],
    [3, 0.25],
  ]),
);
layer.bias!.assign(float64([-1, 1e-7]));
const y = layer
  .forward(
    variable(
      float64([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
    ),
  )
  .relu()
  .sum();

test('as text: one line for each value, inputs first', () => {
  const graph = graphOf(y, { model: layer });
  const text = [
    '%0 = constant                           float64  [3,2]  1 .. 6',
    '%1 = parameter weight                   float64  [2,2]  [[1, 2], [3, 0.25]]',
    '%2 = parameter bias                     float64  [2]    [-1, 1e-7]',
    '%3 = linear(%0, %1, %2)                 float64  [3,2]  3.5 .. 16.5',
    '%4 = relu(%3)                           float64  [3,2]  3.5 .. 16.5',
    '%5 = sum(%4) axes=[0,1] keepDims=false  float64  []     60',
    'return %5',
  ].map((line) => line.replace(/^(%\d) {2}=/, '$1  ='));
  expect(String(graph)).toBe(text.join('\n'));
  expect(inspect(graph)).toBe(text.join('\n'));
  expect(String(graphOf(y, { model: layer }))).toBe(String(graph));
  expect(graphOf(y, { values: false }).toString().split('\n').slice(0, 2)).toEqual([
    '%0 = constant                           float64  [3,2]',
    '%1 = leaf                               float64  [2,2]',
  ]);
});

test('as DOT', () => {
  const x = leaf([1, 2]);
  const named = customGradient({ name: 'a "b" \\', forward: (t) => t.mul(2), backward: (g) => [g.mul(2)] });
  expect(graphOf(named(x).slice([1, null]).add(3)).toDot()).toBe(
    [
      'digraph tape {',
      '  n0 [label="leaf\\nfloat64 [2]\\n[1, 2]" shape=box];',
      '  n1 [label="a \\"b\\" \\\\\\nfloat64 [2]\\n[2, 4]" shape=ellipse];',
      '  n2 [label="slice ranges=[1:2]\\nfloat64 [1]\\n[4]" shape=ellipse];',
      '  n3 [label="constant\\nfloat64 [1]\\n[3]" shape=box color=grey];',
      '  n4 [label="add\\nfloat64 [1]\\n[7]" shape=ellipse peripheries=2];',
      '  n0 -> n1;',
      '  n1 -> n2;',
      '  n2 -> n4;',
      '  n3 -> n4;',
      '}',
    ].join('\n'),
  );
});

test('as JSON, which says all there is', () => {
  const graph = graphOf(y.unsqueeze(0).pad([[1, 0]], -Infinity), { model: layer });
  const back = JSON.parse(JSON.stringify(graph));
  expect(back).toEqual({ nodes: graph.nodes, outputs: graph.outputs });
  expect(back.outputs).toEqual([7]);
  expect(back.nodes[1]).toEqual({
    id: 1,
    kind: 'parameter',
    name: 'weight',
    params: {},
    inputs: [],
    shape: [2, 2],
    dtype: 'float64',
    value: '[[1, 2], [3, 0.25]]',
  });
  expect(back.nodes[7]).toMatchObject({
    name: 'embed',
    params: { shape: [2], ranges: [{ start: 1, step: 1, length: 1 }], fill: '-Infinity' },
    value: '[-Infinity, 60]',
  });
});

test('holds each value of the tape once, after its inputs, and every edge', () => {
  fc.assert(
    fc.property(draws, fc.constantFrom(...PRIMITIVES), (d, op) => {
      const { f, inputs } = cases[op](d);
      const output = f(...inputs.map((x) => variable(x, { requiresGrad: true })));
      const { nodes, outputs } = graphOf(output);
      const seen = new Map<Variable, number>();
      const walk = (v: Variable): number => {
        const edges = seen.has(v) ? 0 : (v.node?.inputs.length ?? 0);
        const below = seen.has(v) ? 0 : (v.node?.inputs ?? []).reduce((n, input) => n + walk(input), 0);
        if (!seen.has(v)) seen.set(v, seen.size);
        return edges + below;
      };
      const edges = walk(output);
      expect(nodes.length).toBe(seen.size);
      expect(nodes.reduce((n, { inputs: from }) => n + from.length, 0)).toBe(edges);
      expect(outputs).toEqual([nodes.length - 1]);
      for (const [v, id] of seen) {
        const node = nodes[id]!;
        expect([node.id, node.shape, node.dtype]).toEqual([id, v.shape, v.dtype]);
        expect(node.inputs).toEqual((v.node?.inputs ?? []).map((input) => seen.get(input)));
        expect(node.inputs.every((from) => from < id)).toBe(true);
        expect(node.kind).toBe(v.node !== null ? 'step' : v.requiresGrad ? 'leaf' : 'constant');
      }
    }),
    { numRuns: 100 },
  );
});

describe('values', () => {
  const told = (v: Variable) => graphOf(v).nodes.at(-1)!.value;

  test('are told in full if they are few, else by their ends', () => {
    expect(told(leaf(1 / 3))).toBe('0.3333');
    expect(told(leaf([1e-10, -123456]))).toBe('[1e-10, -123500]');
    expect(told(leaf(zeros([0, 2])))).toBe('[]');
    expect(
      told(
        leaf([
          [1, 2],
          [3, 4],
        ]),
      ),
    ).toBe('[[1, 2], [3, 4]]');
    expect(told(leaf([1, 2, 3, Number.NaN]))).toBe('[1, 2, 3, NaN]');
    expect(told(leaf([1, -2, 3, 4, Infinity]))).toBe('-2 .. Infinity');
    expect(told(leaf([1, -2, 3, 4, Number.NaN]))).toBe('NaN .. NaN');
    expect(told(variable(tensor([true, false])))).toBe('[true, false]');
    expect(told(variable(tensor([true, false, true, true, false])))).toBe('3 of 5 true');
    expect(told(variable(tensor([5, 4, 3, 2, 1], { dtype: 'int32' })))).toBe('1 .. 5');
  });

  test('that a scope has handed back are told so', () => {
    const kept: Variable[] = [];
    scope(() => {
      kept.push(leaf([1, 2]).exp());
    });
    expect(told(kept[0]!)).toBe('released');
    expect(() => kept[0]!.value.toArray()).toThrow(errors.ScopeError);
  });

  test('of a leaf are those that each step saw', () => {
    const x = leaf([1, 2]);
    const first = x.square();
    x.assign(float64([3, 4]));
    const both = first.add(x).add(x);
    expect(String(graphOf(both))).toBe(
      [
        '%0 = leaf         float64  [2]  [1, 2]',
        '%1 = mul(%0, %0)  float64  [2]  [1, 4]',
        '%2 = leaf         float64  [2]  [3, 4]',
        '%3 = add(%1, %2)  float64  [2]  [4, 8]',
        '%4 = add(%3, %2)  float64  [2]  [7, 12]',
        'return %4',
      ].join('\n'),
    );
    // In a second derivative the leaf stands for itself, too.
    const [g] = gradientsOf(first.sum(), [x], { createGraph: true });
    expect(graphOf(g!).nodes.filter(({ kind }) => kind === 'leaf')).toHaveLength(1);
  });
});

test('of several results, and of what was not taped', () => {
  const x = leaf([1, 2]);
  const [a, b] = [x.exp(), x.neg()];
  const graph = graphOf([b, a, b]);
  expect(graph.nodes.map(({ name, kind }) => name ?? kind)).toEqual(['leaf', 'neg', 'exp']);
  expect(graph.outputs).toEqual([1, 2, 1]);
  expect(String(graph)).toMatch(/return %1, %2, %1$/);
  expect(graphOf(noGrad(() => x.exp())).nodes.map(({ kind }) => kind)).toEqual(['constant']);
  expect(String(graphOf([]))).toBe('return ');
});

test('a checkpoint is one step, and settings print in short', () => {
  const x = leaf([
    [1, 2],
    [3, 4],
  ]);
  const z = checkpoint((v: Variable) => v.exp().log().mul(v), x);
  const chosen = concat<Variable>([z.flip(1), z], 1).slice([null, null, -1], [1, 4, 2]);
  const steps = graphOf(chosen, { values: false }).toString().split('\n');
  expect(steps.map((line) => line.replace(/^%\d = (.*?) {2,}.*$/, '$1'))).toEqual([
    'leaf',
    'checkpoint(%0)',
    'slice(%1) ranges=[0:2,1:-1:-1]',
    'concat(%2, %1) axis=1',
    'slice(%3) ranges=[1:-1:-1,1:5:2]',
    'return %4',
  ]);
});
