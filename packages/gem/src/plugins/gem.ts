// Gradient Episodic Memory (Lopez-Paz & Ranzato 2017, Algorithm 1) as a plugin. In each training step:
//
//   beforeTrainingIteration   g_k = gradient of the loss on the memory of task k, for each past task k; G has the rows g_k
//   afterBackward             if some <g, g_k> < 0, replace g by z = G'v + g, the nearest vector with <z, g_k> >= 0 for all k;
//                             v solves  min 1/2 v'GG'v + (Gg)'v  s.t.  v >= 0                              (eq. 11-12)
//   afterTrainingIteration    remember samples of the current task (profiles whose memory is a ring)
//   afterTrainingExp          remember samples of the task just finished (Avalanche's profile)
//
// How the g_k are had is memory-pass.ts.

import type { Dataset } from '@gemlab/autograd';
import { type Rng, type RngState, scope, type Tensor, tensor } from '@gemlab/tensor';
import { InvalidOptionError, NonFiniteGradientError } from '../errors.ts';
import { projectFromGram } from '../gem-dual.ts';
import { adoptMemory } from '../memory/adopt.ts';
import { EpisodicMemory } from '../memory/episodic-memory.ts';
import { type BatchNormMode, type Profile, type ProfileName, resolveProfile } from '../profiles.ts';
import type { Json, SavedState, State } from '../state.ts';
import { projectionRecord, type StepRecord } from '../step-record.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { gradientVector, parameterAt, writeGradients } from './gradient-vector.ts';
import { type MemoryPass, plainMemoryPass } from './memory-pass.ts';
import { wantOneOf } from './options.ts';
import { ofTask, type TaskSamples, withTasks } from './remember.ts';
import { inMemoryPass } from './running-statistics.ts';

export interface GEMOptions {
  /** n: samples remembered for each experience. */
  readonly patternsPerExperience: number;
  /** gamma >= 0: how strongly steps are turned toward the memories' own descent directions. Default 0.5, the paper's. */
  readonly memoryStrength?: number;
  /** Which published details to follow. Default 'exact'. */
  readonly profile?: ProfileName;
  /** Overrides the profile's ridge on the Gram matrix. */
  readonly ridge?: number;
  /** Overrides what the profile does to running statistics when the memories pass through the model: see `BatchNormMode`. */
  readonly batchNorm?: BatchNormMode;
  /** Overrides what the profile does with the part of z that belongs to a parameter without a gradient: see `Profile`. */
  readonly missingGradient?: Profile['missingGradient'];
  /**
   * Draws the samples to remember where the profile's memory takes a shuffled pass ('avalanche'), and only there. Left out: a child of the
   * strategy's generator. null: nothing is drawn, the first n of the experience are remembered in the order in which it has them.
   */
  readonly rng?: Rng | null;
}

/** 'gem' in ASCII: the name of the plugin's own child of the strategy's generator. */
const FAMILY = 0x67656d;

export class GEMPlugin implements StrategyPlugin {
  readonly name = 'gem';
  readonly patternsPerExperience: number;
  readonly memoryStrength: number;
  /** The profile, with the options that override parts of it. */
  readonly profile: Profile;
  readonly ridge: number;
  readonly memory: EpisodicMemory<TaskSamples>;
  /** What the last training step did; null before the first, and in steps without past tasks. */
  lastRecord: StepRecord | null = null;
  readonly #rng: Rng | null | undefined;
  /** The step under way: the past tasks, and the gradients of their memories. */
  #step: { readonly strategy: Strategy; readonly tasks: readonly number[]; readonly pass: MemoryPass } | null = null;

  /** @throws InvalidOptionError for an unknown profile, a negative strength or ridge, or no positive number of patterns. */
  constructor(options: GEMOptions) {
    const { patternsPerExperience, memoryStrength = 0.5, rng } = options;
    const resolved = resolveProfile('GEMPlugin', { ...options, memoryStrength });
    this.patternsPerExperience = patternsPerExperience;
    this.memoryStrength = memoryStrength;
    const { batchNorm = resolved.profile.batchNorm, missingGradient = resolved.profile.missingGradient } = options;
    wantOneOf('GEMPlugin', 'batchNorm', batchNorm, ['update', 'restored', 'frozen']);
    wantOneOf('GEMPlugin', 'missingGradient', missingGradient, ['write', 'skip']);
    this.profile = { ...resolved.profile, batchNorm, missingGradient };
    this.ridge = resolved.ridge;
    this.memory = new EpisodicMemory(patternsPerExperience, resolved.profile.memoryFill);
    this.#rng = rng;
  }

  /** Computes g_k for every past task. Leaves no gradient behind. */
  beforeTrainingIteration(strategy: Strategy): void {
    const tasks = this.memory.tasks.filter((task) => task < strategy.clock.experience && this.memory.size(task) > 0);
    const memories = tasks.map((task) => ({ task, samples: this.memory.batch(task) }));
    const pass = () => inMemoryPass(strategy.model, this.profile.batchNorm, () => plainMemoryPass(strategy, memories));
    this.#step = memories.length === 0 ? null : { strategy, tasks, pass: pass() };
    this.lastRecord = null;
  }

  beforeBackward(strategy: Strategy): void {
    this.#step?.pass.beforeBackward?.(strategy);
  }

  /** Projects the gradient of the current batch if it would raise the loss on some memory. */
  afterBackward(strategy: Strategy): void {
    if (this.#step === null) return;
    const { parameters } = strategy.optimizer;
    const g = gradientVector(parameters);
    const z = this.solveQuadprog(g);
    if (z !== g) writeGradients(parameters, z, this.profile.missingGradient === 'write');
  }

  /**
   * The projection z of g onto the cone { z : <z, g_k> >= 0 for all past tasks k } of the step under way, with the profile's memory
   * strength and ridge; g itself if it lies in the cone. Leaves a record in `lastRecord`.
   * @param g the gradient [p].
   * @throws NonFiniteGradientError if g or some g_k holds NaN or infinity; InvalidOptionError outside of a step with past tasks.
   */
  solveQuadprog(g: Tensor): Tensor {
    if (this.#step === null) {
      throw new InvalidOptionError('GEMPlugin.solveQuadprog', 'memory', 'empty', 'a training step with past tasks');
    }
    const { strategy, tasks, pass } = this.#step;
    const products = pass.products(g);
    const { dots } = products;
    if (!dots.every(Number.isFinite)) wantFinite(strategy, tasks, g, products.G);
    const { memoryStrength, ridge, profile } = this;
    const gradientNorm = Math.sqrt(products.squaredNorm);
    const violated = dots.flatMap((d, k) => (d < 0 ? [k] : []));
    const base = {
      step: strategy.clock.step,
      experience: strategy.clock.experience,
      loss: strategy.loss!.item() as number,
      profile: profile.name,
      memoryStrength,
      ridge,
      tasks,
      dots,
      gradientNorm,
      violated,
    };
    if (violated.length === 0) {
      this.lastRecord = { ...base, projection: null };
      return g;
    }
    const solution = projectFromGram(products.gram, dots, { profile: profile.name, memoryStrength, ridge });
    this.lastRecord = { ...base, projection: projectionRecord(gradientNorm, solution) };
    return products
      .combine(tensor(solution.v, { dtype: 'float64' }))
      .cast(g.dtype)
      .to(g.device);
  }

  /** Remembers samples of the current batch, where the profile's memory is filled as samples come by. */
  afterTrainingIteration(strategy: Strategy): void {
    this.#step = null;
    if (this.profile.memoryFill === 'first-n-shuffled') return;
    const { batch, indices, clock } = strategy;
    this.memory.add(clock.experience, withTasks(strategy, batch!), { indices, step: clock.step });
  }

  /** Remembers samples of the experience just finished, where the profile fills its memory then. */
  afterTrainingExp(strategy: Strategy): void {
    if (this.profile.memoryFill !== 'first-n-shuffled') return;
    const { dataset, clock, experience, trainBatchSize } = strategy;
    const rng = this.#rng === undefined ? strategy.rng.foldIn(FAMILY).foldIn(clock.experience) : this.#rng;
    this.#pass(dataset!, clock.experience, experience!.taskLabel, trainBatchSize, rng);
  }

  /** The memory, the generator and the last record. */
  stateDict(): State {
    const { tensors, data } = this.memory.stateDict();
    const record = this.lastRecord as unknown as Json;
    return { tensors, data: { memory: data, rng: (this.#rng?.state as Json | undefined) ?? null, record } };
  }

  /** @throws StateMismatchError if it is the state of a plugin with another memory; RandomStateError for another generator. */
  loadStateDict({ tensors, data }: SavedState): void {
    const { memory, rng, record } = data as unknown as {
      memory: Json;
      rng: RngState | null;
      record: StepRecord | null;
    };
    const before = this.#rng?.state;
    if (rng !== null) this.#rng?.restore(rng);
    try {
      this.memory.loadStateDict({ tensors, data: memory });
    } catch (error) {
      if (before !== undefined) this.#rng?.restore(before);
      throw error;
    }
    this.lastRecord = record;
  }

  /** @throws StateMismatchError if it is not the state of a GEM plugin. */
  adoptState({ tensors, data }: SavedState): void {
    const { memory, ...rest } = data as { readonly memory: Json };
    adoptMemory(this.memory, { tensors, data: memory });
    const adopted = this.memory.stateDict();
    this.loadStateDict({ tensors: adopted.tensors, data: { ...rest, memory: adopted.data } });
  }

  /**
   * Passes a dataset by the memory of experience t in batches: in its order, or shuffled if the plugin was given a generator. Samples that
   * do not tell their task are of task t.
   */
  updateMemory(dataset: Dataset, t: number, batchSize: number): void {
    this.#pass(dataset, t, t, batchSize, this.#rng);
  }

  #pass(dataset: Dataset, t: number, taskLabel: number, batchSize: number, rng: Rng | null | undefined): void {
    for (const indices of dataset.indexBatches(batchSize, rng ? { rng } : {})) {
      if (this.profile.memoryFill === 'first-n-shuffled' && this.memory.size(t) === this.patternsPerExperience) return;
      scope(() => this.memory.add(t, ofTask(dataset.batch(indices), taskLabel), { indices }));
    }
  }
}

/** @throws NonFiniteGradientError naming task and parameter of the first entry of g or G that is not a finite number. */
function wantFinite({ model, optimizer }: Strategy, tasks: readonly number[], g: Tensor, G: Tensor): void {
  const rows = [
    ['g', undefined, g] as const,
    ...G.split(G.shape[0]!).map((row, k) => [`G[${k}]`, k, row.squeeze(0)] as const),
  ];
  for (const [name, k, vector] of rows) {
    const index = vector.isFinite().logicalNot().argmax().item() as number;
    const value = vector.slice(index).item() as number;
    if (Number.isFinite(value)) continue;
    const parameter = parameterAt(model, optimizer.parameters, index);
    const task = k === undefined ? undefined : tasks[k]!;
    const of = task === undefined ? 'the current batch' : `the memory of task ${task}`;
    const at = { parameter, text: `the gradient of ${parameter} on ${of}`, ...(task === undefined ? {} : { task }) };
    throw new NonFiniteGradientError('GEMPlugin', name, k, index, value, at);
  }
}
