// Models that tell tasks apart. The task is an argument of forward, and Sequential hands it on to its layers:
//
//     new Sequential(trunk, new MultiHead([head0, head1]))                an output layer for each task
//     new Sequential(trunk, output, new TaskMask(4, [[0, 1], [2, 3]]))    one output layer, of which each sees a part
//
// model.forward(x, task) then takes one task, or the task of each sample. (Avalanche's MultiTaskModule. The mask is
// that of Lopez-Paz & Ranzato's code of 2018, which fills the outputs that a task does not have with -10e10.)

import { concat, errors, stack, Tensor, tensor, where } from '@gemlab/tensor';
import { ModuleError } from '../errors.ts';
import type { Variable } from '../variable.ts';
import { Buffer } from './buffer.ts';
import { Module, type Task } from './module.ts';

/** The reference code's number: its share of a softmax is exactly 0, and so is its gradient. */
const MASKED = -10e10;

/** One output layer for each task; tasks may be added while training, and an optimizer is told by addGroup. */
export class MultiHead extends Module {
  readonly heads: Readonly<Record<number, Module>> = {};

  /** @param heads of tasks 0, 1, ... */
  constructor(heads: readonly Module[] = []) {
    super();
    heads.forEach((head, task) => {
      this.add(task, head);
    });
  }

  /** Gives a task its head. @throws ModuleError if it has one. */
  add(task: number, head: Module): this {
    enter('MultiHead', this.heads, task, head);
    return this;
  }

  /**
   * Each sample by the head of its task; where a batch mixes tasks their outputs must have one shape.
   * @throws ModuleError without a task, or for one that has no head.
   */
  override forward(x: Variable, task?: Task): Variable {
    const tasks = tasksOf('MultiHead', x, task);
    if (typeof tasks === 'number') return lookUp('MultiHead', this.heads, tasks).forward(x);
    const byTask = new Map<number, number[]>();
    for (const [row, t] of tasks.entries()) byTask.set(t, [...(byTask.get(t) ?? []), row]);
    const index = (rows: number[]) => tensor(rows, { dtype: 'int32', device: x.value.device });
    const parts = [...byTask].map(([t, rows]) =>
      lookUp('MultiHead', this.heads, t).forward(x.indexSelect(0, index(rows))),
    );
    const place: number[] = [];
    for (const [i, row] of [...byTask.values()].flat().entries()) place[row] = i;
    return concat<Variable>(parts).indexSelect(0, index(place));
  }
}

/** Outputs [n, ..., classes], of which each task has some: the others are filled with -10e10, and get no gradient. */
export class TaskMask extends Module {
  readonly classes: number;
  /** For each task true where a class is its own: bool [classes]. */
  readonly masks: Readonly<Record<number, Buffer>> = {};

  /** @param tasks the classes of tasks 0, 1, ... @throws ModuleError as add. */
  constructor(classes: number, tasks: readonly (readonly number[])[] = []) {
    super();
    this.classes = classes;
    tasks.forEach((own, task) => {
      this.add(task, own);
    });
  }

  /** Gives a task its classes. @throws ModuleError if it has some, there are none, or one is not in [0, classes). */
  add(task: number, own: readonly number[]): this {
    if (own.length === 0 || own.some((c) => !Number.isInteger(c) || c < 0 || c >= this.classes)) {
      throw new ModuleError(`TaskMask: the classes of a task are some of 0..${this.classes - 1}, found [${own}]`, {
        own,
      });
    }
    const mask = Array.from({ length: this.classes }, (_, c) => own.includes(c));
    enter('TaskMask', this.masks, task, new Buffer(tensor(mask)));
    return this;
  }

  /**
   * @throws ModuleError without a task, for one that has no classes, for a task of each sample beside the outputs of one, or if the
   * last axis is not `classes` long.
   */
  override forward(x: Variable, task?: Task): Variable {
    if (x.shape.at(-1) !== this.classes) {
      throw new ModuleError(
        `TaskMask(${this.classes}): the input ${errors.shapeText(x.shape)} must end in ${this.classes}`,
        {
          shape: x.shape,
        },
      );
    }
    const tasks = tasksOf('TaskMask', x, task);
    const maskOf = (k: number) => lookUp('TaskMask', this.masks, k).value;
    if (typeof tasks === 'number') return where<Variable>(maskOf(tasks), x, MASKED);
    if (x.rank < 2) {
      throw new ModuleError(
        `TaskMask(${this.classes}): tasks of samples want outputs [n, ..., ${this.classes}], found ${errors.shapeText(x.shape)}; ` +
          'give the task as a number',
        { shape: x.shape },
      );
    }
    const ofSamples = stack(tasks.map(maskOf)).reshape([
      tasks.length,
      ...x.shape.slice(1, -1).map(() => 1),
      this.classes,
    ]);
    return where<Variable>(ofSamples, x, MASKED);
  }
}

/** One task for all, or a list with that of each sample. */
function tasksOf(module: string, x: Variable, task: Task | undefined): number | number[] {
  if (typeof task === 'number') return task;
  if (task instanceof Tensor && task.dtype === 'int32' && task.rank === 1 && task.size === x.shape[0]) {
    return task.toArray() as number[];
  }
  const found = task instanceof Tensor ? `${task.dtype} ${errors.shapeText(task.shape)}` : String(task);
  throw new ModuleError(
    `${module}: wants forward(x, task) with a number, or int32 [${x.shape[0]}] for the samples of ${errors.shapeText(x.shape)}; ` +
      `found ${found}`,
    { task },
  );
}

function lookUp<T>(module: string, record: Readonly<Record<number, T>>, task: number): T {
  const found = record[task];
  if (found !== undefined) return found;
  const known = Object.keys(record).map(Number);
  throw new ModuleError(`${module}: task ${task} was never added; there are [${known}]`, { task, known });
}

function enter<T>(module: string, record: Record<number, T>, task: number, value: T): void {
  if (!Number.isInteger(task) || task < 0 || task in record) {
    const known = Object.keys(record).map(Number);
    throw new ModuleError(`${module}: a new task is an integer >= 0, found ${task}; there are [${known}]`, {
      task,
      known,
    });
  }
  record[task] = value;
}
