// graphOf: the tape behind a result, to look at. One entry for each value that took part, inputs before what was made
// of them: as text for a terminal, as DOT for Graphviz, as JSON for programs.

import { errors, type Shape, type Tensor } from '@gemlab/tensor';
import type { Module } from './nn/module.ts';
import { stepName } from './tape.ts';
import { Variable } from './variable.ts';

/** A value on the tape, or beside it as a constant. Plain data. */
export interface GraphNode {
  /** Its place in `nodes`. */
  readonly id: number;
  readonly kind: 'step' | 'parameter' | 'leaf' | 'buffer' | 'constant';
  /** What computed it, for a step; its path in the model, for a parameter or buffer. */
  readonly name: string | null;
  /** The step's settings. */
  readonly params: Readonly<Record<string, unknown>>;
  /** The ids of what it was computed from. */
  readonly inputs: readonly number[];
  readonly shape: Shape;
  readonly dtype: string;
  /** In short: the elements if they are few, else the smallest and the largest. Null if not asked for. */
  readonly value: string | null;
}

export interface GraphOptions {
  /** Names its parameters and buffers. */
  readonly model?: Module;
  /** Whether to tell values. Default true. */
  readonly values?: boolean;
}

/**
 * The graph behind one variable or several, as it was when they were computed: a leaf that was given another value
 * since shows the one that it had, and one used with two values is there twice. `String(graph)` is the text,
 * `graph.toDot()` the input for Graphviz, `JSON.stringify(graph)` plain data.
 */
export function graphOf(outputs: Variable | readonly Variable[], options: GraphOptions = {}): Graph {
  const roots = outputs instanceof Variable ? [outputs] : outputs;
  const names = new Map<Variable, string>();
  for (const [path, p] of options.model?.namedParameters() ?? []) names.set(p, path);
  for (const [path, buffer] of options.model?.namedBuffers() ?? []) names.set(buffer, path);

  const nodes: GraphNode[] = [];
  const ids = new Map<Variable, Map<Tensor, number>>();
  const idOf = (v: Variable, value: Tensor): number | undefined => ids.get(v.origin)?.get(value);
  const enter = (v: Variable, value: Tensor): void => {
    const { node, origin } = v;
    const name = names.get(origin);
    nodes.push({
      id: nodes.length,
      kind: kindOf(v, name !== undefined),
      name: node !== null ? stepName(node) : (name ?? null),
      params: node === null || node.op === 'custom' ? {} : (plain(node.params) as GraphNode['params']),
      inputs: node?.inputs.map((input, k) => idOf(input, node.values[k]!)!) ?? [],
      shape: value.shape,
      dtype: value.dtype,
      value: options.values === false ? null : summary(value),
    });
    if (!ids.has(origin)) ids.set(origin, new Map());
    ids.get(origin)!.set(value, nodes.length - 1);
  };

  // Depth first, without recursion: each entry counts which of its inputs is next.
  const stack = roots.map((v) => ({ v, value: v.value, next: 0 })).reverse();
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const { v, value, next } = top;
    const inputs = v.node?.inputs ?? [];
    if (idOf(v, value) === undefined && next < inputs.length) {
      top.next++;
      stack.push({ v: inputs[next]!, value: v.node!.values[next]!, next: 0 });
      continue;
    }
    if (idOf(v, value) === undefined) enter(v, value);
    stack.pop();
  }
  return new Graph(
    nodes,
    roots.map((v) => idOf(v, v.value)!),
  );
}

function kindOf({ node, requiresGrad }: Variable, named: boolean): GraphNode['kind'] {
  if (node !== null) return 'step';
  if (requiresGrad) return named ? 'parameter' : 'leaf';
  return named ? 'buffer' : 'constant';
}

/** Data that JSON gives back as it was: numbers that are not finite as words. */
function plain(x: unknown): unknown {
  if (typeof x === 'number') return Number.isFinite(x) ? x : String(x);
  if (Array.isArray(x)) return x.map(plain);
  if (typeof x !== 'object' || x === null) return x;
  return Object.fromEntries(Object.entries(x).map(([name, item]) => [name, plain(item)]));
}

const FEW = 4;

const numberText = (x: number): string => (Number.isFinite(x) ? String(Number(x.toPrecision(4))) : `${x}`);

function summary(value: Tensor): string {
  if (value.storage.released) return 'released';
  if (value.dtype === 'bool') {
    if (value.size <= FEW) return listText(value.toArray(), String);
    return `${value.sum().item()} of ${value.size} true`;
  }
  if (value.size <= FEW) return listText(value.toArray(), (x) => numberText(x as number));
  return `${numberText(value.min().item() as number)} .. ${numberText(value.max().item() as number)}`;
}

function listText(x: unknown, text: (element: unknown) => string): string {
  return Array.isArray(x) ? `[${x.map((item) => listText(item, text)).join(', ')}]` : text(x);
}

/** A setting as people read it; a range as start:stop:step. */
function paramText(x: unknown): string {
  if (Array.isArray(x)) return `[${x.map(paramText).join(',')}]`;
  if (typeof x !== 'object' || x === null) return String(x);
  if ('start' in x && 'step' in x && 'length' in x) {
    const { start, step, length } = x as { start: number; step: number; length: number };
    return `${start}:${start + step * length}${step === 1 ? '' : `:${step}`}`;
  }
  return `{${Object.entries(x).map(([name, item]) => `${name}:${paramText(item)}`)}}`;
}

/** The settings that the result's shape and dtype do not tell already. */
function paramsText({ params }: GraphNode): string {
  const told = Object.entries(params).filter(([name]) => name !== 'shape' && name !== 'dtype');
  return told.map(([name, x]) => `${name}=${paramText(x)}`).join(' ');
}

/** A tape as data. */
export class Graph {
  readonly nodes: readonly GraphNode[];
  /** The ids of the results that the graph was asked for. */
  readonly outputs: readonly number[];

  constructor(nodes: readonly GraphNode[], outputs: readonly number[]) {
    this.nodes = nodes;
    this.outputs = outputs;
  }

  /** One line for each node, as in a program: what it is, dtype and shape, value. */
  toString(): string {
    const idWidth = `%${this.nodes.length - 1}`.length;
    const rows = this.nodes.map((node) => {
      const { id, kind, name, inputs, dtype, shape, value } = node;
      const call = `${name}(${inputs.map((i) => `%${i}`).join(', ')}) ${paramsText(node)}`;
      const what = kind === 'step' ? call : `${kind} ${name ?? ''}`;
      return [`${`%${id}`.padEnd(idWidth)} = ${what.trimEnd()}`, dtype, errors.shapeText(shape), value ?? ''];
    });
    const widths = rows.reduce((most, row) => row.map((cell, i) => Math.max(most[i]!, cell.length)), [0, 0, 0, 0]);
    const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  '));
    return [...lines.map((line) => line.trimEnd()), `return ${this.outputs.map((id) => `%${id}`).join(', ')}`].join(
      '\n',
    );
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }

  /** For Graphviz: steps as ellipses, what they began with as boxes, constants in grey, results with two lines. */
  toDot(): string {
    const quote = (lines: readonly string[]) =>
      `"${lines.join('\n').replaceAll(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;
    const looks = {
      step: 'shape=ellipse',
      parameter: 'shape=box style=bold',
      leaf: 'shape=box',
      buffer: 'shape=box color=grey style=bold',
      constant: 'shape=box color=grey',
    };
    const nodes = this.nodes.map((node) => {
      const { id, kind, name, dtype, shape, value } = node;
      const label = [
        `${name ?? kind} ${paramsText(node)}`.trimEnd(),
        `${dtype} ${errors.shapeText(shape)}`,
        ...(value === null ? [] : [value]),
      ];
      return `  n${id} [label=${quote(label)} ${looks[kind]}${this.outputs.includes(id) ? ' peripheries=2' : ''}];`;
    });
    const edges = this.nodes.flatMap(({ id, inputs }) => inputs.map((from) => `  n${from} -> n${id};`));
    return ['digraph tape {', ...nodes, ...edges, '}'].join('\n');
  }

  /** Plain data, that says no more and no less than this. */
  toJSON(): { readonly nodes: readonly GraphNode[]; readonly outputs: readonly number[] } {
    return { nodes: this.nodes, outputs: this.outputs };
  }
}
