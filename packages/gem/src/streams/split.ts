// Split tasks: every task shows classes of its own, and together the tasks show all.
//
// What the learner is told and asked makes three scenarios of the one split (van de Ven & Tolias 2019):
//
//     class    labels stay as they are; the learner must tell all classes apart
//     domain   labels become 0..k-1 within each task; the learner is not told the task
//     task     labels become 0..k-1 within each task; the learner is told the task (taskLabel = index)
//
// The CIFAR-100 experiment of Lopez-Paz & Ranzato (2017) tells the task but leaves the labels, and masks the outputs of other
// tasks: scenario 'task' with keepLabels.

import type { Dataset } from '@gemlab/autograd';
import { type Rng, scope } from '@gemlab/tensor';
import { StreamError, wantInteger } from './errors.ts';
import { type Experience, experience, indexTensor, openSources, type Sources, type Stream } from './stream.ts';

/** 'spli' in ASCII: the family's name under the caller's generator. */
const FAMILY = 0x73706c69;

export interface SplitExperience extends Experience {
  /** The source's labels that this task shows; label i of a relabelled task is sourceClasses[i]. */
  readonly sourceClasses: readonly number[];
}

export interface SplitStreamOptions extends Sources {
  /** Classes of each task, in ascending order or (with rng) in random order; must divide the number of classes. */
  readonly classesPerTask?: number | undefined;
  /** The classes of each task, in place of classesPerTask; classes in no group are left out of the stream. */
  readonly classGroups?: readonly (readonly number[])[] | undefined;
  /** Shuffles the classes before classesPerTask deals them out. */
  readonly rng?: Rng | undefined;
  readonly scenario: 'class' | 'domain' | 'task';
  /** Scenario 'task': leaves the labels as they are. */
  readonly keepLabels?: boolean | undefined;
}

/**
 * A stream that deals the classes of one data set out to tasks.
 * @throws StreamError unless exactly one of classesPerTask and classGroups is given, if classesPerTask does not divide the classes
 *   there are, if a group is empty, names a class twice, one that another group has or one without training samples, if a task has
 *   no test samples, if the test set has a class that training lacks, or for an unknown scenario.
 */
export function splitStream(options: SplitStreamOptions): Stream<SplitExperience> {
  const { train, test } = openSources('splitStream', options);
  const { scenario, keepLabels = false } = options;
  if (!['class', 'domain', 'task'].includes(scenario)) {
    const message = `scenario is '${String(scenario)}'; expected 'class', 'domain' or 'task'`;
    throw new StreamError('splitStream', 'scenario', scenario, message);
  }
  if (keepLabels && scenario === 'domain') {
    const message = "keepLabels contradicts scenario 'domain', which relabels; did you mean scenario 'class'?";
    throw new StreamError('splitStream', 'keepLabels', keepLabels, message);
  }
  const groups = options.classGroups ?? dealtGroups(options, train, test);
  if (options.classGroups !== undefined) checkGroups(options, train);
  const relabel = scenario !== 'class' && !keepLabels;
  return groups.map((classes, index) => {
    const part = (source: Dataset, side: 'train' | 'test') => {
      const own = ofClasses(source, classes, side, index);
      return relabel ? relabelled(own, classes) : own;
    };
    const parts = {
      train: part(train, 'train'),
      test: part(test, 'test'),
      name: `${classes.length === 1 ? 'class' : 'classes'} ${classes.join(', ')}`,
      taskLabel: scenario === 'task' ? index : 0,
    };
    return { ...experience(index, parts), sourceClasses: [...classes] };
  });
}

/** All classes, in runs of classesPerTask. */
function dealtGroups({ classesPerTask, rng }: SplitStreamOptions, train: Dataset, test: Dataset): number[][] {
  if (classesPerTask === undefined) {
    const message = 'give classesPerTask: how many classes each task has, or classGroups: which ones';
    throw new StreamError('splitStream', 'classesPerTask', undefined, message);
  }
  const { classes } = train;
  const stranger = test.classes.find((c) => !classes.includes(c));
  if (stranger !== undefined) {
    throw new StreamError(
      'splitStream',
      'test',
      stranger,
      `the test set has class ${stranger}, which the training set lacks`,
    );
  }
  wantInteger('splitStream', 'classesPerTask', classesPerTask, 1, classes.length);
  if (classes.length % classesPerTask !== 0) {
    const message = `${classes.length} classes do not divide into tasks of ${classesPerTask}; give classGroups for uneven tasks`;
    throw new StreamError('splitStream', 'classesPerTask', classesPerTask, message);
  }
  const order = rng === undefined ? classes : rng.foldIn(FAMILY).shuffle(classes);
  return Array.from({ length: classes.length / classesPerTask }, (_, t) =>
    order.slice(t * classesPerTask, (t + 1) * classesPerTask),
  );
}

function checkGroups({ classGroups = [], classesPerTask }: SplitStreamOptions, train: Dataset): void {
  if (classesPerTask !== undefined) {
    const message = 'classesPerTask and classGroups both say which classes a task has; give one of them';
    throw new StreamError('splitStream', 'classesPerTask', classesPerTask, message);
  }
  wantInteger('splitStream', 'classGroups.length', classGroups.length, 1);
  const known = new Set(train.classes);
  const home = new Map<number, number>();
  classGroups.forEach((group, g) => {
    wantInteger('splitStream', `classGroups[${g}].length`, group.length, 1);
    for (const c of group) {
      const fail = (message: string) => new StreamError('splitStream', `classGroups[${g}]`, c, message);
      if (!known.has(c)) throw fail(`classGroups[${g}] names class ${c}, of which there are no training samples`);
      const before = home.get(c);
      if (before !== undefined) throw fail(`class ${c} stands in classGroups[${before}] and in classGroups[${g}]`);
      home.set(c, g);
    }
  });
}

/** The samples of some classes, in the order they have. */
function ofClasses(source: Dataset, classes: readonly number[], side: 'train' | 'test', task: number): Dataset {
  const wanted = new Set(classes);
  const labels = source.targets.toArray() as number[];
  const indices = labels.flatMap((label, i) => (wanted.has(label) ? [i] : []));
  if (indices.length === 0) {
    const message = `task ${task} (classes ${classes.join(', ')}) has no samples in ${side}`;
    throw new StreamError('splitStream', side, classes, message);
  }
  return source.subset(indexTensor(indices, source.device));
}

/** Class classes[i] as label i. */
function relabelled(source: Dataset, classes: readonly number[]): Dataset {
  const table = new Array<number>(Math.max(...classes) + 1).fill(0);
  classes.forEach((c, i) => {
    table[c] = i;
  });
  return scope(() => source.withTargets(indexTensor(table, source.device).indexSelect(0, source.targets)));
}
