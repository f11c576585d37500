// Module: something with parameters and a forward function. Its members are found by looking at the object: the values
// of its own properties, and the items of those that are arrays or plain objects, in the order in which they were
// assigned. A member that is a leaf variable requiring a gradient is a parameter; one that is a Buffer is state that is
// not trained; one that is a module is searched in its turn. A path is the way to a member: 'layers.0.weight'.

import {
  type DeviceChoice,
  type HoldsStorage,
  keep,
  type NamedTensors,
  type Storage,
  storagesOf,
  type Tensor,
} from '@gemlab/tensor';
import { ModuleError } from '../errors.ts';
import { Variable } from '../variable.ts';
import { Buffer } from './buffer.ts';
import { type LoadReport, loadState, stateKey } from './state.ts';

/** Which task a batch is of, or each of its samples: int32 [n]. */
export type Task = number | Tensor;

export abstract class Module implements HoldsStorage {
  /** Whether layers that behave differently in training do so; set by train() and eval(). */
  training = true;

  /** The module's output for a batch of inputs; modules that tell tasks apart want the task too, others ignore it. */
  abstract forward(x: Variable, task?: Task): Variable;

  /** How paths call what lies at a place of this object ('layers.0'): by the place, unless a module knows better. */
  protected nameOf(place: string): string {
    return place;
  }

  /** What this module is made of, by the names with which paths go on from here. */
  *#members(): Generator<[name: string, member: unknown]> {
    for (const [place, member] of itemsOf('', this, new Set())) yield [this.nameOf(place), member];
  }

  /** Direct submodules with their names. */
  *children(): Generator<[name: string, module: Module]> {
    for (const [name, member] of this.#members()) if (member instanceof Module) yield [name, member];
  }

  /** This module (path '') and all below it, depth first, with dotted paths. One met twice is given once. */
  *namedModules(): Generator<[path: string, module: Module]> {
    for (const { path, member, first } of this.#walk())
      if (member instanceof Module && path === first) yield [path, member];
  }

  /**
   * Parameters with their dotted path from this module, e.g. 'layers.0.weight'. One met twice is given once.
   * @throws ModuleError if one was computed by an op, and so cannot be trained.
   */
  *namedParameters(): Generator<[path: string, parameter: Variable]> {
    for (const { path, member, first } of this.#walk()) {
      if (path === first && isParameter(path, member)) yield [path, member];
    }
  }

  /** Those that namedParameters gives, in its order, without a thought for names: this is asked in each step of training. */
  parameters(): Variable[] {
    const found = new Set<Variable>();
    collect(this, found, new Set());
    const parameters = [...found];
    return parameters.every((p) => p.node === null) ? parameters : [...this.namedParameters()].map(([, p]) => p);
  }

  /** Buffers with their dotted path. One met twice is given once. */
  *namedBuffers(): Generator<[path: string, buffer: Buffer]> {
    for (const { path, member, first } of this.#walk())
      if (member instanceof Buffer && path === first) yield [path, member];
  }

  /** Puts this module and all below it into training mode. */
  train(mode = true): this {
    for (const [, module] of this.namedModules()) module.training = mode;
    return this;
  }

  /** Puts this module and all below it into evaluation mode. */
  eval(): this {
    return this.train(false);
  }

  zeroGrad(): void {
    for (const p of this.parameters()) p.grad = null;
  }

  /** Moves parameters and buffers to a device. An optimizer's state does not follow: make the optimizer afterwards. */
  to(device: DeviceChoice): this {
    for (const v of this.#state().variables.values()) v.assign(keep(v.value.to(device)));
    return this;
  }

  /**
   * The values of parameters and buffers by name: paths in PyTorch's spelling, so that bn1.runningMean is
   * 'bn1.running_mean' and files go both ways. What is tied appears once, under its first name. Tensors do not change,
   * so training on does not change the state; `writeSafetensors(model.stateDict())` makes a file of it.
   * @throws ModuleError if two members have one name in that spelling.
   */
  stateDict(): Record<string, Tensor> {
    return Object.fromEntries([...this.#state().variables].map(([key, v]) => [key, v.value]));
  }

  /**
   * Takes over the values of a state, from stateDict or readSafetensors(bytes).tensors. Floats are cast to the dtype
   * that is here. With `strict: false` keys that only one side has are left out, and reported.
   * @throws StateError that lists every missing, unexpected and misshaped key; the module is then as it was.
   */
  loadStateDict(state: NamedTensors, { strict = true }: { readonly strict?: boolean } = {}): LoadReport {
    const { variables, ties } = this.#state();
    // Name by name, as a tied module may lie on the way.
    const canonical = (key: string) =>
      key.split('.').reduce((path, name) => ((full) => ties.get(full) ?? full)(join(path, name)), '');
    return loadState(variables, canonical, state, strict);
  }

  /** Parameters and buffers by key, and the key that counts for each other name of a tied member. */
  #state(): { variables: Map<string, Variable>; ties: Map<string, string> } {
    const variables = new Map<string, Variable>();
    const ties = new Map<string, string>();
    for (const { path, member, first } of this.#walk()) {
      const key = stateKey(path);
      if (path !== first) ties.set(key, stateKey(first));
      else if (isParameter(path, member) || member instanceof Buffer) {
        if (variables.has(key)) throw new ModuleError(`stateDict: two members are spelled ${key}`, { key });
        variables.set(key, member);
      }
    }
    return { variables, ties };
  }

  /** What a scope keeps with this module: its members' storages, and those of all below it. */
  *[storagesOf](): Generator<Storage> {
    for (const [, module] of this.namedModules()) {
      for (const [, member] of module.#members()) if (holdsStorage(member)) yield* member[storagesOf]();
    }
  }

  /**
   * Every module and every variable below this one, with the path under which it was first met. Modules are entered
   * once.
   */
  *#walk(path = '', first = new Map<unknown, string>()): Generator<{ path: string; member: unknown; first: string }> {
    first.set(this, path);
    yield { path, member: this, first: path };
    const modules: [path: string, module: Module][] = [];
    for (const [name, member] of this.#members()) {
      const full = join(path, name);
      if (member instanceof Module) modules.push([full, member]);
      else if (member instanceof Variable) {
        if (!first.has(member)) first.set(member, full);
        yield { path: full, member, first: first.get(member)! };
      }
    }
    for (const [full, module] of modules) {
      const met = first.get(module);
      if (met === undefined) yield* module.#walk(full, first);
      else yield { path: full, member: module, first: met };
    }
  }
}

/** @throws ModuleError if the member wants a gradient but is no leaf. */
function isParameter(path: string, member: unknown): member is Variable {
  if (!(member instanceof Variable && member.requiresGrad)) return false;
  if (member.node === null) return true;
  throw new ModuleError(
    `${path} was computed by ${member.node.op}, so it cannot be trained; to train it make it a leaf, ` +
      'variable(x.value, { requiresGrad: true }); to only remember it, x.detach()',
    { parameter: path, op: member.node.op },
  );
}

/** Adds the variables below a module that want gradients to `found`: its own, then those of modules not `met` before. */
function collect(module: Module, found: Set<Variable>, met: Set<Module>): void {
  met.add(module);
  const modules: Module[] = [];
  const opened = new Set<object>();
  const open = (container: object): void => {
    opened.add(container);
    for (const item of Object.values(container)) {
      if (typeof item !== 'object' || item === null) continue;
      if (item instanceof Variable) {
        if (item.requiresGrad) found.add(item);
      } else if (item instanceof Module) modules.push(item);
      else if (isContainer(item) && !opened.has(item)) open(item);
    }
  };
  open(module);
  for (const inner of modules) if (!met.has(inner)) collect(inner, found, met);
}

/** The values in an object or array; arrays and plain objects among them are opened in their turn. */
function* itemsOf(path: string, container: object, opened: Set<object>): Generator<[path: string, item: unknown]> {
  opened.add(container);
  for (const [name, item] of Object.entries(container)) {
    if (!isContainer(item)) yield [join(path, name), item];
    else if (!opened.has(item)) yield* itemsOf(join(path, name), item, opened);
  }
}

const isContainer = (x: unknown): x is object =>
  Array.isArray(x) || (typeof x === 'object' && x !== null && Object.getPrototypeOf(x) === Object.prototype);

const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

function holdsStorage(member: unknown): member is HoldsStorage {
  return typeof member === 'object' && member !== null && storagesOf in member && !(member instanceof Module);
}
