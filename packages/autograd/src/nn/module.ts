// Module: something with parameters and a forward function. Its members are found by looking at the object: the values of its
// own properties, and the items of those that are arrays, in the order in which they were assigned. A member that is a leaf
// variable requiring a gradient is a parameter; one that is a module is searched in its turn.

import { type HoldsStorage, type Storage, storagesOf } from '@gemlab/tensor';
import { ModuleError } from '../errors.ts';
import { Variable } from '../variable.ts';

export abstract class Module implements HoldsStorage {
  /** Whether layers that behave differently in training do so; set by train() and eval(). */
  training = true;

  /** The module's output for a batch of inputs. */
  abstract forward(x: Variable): Variable;

  *#members(): Generator<[name: string, member: unknown]> {
    for (const [key, value] of Object.entries(this)) {
      if (Array.isArray(value)) for (const [i, item] of value.entries()) yield [`${key}.${i}`, item];
      else yield [key, value];
    }
  }

  /** Direct submodules with their names. */
  *children(): Generator<[name: string, module: Module]> {
    for (const [name, member] of this.#members()) if (member instanceof Module) yield [name, member];
  }

  /** This module (path '') and all below it, depth first, with dotted paths. One met twice is given once. */
  namedModules(): Generator<[path: string, module: Module]> {
    return walk('', this, new Set());
  }

  /**
   * Parameters with their dotted path from this module, e.g. 'layers.0.weight'. One met twice is given once.
   * @throws ModuleError if one was computed by an op, and so cannot be trained.
   */
  *namedParameters(): Generator<[path: string, parameter: Variable]> {
    const seen = new Set<Variable>();
    for (const [path, module] of this.namedModules()) {
      for (const [name, member] of module.#members()) {
        if (!(member instanceof Variable && member.requiresGrad) || seen.has(member)) continue;
        seen.add(member);
        const full = join(path, name);
        if (member.node !== null) {
          throw new ModuleError(
            `${full} was computed by ${member.node.op}, so it cannot be trained; to train it make it a leaf, ` +
              'variable(x.value, { requiresGrad: true }); to only remember it, x.detach()',
            { parameter: full, op: member.node.op },
          );
        }
        yield [full, member];
      }
    }
  }

  parameters(): Variable[] {
    return [...this.namedParameters()].map(([, p]) => p);
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

  /** What a scope keeps with this module: its members' storages, and those of all below it. */
  *[storagesOf](): Generator<Storage> {
    for (const [, module] of this.namedModules()) {
      for (const [, member] of module.#members()) if (holdsStorage(member)) yield* member[storagesOf]();
    }
  }
}

function* walk(path: string, module: Module, seen: Set<Module>): Generator<[path: string, module: Module]> {
  if (seen.has(module)) return;
  seen.add(module);
  yield [path, module];
  for (const [name, child] of module.children()) yield* walk(join(path, name), child, seen);
}

const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

function holdsStorage(member: unknown): member is HoldsStorage {
  return typeof member === 'object' && member !== null && storagesOf in member && !(member instanceof Module);
}
