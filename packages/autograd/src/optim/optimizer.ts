// What optimizers share. Each is a rule that turns a parameter theta and its gradient g into the next theta, given what
// it remembers of the steps before (its slots: tensors of theta's shape) and t, which counts the steps of this
// parameter from 1:
//
//     theta', slots'  =  update(theta, g, slots, t, options)
//
// The rest is here: groups of parameters with options of their own, saving and resuming. A step computes every new
// value before it assigns one, so a step that throws has moved nothing.

import { privately, type Tensor } from '@gemlab/tensor';
import { kindOf } from '../checks.ts';
import { OptimizerError } from '../errors.ts';
import { stepName } from '../tape.ts';
import { Variable } from '../variable.ts';
import {
  type Memory,
  type OptimizerState,
  type OptionValue,
  packMemory,
  type SavedState,
  type Slots,
  text,
  unpackMemory,
  wantNone,
  wantState,
} from './state.ts';

/** What training needs of an optimizer. */
export interface Optimizer {
  /** Those of all groups, in order. */
  readonly parameters: readonly Variable[];
  /** Options may be changed between steps: `optimizer.groups[0].lr = 0.01`. */
  readonly groups: readonly { readonly parameters: readonly Variable[]; lr: number }[];
  /** Moves every parameter that has a gradient. */
  step(): void;
  /** Forgets the gradients. */
  zeroGrad(): void;
  stateDict(): OptimizerState;
  loadStateDict(state: SavedState): void;
}

/** Options of every optimizer. */
export interface OptimizerOptions {
  /** The learning rate. */
  readonly lr: number;
  /** Adds weightDecay * theta, the gradient of weightDecay/2 |theta|^2, to that of the loss. Default 0. */
  readonly weightDecay: number;
  /** Goes up the gradient. Default false. */
  readonly maximize: boolean;
}

/** Parameters with options of their own; the optimizer's stand in for those left out. */
export type GroupOptions<O> = { readonly parameters: readonly Variable[] } & Partial<O>;
/** A group as the optimizer has it. */
export type Group<O> = { readonly parameters: readonly Variable[] } & { -readonly [K in keyof O]: O[K] };
/** What an optimizer is made for: parameters, or groups of them. */
export type ParametersOrGroups<O> = readonly Variable[] | readonly GroupOptions<O>[];

export abstract class GroupOptimizer<O extends OptimizerOptions> implements Optimizer {
  readonly groups: Group<O>[] = [];
  readonly #algorithm: string;
  readonly #defaults: O;
  readonly #memory = new Map<Variable, Memory>();

  /** @throws OptimizerError as addGroup. */
  constructor(algorithm: string, parameters: ParametersOrGroups<O>, defaults: O, options: Partial<O>) {
    this.#algorithm = algorithm;
    if (!Array.isArray(parameters)) {
      const fix = 'did you mean model.parameters()?';
      throw new OptimizerError(
        `${algorithm}: wants an array of parameters or of groups, found ${kindOf(parameters)}; ${fix}`,
        {
          parameters,
        },
      );
    }
    this.#defaults = this.#filledIn(defaults, options);
    const one = parameters.every((p) => p instanceof Variable);
    for (const group of one ? [{ parameters }] : parameters) this.addGroup(group as GroupOptions<O>);
  }

  /**
   * theta after step t (counted from 1) of a parameter with gradient g; what the next step needs is put into `slots`.
   */
  protected abstract update(theta: Tensor, g: Tensor, slots: Slots, t: number, options: O): Tensor;

  /**
   * True if `update` holds none of its arguments, and none of its results but in `slots`: the memory of what a step replaces is then used
   * again as soon as no tape needs it. (Tensors that `value` or `stateDict` gave out are never touched.)
   */
  protected get borrows(): boolean {
    return false;
  }

  /** What is wrong with options that are each in range. */
  protected conflict(_options: O): string | undefined {
    return undefined;
  }

  get parameters(): readonly Variable[] {
    return this.groups.flatMap((group) => group.parameters);
  }

  /**
   * Also moves these parameters, from the next step on. One named twice (two models may share it) is moved once.
   * @throws OptimizerError if one is no variable, was computed by an op, or is another group's too; for an option that is
   * unknown or out of range.
   */
  addGroup(group: GroupOptions<O>): void {
    const { parameters, ...options } = Object(group) as GroupOptions<O>;
    const known = new Set(this.parameters);
    if (!Array.isArray(parameters) || !parameters.every((p) => p instanceof Variable && !known.has(p))) {
      const rule = 'a group wants { parameters }: variables that no other group has';
      throw new OptimizerError(`${this.#algorithm}: ${rule}`, { parameters });
    }
    const computed = parameters.find((p) => p.node !== null);
    if (computed !== undefined) {
      const op = stepName(computed.node);
      throw new OptimizerError(
        `${this.#algorithm}: a parameter ${text(computed)} was computed by ${op}, and only a leaf can be moved; ` +
          'give the leaves that it was computed from, or make it one: variable(x.value, { requiresGrad: true })',
        { op },
      );
    }
    const filledIn = this.#filledIn(this.#defaults, options as object as Partial<O>);
    this.groups.push({ parameters: [...new Set(parameters)], ...filledIn } as Group<O>);
  }

  /** @throws OptimizerError for a gradient of another shape or dtype than its parameter. */
  step(): void {
    const { borrows } = this;
    const moves: { p: Variable; theta: Tensor; before: Memory; memory: Memory }[] = [];
    for (const group of this.groups) {
      for (const p of group.parameters) {
        if (p.grad === null) continue;
        const g = p.grad.peek;
        if (g.dtype !== p.dtype || !isSameShape(g.shape, p.shape)) {
          throw new OptimizerError(`${this.#algorithm}: the gradient is ${text(g)}, its parameter ${text(p)}`, {});
        }
        const before = this.#memory.get(p) ?? NEW;
        const step = before.step + 1;
        const slots = { ...before.slots };
        const from = borrows ? p.peek : p.value;
        const [theta] = privately(() => [this.update(from, g, slots, step, group as object as O), slots] as const);
        if (!borrows) for (const t of [theta, ...Object.values(slots)]) t.storage.share();
        moves.push({ p, theta, before, memory: { step, slots } });
      }
    }
    for (const { p, theta, before, memory } of moves) {
      p.assign(theta);
      const kept = Object.values(memory.slots);
      for (const { storage } of Object.values(before.slots)) {
        if (kept.every((t) => t.storage !== storage)) storage.retire();
      }
      this.#memory.set(p, memory);
    }
  }

  zeroGrad(): void {
    for (const { parameters } of this.groups) for (const p of parameters) p.grad = null;
  }

  /** All that the next step depends on, save values and gradients of the parameters: options, steps made, slots. */
  stateDict(): OptimizerState {
    return {
      algorithm: this.#algorithm,
      groups: this.groups.map(({ parameters, ...options }) => ({
        size: parameters.length,
        options: options as object as Record<string, OptionValue>,
      })),
      ...packMemory(this.parameters, this.#memory),
    };
  }

  /**
   * Goes on where a state was saved, bit for bit. The optimizer must have been made in the same way: as many groups, of
   * as many parameters, with the shapes and dtypes that they had.
   * @throws StateError that lists all that does not fit; the optimizer is then as it was.
   */
  loadStateDict(state: SavedState): void {
    wantState(this.#algorithm, state);
    const problems: string[] = [];
    const expect = (what: string, found: unknown, wanted: unknown) => {
      if (String(found) !== String(wanted)) problems.push(`${what}: found ${found}, wanted ${wanted}`);
    };
    const sizes = this.groups.map((group) => group.parameters.length);
    expect('algorithm', state.algorithm, this.#algorithm);
    expect('sizes of the groups', `[${state.groups.map((group) => group.size)}]`, `[${sizes}]`);
    expect('number of parameters', state.parameters.length, this.parameters.length);
    wantNone(this.#algorithm, problems);

    const memory = unpackMemory(this.parameters, state, problems);
    const options = state.groups.map((group) => {
      try {
        return this.#filledIn(this.#defaults, group.options as object as Partial<O>);
      } catch (error) {
        problems.push((error as Error).message);
        return this.#defaults;
      }
    });
    wantNone(this.#algorithm, problems);
    for (const [i, group] of this.groups.entries()) Object.assign(group, options[i]);
    this.#memory.clear();
    for (const [p, m] of memory) this.#memory.set(p, m);
  }

  /** @throws OptimizerError for an option that is unknown, of another type, or out of range. */
  #filledIn(defaults: O, options: Partial<O>): O {
    if (typeof options !== 'object' || options === null) {
      throw new OptimizerError(`${this.#algorithm}: options are an object, { lr: 0.1 }, found ${kindOf(options)}`, {
        options,
      });
    }
    const standard = new Map<string, unknown>(Object.entries(defaults));
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    for (const [name, value] of given) {
      const rule = broken(value, standard.get(name));
      if (rule) throw new OptimizerError(`${this.#algorithm}: ${name} ${rule}, found ${value}`, { [name]: value });
    }
    const all = { ...defaults, ...Object.fromEntries(given) } as O;
    const conflict = this.conflict(all);
    if (conflict) throw new OptimizerError(`${this.#algorithm}: ${conflict}`, { options: all });
    return all;
  }
}

const NEW: Memory = { step: 0, slots: {} };

const isSameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((d, i) => d === b[i]);

/** What a value must be to stand in for a default, if it is not that. */
function broken(value: unknown, standard: unknown): string | undefined {
  const isRate = (x: unknown) => typeof x === 'number' && x >= 0 && x < 1;
  if (Array.isArray(standard)) {
    const fits = Array.isArray(value) && value.length === standard.length && value.every(isRate);
    return fits ? undefined : `must be ${standard.length} numbers in [0, 1)`;
  }
  if (typeof standard === 'boolean') return typeof value === 'boolean' ? undefined : 'must be true or false';
  if (standard === undefined) return 'is no option of it';
  return Number.isFinite(value) && (value as number) >= 0 ? undefined : 'must be a finite number >= 0';
}

/** The direction that the parameter moves against: the gradient, turned if it is to be climbed, with weight decay. */
export function descent(theta: Tensor, g: Tensor, { maximize, weightDecay }: OptimizerOptions): Tensor {
  const d = maximize ? g.neg() : g;
  return weightDecay > 0 ? d.add(theta, { alpha: weightDecay }) : d;
}
