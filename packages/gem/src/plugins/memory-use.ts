// Memory, measured: what the strategy holds, and the process with it, after each experience or every so many steps. The plugin goes last, so
// that the others have remembered what they will. The process's memory depends on the machine, so all this is neither in the records of a
// saved run nor in its checkpoints; loggers write it (`machineRecord`).

import { InvalidOptionError } from '../errors.ts';
import { bytesOf, type MemoryUse, processMemory } from '../metrics/memory-use.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { statefulPlugins } from '../strategy/strategy-state.ts';

/** The memory that a strategy holds between two steps. A plugin that is not `Stateful` is not asked. */
export function memoryUse(strategy: Strategy): MemoryUse {
  const plugins: Record<string, number> = {};
  for (const plugin of statefulPlugins(strategy)) {
    plugins[plugin.name] = (plugins[plugin.name] ?? 0) + bytesOf(Object.values(plugin.stateDict().tensors));
  }
  const model = bytesOf(Object.values(strategy.model.stateDict()));
  const optimizer = bytesOf(Object.values(strategy.optimizer.stateDict().tensors));
  const total = Object.values(plugins).reduce((sum, bytes) => sum + bytes, model + optimizer);
  return { model, optimizer, plugins, total };
}

export interface MemoryUseOptions {
  /** After each 'experience' (default), or so many steps apart. */
  readonly every?: number | 'experience' | undefined;
  /** Bytes of the process, or null; what the runtime says by default. */
  readonly process?: (() => number | null) | undefined;
}

/** One measurement, in bytes. Plain data. */
export interface MemoryUseRecord extends MemoryUse {
  /** Steps made, and the experience under way or just ended. */
  readonly step: number;
  readonly experience: number;
  /** The process; null where the runtime does not tell. */
  readonly process: number | null;
}

export class MemoryUsePlugin implements StrategyPlugin {
  readonly name = 'memory-use';
  readonly #every: number | 'experience';
  readonly #process: () => number | null;
  #history: readonly MemoryUseRecord[] = [];
  /** The measurement after the step just made; null if there was none. */
  machineRecord: MemoryUseRecord | null = null;

  /** @throws InvalidOptionError unless `every` is a positive integer or 'experience'. */
  constructor({ every = 'experience', process = processMemory }: MemoryUseOptions = {}) {
    if (every !== 'experience' && !(Number.isInteger(every) && every > 0)) {
      throw new InvalidOptionError('MemoryUsePlugin', 'every', every, "a positive integer or 'experience'");
    }
    this.#every = every;
    this.#process = process;
  }

  /** All measurements that this program has made, in order. */
  get history(): readonly MemoryUseRecord[] {
    return this.#history;
  }

  /** The largest total, and the largest process; null before the first measurement, or where the runtime does not tell. */
  get peak(): { readonly total: number | null; readonly process: number | null } {
    const largest = (values: readonly (number | null)[]) =>
      values.reduce((most, value) => (value === null || (most !== null && most >= value) ? most : value), null);
    return {
      total: largest(this.#history.map(({ total }) => total)),
      process: largest(this.#history.map(({ process }) => process)),
    };
  }

  afterTrainingIteration(strategy: Strategy): void {
    this.machineRecord = null;
    const step = strategy.clock.step + 1;
    if (this.#every !== 'experience' && step % this.#every === 0) this.#measure(strategy, step);
  }

  afterTrainingExp(strategy: Strategy): void {
    if (this.#every === 'experience') this.#measure(strategy, strategy.clock.step);
  }

  #measure(strategy: Strategy, step: number): void {
    const place = { step, experience: strategy.clock.experience };
    this.machineRecord = { ...place, ...memoryUse(strategy), process: this.#process() };
    this.#history = [...this.#history, this.machineRecord];
  }
}
