// What learning costs, roughly, so that progress can tell how long the rest will take. The unit is one sample passed forward.

import type { Settings } from '../examples/example.ts';

/** What a step of plain fine-tuning costs beyond its arithmetic, in samples passed forward. Measured. */
const STEP_OVERHEAD = 100;

/** A backward pass costs about as much as two forward passes. */
const PASSES = 3;

/** What a step costs, all included, once so many tasks are past. A step is one of plain fine-tuning: one batch of the task's own samples. */
export type StepCost = (settings: Settings, past: number) => number;

export const plainStep: StepCost = ({ batchSize }) => PASSES * batchSize + STEP_OVERHEAD;

/** Samples of the past that a step is trained on as well. */
export const stepWith =
  (remembered: StepCost): StepCost =>
  (settings, past) =>
    plainStep(settings, past) + (past === 0 ? 0 : PASSES * remembered(settings, past));

/** What the memory holds of one task. */
export const remembered = ({ memories, samples }: Settings): number => Math.min(memories, samples);

/** The steps that all samples of a task make. */
const stepsOfTask = ({ samples, batchSize, epochs }: Settings) => Math.ceil(samples / batchSize) * epochs;

/** What a learner has cost after so many tasks, a share (0 to 1) of the next one, and test samples. */
export function costOf(settings: Settings, step: StepCost, tasks: number, share: number, tested: number): number {
  let steps = share === 0 ? 0 : share * step(settings, tasks);
  for (let past = 0; past < tasks; past++) steps += step(settings, past);
  return stepsOfTask(settings) * steps + tested;
}

/** How many test sets a learner has been through when it has been measured before the first task and after `trained` tasks. */
export function testsUpTo({ tasks, measure }: Settings, trained: number): number {
  if (measure !== 'transfer') return (trained + 1) * tasks;
  return trained < tasks ? tasks + 2 * trained : 2 * tasks + 2 * (tasks - 1);
}

/** The cost of a whole learner. */
export function learnerCost(settings: Settings, step: StepCost): number {
  const { tasks, testSamples } = settings;
  return costOf(settings, step, tasks, 0, testsUpTo(settings, tasks) * testSamples);
}
