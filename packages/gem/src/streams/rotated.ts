// Rotated tasks: every task shows the same images turned by an angle of its own.
//
//     angle_t = min + (t + u_t) (max - min) / T,   u_t uniform on [0, 1)
//
// so that the angles grow from task to task and each lies in its own bin. Lopez-Paz & Ranzato (2017), section 5.1, with
// the arithmetic of their data/mnist_rotations.py; the images are turned as Pillow turns them (rotation.ts).

import { type Rng, type Shape, scope } from '@gemlab/tensor';
import { StreamError, wantInteger, wantRng } from './errors.ts';
import { type ImageShape, type Interpolation, rotation } from './rotation.ts';
import {
  drawSamples,
  type Experience,
  experience,
  openSources,
  type Sources,
  type Stream,
  wantSampleCount,
} from './stream.ts';

/** 'rota' in ASCII: the family's name under the caller's generator. */
const FAMILY = 0x726f7461;

export interface RotatedExperience extends Experience {
  /** The angle by which this task turns the images, counter-clockwise. */
  readonly degrees: number;
}

export interface RotatedStreamOptions extends Sources {
  /** How many tasks; may be left out where `angles` says it. */
  readonly tasks?: number | undefined;
  /** Decides angles and samples; the same seed gives the same stream. */
  readonly rng: Rng;
  /** Training samples of each task, its own random draw without replacement; all of them when left out. */
  readonly samplesPerTask?: number | undefined;
  /** Where the first bin begins, in degrees; 0 by default. */
  readonly minDegrees?: number | undefined;
  /** Where the last bin ends, in degrees; 180 by default. */
  readonly maxDegrees?: number | undefined;
  /** The angles themselves, in degrees, one for each task, in place of random ones. */
  readonly angles?: readonly number[] | undefined;
  /** 'nearest' by default, as Pillow's and torchvision's rotate. */
  readonly interpolation?: Interpolation | undefined;
  /** Height and width. By default the last two axes of [n, ..., h, w]; for [n, d] the square image of d pixels. */
  readonly imageShape?: ImageShape | undefined;
  /** Tells the learner which task it is in: taskLabel = index in place of 0. */
  readonly taskLabels?: boolean | undefined;
}

/**
 * A stream of rotations of one data set. The training samples of task k and the place of its angle within its bin depend on
 * the seed and on k alone; the bins are a `tasks`-th of the range, so the angles themselves change with the number of tasks.
 * @throws StreamError if tasks, samplesPerTask, the range or the angles are out of their domain, if train and test do not fit
 *   together, or if the samples are not images of `imageShape`.
 */
export function rotatedStream(options: RotatedStreamOptions): Stream<RotatedExperience> {
  const { train, test, shape } = openSources('rotatedStream', options);
  wantSampleCount('rotatedStream', options.samplesPerTask, train);
  const image = options.imageShape ?? imageShapeOf(shape);
  wantRng('rotatedStream', options.rng);
  const family = options.rng.foldIn(FAMILY);
  const tasks = Array.from({ length: taskCount(options) }, (_, index) => family.foldIn(index).split(2) as [Rng, Rng]);
  const angles =
    options.angles ??
    binnedAngles(
      options,
      tasks.map(([draw]) => draw.uniform(1, 0, 1, 'float64')[0]!),
    );
  return tasks.map(([, samples], index) => {
    const degrees = angles[index]!;
    const turn = rotation(degrees, image, { interpolation: options.interpolation ?? 'nearest', device: train.device });
    const parts = {
      train: drawSamples(train, options.samplesPerTask, tasks.length, samples).map(turn),
      test: test.map(turn),
      name: `rotation ${degrees.toFixed(2)} degrees`,
      taskLabel: options.taskLabels ? index : 0,
    };
    // What is no image of that shape must fail here, not at the first batch of a long run.
    if (index === 0) scope(() => turn(test.range(0, 1).inputs));
    return { ...experience(index, parts), degrees };
  });
}

function taskCount({ tasks, angles }: RotatedStreamOptions): number {
  const count = tasks ?? angles?.length ?? Number.NaN;
  wantInteger('rotatedStream', 'tasks', count, 1);
  if (angles !== undefined && angles.length !== count) {
    const message = `angles has ${angles.length} entries for ${count} tasks; give one for each, or leave tasks out`;
    throw new StreamError('rotatedStream', 'angles', angles.length, message);
  }
  return count;
}

function binnedAngles({ minDegrees = 0, maxDegrees = 180 }: RotatedStreamOptions, draws: readonly number[]): number[] {
  if (!Number.isFinite(minDegrees) || !Number.isFinite(maxDegrees) || minDegrees > maxDegrees) {
    const message = `angles from ${minDegrees} to ${maxDegrees}; expected finite minDegrees <= maxDegrees`;
    throw new StreamError('rotatedStream', 'maxDegrees', maxDegrees, message);
  }
  const at = (t: number) => (t / draws.length) * (maxDegrees - minDegrees) + minDegrees;
  return draws.map((u, t) => u * (at(t + 1) - at(t)) + at(t));
}

function imageShapeOf(shape: Shape): ImageShape {
  if (shape.length >= 2) return [shape.at(-2)!, shape.at(-1)!];
  const side = Math.round(Math.sqrt(shape[0] ?? 0));
  if (shape.length === 1 && side * side === shape[0]) return [side, side];
  const message = `cannot tell height and width from samples of shape [${shape.join(',')}]; give imageShape: [height, width]`;
  throw new StreamError('rotatedStream', 'imageShape', shape, message);
}
