// What a learner knew, and when: R[i][j] is the test accuracy on task j after learning task i, b[j] that of the untrained
// model. With T tasks (counted from 0 here, from 1 in the paper):
//
//     ACC = 1/T sum_j R[T-1][j]                                                  accuracy in the end
//     BWT = 1/(T-1) sum_{i<T-1} (R[T-1][i] - R[i][i])                            what later tasks did to earlier ones
//     FWT = 1/(T-1) sum_{i>0} (R[i-1][i] - b[i])                                 what earlier tasks gave to later ones
//     forgetting = 1/(T-1) sum_{j<T-1} (max_{l<T-1} R[l][j] - R[T-1][j])         (Chaudhry et al. 2018)
//     learning accuracy = 1/T sum_i R[i][i]                                      (Riemer et al. 2019)
//
// The first three are Lopez-Paz & Ranzato (2017), eq. 2-4. Their code (metrics/metrics.py) divides BWT and FWT by T:
// convention 'code2018'. With one task there is no earlier and no later one: BWT, FWT and forgetting are 0.

import { GemError } from '../errors.ts';

/** Whether BWT and FWT average over the T - 1 terms there are ('paper') or over T ('code2018'). */
export type MetricConvention = 'paper' | 'code2018';

export interface MetricOptions {
  /** 'paper' by default. */
  readonly convention?: MetricConvention | undefined;
}

/** An accuracy matrix as plain data; null where nothing was measured. */
export interface AccuracyMatrixJSON {
  readonly tasks: number;
  /** tasks x tasks: row i after task i, column j on task j. */
  readonly accuracies: readonly (readonly (number | null)[])[];
  /** b[j] for each task. */
  readonly baseline: readonly (number | null)[];
}

/** A metric of accuracies that have not been measured yet. */
export class MetricError extends GemError {
  static override readonly name: string = 'MetricError';
  /** The entries that are missing, counted from 0: `R[2][0]`, `b[1]`. */
  readonly missing: readonly string[];

  /** @param legend what the entries are, and how they come to be measured. */
  constructor(operation: string, missing: readonly string[], legend: string) {
    const shown =
      missing.length > 8 ? `${missing.slice(0, 8).join(', ')} and ${missing.length - 8} more` : missing.join(', ');
    super(operation, `not measured yet: ${shown} (${legend})`, { missing });
    this.missing = missing;
  }
}

/** Something that is no accuracy matrix, no part of one, or no logits and labels to count. */
export class MetricInputError extends GemError {
  static override readonly name: string = 'MetricInputError';
  /** The offending argument in the caller's words: `row`, `accuracies[2]`, `logits`. */
  readonly argument: string;
  readonly found: unknown;

  constructor(operation: string, argument: string, found: unknown, expected: string) {
    super(operation, `${argument} is ${describe(found)}; expected ${expected}`, { argument, found });
    this.argument = argument;
    this.found = found;
  }
}

const MATRIX_LEGEND =
  'R[i][j]: accuracy on task j after task i, from 0; b[j]: before training. record() fills a row of R, setBaseline() fills b';

function describe(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

export class AccuracyMatrix {
  /** T, the number of tasks. */
  readonly tasks: number;
  #rows: readonly (readonly (number | null)[])[];
  #baseline: readonly (number | null)[];

  /** A matrix of `tasks` tasks in which nothing is measured yet. @throws MetricInputError unless tasks is an integer >= 1. */
  constructor(tasks: number) {
    if (!Number.isInteger(tasks) || tasks < 1) {
      throw new MetricInputError('AccuracyMatrix', 'tasks', tasks, 'an integer >= 1');
    }
    this.tasks = tasks;
    this.#baseline = new Array<null>(tasks).fill(null);
    this.#rows = Array.from({ length: tasks }, () => this.#baseline);
  }

  /**
   * Sets row `row`: the accuracies on all tasks, each in [0, 1], after learning task `row`; null for a task not tested. A
   * row that was there is replaced.
   * @throws MetricInputError, and leaves the matrix as it was.
   */
  record(row: number, accuracies: ArrayLike<number | null>): void {
    this.#wantTask('AccuracyMatrix.record', 'row', row);
    const values = this.#read('AccuracyMatrix.record', 'accuracies', accuracies);
    this.#rows = this.#rows.map((old, i) => (i === row ? values : old));
  }

  /** Sets b: the accuracies on all tasks before any training. @throws MetricInputError, and leaves the matrix as it was. */
  setBaseline(accuracies: ArrayLike<number | null>): void {
    this.#baseline = this.#read('AccuracyMatrix.setBaseline', 'accuracies', accuracies);
  }

  /** R[row][task], null if not measured. @throws MetricInputError outside the matrix. */
  at(row: number, task: number): number | null {
    this.#wantTask('AccuracyMatrix.at', 'row', row);
    this.#wantTask('AccuracyMatrix.at', 'task', task);
    return this.#rows[row]![task]!;
  }

  /** R by rows; null where nothing was measured. */
  get accuracies(): readonly (readonly (number | null)[])[] {
    return this.#rows;
  }

  /** b; null where nothing was measured. */
  get baseline(): readonly (number | null)[] {
    return this.#baseline;
  }

  /** Whether every entry of R has been measured. */
  get isComplete(): boolean {
    return this.#rows.every((row) => row.every((accuracy) => accuracy !== null));
  }

  /** Average accuracy over all tasks after the last. @throws MetricError until row T-1 is measured. */
  acc(): number {
    const T = this.tasks;
    return this.#evaluate('acc', (R) => sum(T, (j) => R(T - 1, j)) / T);
  }

  /**
   * Backward transfer: below 0 where learning later tasks lost accuracy on earlier ones. 0 for one task.
   * @throws MetricError until row T-1 and the diagonal before it are measured; MetricInputError for an unknown convention.
   */
  bwt({ convention = 'paper' }: MetricOptions = {}): number {
    const T = this.tasks;
    const terms = this.#terms('bwt', convention);
    return this.#evaluate('bwt', (R) => sum(T - 1, (i) => R(T - 1, i) - R(i, i)) / terms);
  }

  /**
   * Forward transfer: the accuracy on each task just before it is learnt, above that of the untrained model. 0 for one task.
   * @throws MetricError until the entries right above the diagonal, and the baseline of every task but the first, are
   *   measured; MetricInputError for an unknown convention.
   */
  fwt({ convention = 'paper' }: MetricOptions = {}): number {
    const T = this.tasks;
    const terms = this.#terms('fwt', convention);
    return this.#evaluate('fwt', (R, b) => sum(T - 1, (i) => R(i, i + 1) - b(i + 1)) / terms);
  }

  /**
   * How far each earlier task has fallen, in the end, from its best accuracy at any time before the last task. 0 for one task.
   * @throws MetricError until the first T-1 columns are measured.
   */
  forgetting(): number {
    const T = this.tasks;
    return this.#evaluate('forgetting', (R) => {
      const best = (j: number) => Math.max(...Array.from({ length: T - 1 }, (_, l) => R(l, j)));
      return sum(T - 1, (j) => best(j) - R(T - 1, j)) / Math.max(1, T - 1);
    });
  }

  /** Average accuracy on each task right after learning it. @throws MetricError until the diagonal is measured. */
  learningAccuracy(): number {
    const T = this.tasks;
    return this.#evaluate('learningAccuracy', (R) => sum(T, (i) => R(i, i)) / T);
  }

  /** Plain data, from which `fromJSON` makes an equal matrix. */
  toJSON(): AccuracyMatrixJSON {
    return { tasks: this.tasks, accuracies: this.#rows.map((row) => [...row]), baseline: [...this.#baseline] };
  }

  /** The matrix whose `toJSON` this was. @throws MetricInputError that names the part which is wrong. */
  static fromJSON(json: unknown): AccuracyMatrix {
    const operation = 'AccuracyMatrix.fromJSON';
    if (typeof json !== 'object' || json === null) {
      throw new MetricInputError(operation, 'json', json, 'an object { tasks, accuracies, baseline }');
    }
    const { tasks, accuracies, baseline } = json as { [K in keyof AccuracyMatrixJSON]?: unknown };
    if (typeof tasks !== 'number') throw new MetricInputError(operation, 'tasks', tasks, 'an integer >= 1');
    const matrix = new AccuracyMatrix(tasks);
    if (!Array.isArray(accuracies) || accuracies.length !== tasks) {
      throw new MetricInputError(operation, 'accuracies', accuracies, `an array of ${tasks} rows`);
    }
    matrix.#rows = accuracies.map((row, i) => matrix.#read(operation, `accuracies[${i}]`, row));
    matrix.#baseline = matrix.#read(operation, 'baseline', baseline);
    return matrix;
  }

  /** A formula over R and b. Every missing entry that it reads is named in one error. */
  #evaluate(
    operation: string,
    formula: (R: (i: number, j: number) => number, b: (j: number) => number) => number,
  ): number {
    const missing = new Set<string>();
    const read = (value: number | null, name: string) => {
      if (value === null) missing.add(name);
      return value ?? Number.NaN;
    };
    const result = formula(
      (i, j) => read(this.#rows[i]![j]!, `R[${i}][${j}]`),
      (j) => read(this.#baseline[j]!, `b[${j}]`),
    );
    if (missing.size > 0) throw new MetricError(operation, [...missing], MATRIX_LEGEND);
    return result;
  }

  /** By how many terms a transfer is averaged; at least 1, so that an empty sum gives 0. */
  #terms(metric: string, convention: MetricConvention): number {
    if (convention === 'code2018') return this.tasks;
    if (convention === 'paper') return Math.max(1, this.tasks - 1);
    throw new MetricInputError(metric, 'convention', convention, "'paper' or 'code2018'");
  }

  #wantTask(operation: string, argument: string, value: number): void {
    if (Number.isInteger(value) && value >= 0 && value < this.tasks) return;
    throw new MetricInputError(operation, argument, value, `an integer from 0 to ${this.tasks - 1}`);
  }

  /** A copy of one row of accuracies, checked. */
  #read(operation: string, argument: string, row: unknown): readonly (number | null)[] {
    const isList = Array.isArray(row) || (ArrayBuffer.isView(row) && 'length' in row);
    if (!isList || (row as ArrayLike<unknown>).length !== this.tasks) {
      const found = isList ? `${(row as ArrayLike<unknown>).length} values` : row;
      throw new MetricInputError(
        operation,
        argument,
        found,
        `one accuracy (or null) for each of the ${this.tasks} tasks`,
      );
    }
    return Array.from(row as ArrayLike<unknown>, (value, j) => {
      if (value === null || (typeof value === 'number' && value >= 0 && value <= 1)) return value;
      throw new MetricInputError(operation, `${argument}[${j}]`, value, 'a number in [0, 1], or null if not measured');
    });
  }
}

function sum(count: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
}
