// Gradient Episodic Memory (Lopez-Paz & Ranzato 2017, Algorithm 1) as a plugin. In each training step:
//
//   beforeTrainingIteration   g_k = gradient of the loss on the memory of task k, for each past task k; G has the rows g_k
//   afterBackward             if some <g, g_k> < 0, replace g by z = G'v + g, the nearest vector with <z, g_k> >= 0 for all k;
//                             v solves  min 1/2 v'GG'v + (Gg)'v  s.t.  v >= 0                              (eq. 11-12)
//   afterUpdate               (where the update is projected) the same with theta - theta' for g, and theta'' = theta - z
//   afterTrainingIteration    remember samples of the current task (profiles whose memory is a ring)
//   afterTrainingExp          remember samples of the task just finished (Avalanche's profile)
//
// How the g_k are had is memory-pass.ts; which memories there are, memory-groups.ts. Where several batches make one update, all this
// happens once for each update, and g is their gradient.

import type { Dataset } from '@gemlab/autograd';
import { type Rng, type RngState, scope, type Tensor, tensor } from '@gemlab/tensor';
import { InvalidOptionError } from '../errors.ts';
import { projectFromGram } from '../gem-dual.ts';
import type { Regroup } from '../memory/adopt.ts';
import { EpisodicMemory } from '../memory/episodic-memory.ts';
import type { Profile } from '../profiles.ts';
import { isCount, type Json, type SavedState, type State, type Stateful, StateMismatchError } from '../state.ts';
import { finiteOrNull, projectionRecord, type StepRecord } from '../step-record.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { type GEMOptions, isDue, type ResolvedGEMOptions, resolveGEMOptions } from './gem-options.ts';
import { gradientVector, writeGradients } from './gradient-vector.ts';
import type { StreamPlace } from './memory-groups.ts';
import { type MemoryPass, type MemoryPassMethod, memoryPassMethod, type TaskMemory } from './memory-pass.ts';
import { adoptPluginState, openState, pluginState, rngData } from './plugin-state.ts';
import { moveTo, updateSince } from './realised-update.ts';
import { freshSamples, ofTask, type TaskSamples, withTasks } from './remember.ts';
import { inMemoryPass } from './running-statistics.ts';
import { stepDetails } from './step-details.ts';
import { wantFinite, wantLengths } from './want-finite.ts';

export type { GEMOptions } from './gem-options.ts';

/** 'gem' in ASCII: the name of the plugin's own child of the strategy's generator. */
const FAMILY = 0x67656d;

/** The step under way. */
interface Step {
  readonly strategy: Strategy;
  readonly memories: readonly TaskMemory[];
  /** The gradients of the memories. */
  readonly pass: MemoryPass;
  /** What was projected, and where the parameters were, if that may be asked for. */
  g: Tensor | null;
  readonly theta: readonly Tensor[];
}

export class GEMPlugin implements StrategyPlugin, Stateful {
  readonly name = 'gem';
  readonly patternsPerExperience: number;
  readonly memoryStrength: number;
  /** The profile, with the options that override parts of it. */
  readonly profile: Profile;
  readonly ridge: number;
  readonly memory: EpisodicMemory<TaskSamples>;
  /** What the last training step did; null before the first, and in steps without past tasks. */
  lastRecord: StepRecord | null = null;
  readonly #options: ResolvedGEMOptions;
  readonly #rng: Rng | null | undefined;
  readonly #memoryPass: MemoryPassMethod;
  /** Samples that came by, each epoch's counted. */
  #seen = 0;
  #step: Step | null = null;

  /** @throws InvalidOptionError for an option out of its range. */
  constructor(options: GEMOptions) {
    this.#options = resolveGEMOptions(options);
    const { patternsPerExperience, memoryStrength, profile, ridge, groups } = this.#options;
    this.patternsPerExperience = patternsPerExperience;
    this.memoryStrength = memoryStrength;
    this.profile = profile;
    this.ridge = ridge;
    this.memory = new EpisodicMemory(patternsPerExperience, profile.memoryFill, { by: groups.by });
    this.#rng = options.rng;
    this.#memoryPass = memoryPassMethod(this.#options.memoryPass);
  }

  /** The form in which the step under way has the memories' gradients, and why if it is not the fast one; null without past tasks. */
  get memoryPass(): Pick<MemoryPass, 'form' | 'because'> | null {
    return this.#step?.pass ?? null;
  }

  /** Computes g_k for every memory that constrains the step. Touches no gradient of the parameters. */
  beforeTrainingIteration(strategy: Strategy): void {
    this.lastRecord = null;
    this.#step = null;
    // The parameters do not move before the last batch of an update: its g_k are those of the first.
    if (!strategy.endsUpdate) return;
    const { memory, profile } = this;
    const place = this.#place(strategy);
    const constrains = (group: number) => this.#options.groups.constrains(group, place) && memory.size(group) > 0;
    const memories = memory.groups.filter(constrains).map((task) => ({ task, samples: memory.batch(task) }));
    if (memories.length === 0) return;
    const pass = inMemoryPass(strategy.model, profile.batchNorm, () => this.#memoryPass(strategy, memories));
    const { project, record } = this.#options;
    // A value that is held is one that the optimizer may not write over: only where it may be looked back at.
    const looksBack = project === 'update' || isDue(record, { step: strategy.clock.step, violated: [0] });
    const theta = looksBack ? strategy.optimizer.parameters.map((p) => p.value) : [];
    this.#step = { strategy, memories, pass, g: null, theta };
  }

  beforeBackward(strategy: Strategy): void {
    this.#step?.pass.beforeBackward?.(strategy);
  }

  /** Projects the gradient of the current batch if it would raise the loss on some memory. */
  afterBackward(strategy: Strategy): void {
    if (this.#step === null) return;
    const { parameters } = strategy.optimizer;
    const g = gradientVector(parameters);
    if (this.#options.project === 'update') {
      // A gradient that is no number must not reach the optimizer.
      wantFinite(strategy, this.#tasks, g, this.#step.pass.products(g), 'the gradient');
      return;
    }
    const z = this.solveQuadprog(g);
    if (z !== g) writeGradients(parameters, z, this.profile.missingGradient === 'write');
  }

  /** Projects the update that the optimizer has made if it would raise the loss on some memory, and looks at what came of the step. */
  afterUpdate(strategy: Strategy): void {
    if (this.#step === null) return;
    const { theta } = this.#step;
    const { project, record } = this.#options;
    const { parameters, groups } = strategy.optimizer;
    if (project === 'update') {
      const d = updateSince(theta, parameters).neg();
      const skipped = this.profile.missingGradient === 'skip' ? parameters.filter((p) => p.grad === null) : [];
      try {
        // The multipliers of a step along lr g are lr times those of g, and so is what memory strength adds to them.
        const z = this.#project(d, this.memoryStrength * groups[0]!.lr);
        if (z !== d) moveTo(theta, z, parameters, skipped);
      } catch (error) {
        parameters.forEach((p, i) => {
          p.assign(theta[i]!);
        });
        throw error;
      }
    }
    if (isDue(record, this.lastRecord!)) this.#look(strategy, this.#step);
  }

  /**
   * The projection z of g onto the cone { z : <z, g_k> >= 0 for all past tasks k } of the step under way, with the profile's memory
   * strength and ridge; g itself if it lies in the cone. Leaves a record in `lastRecord`.
   * @param g the gradient [p].
   * @throws NonFiniteGradientError if g or some g_k holds NaN or infinity; InvalidOptionError outside of a step with past tasks.
   */
  solveQuadprog(g: Tensor): Tensor {
    return this.#project(g, this.memoryStrength);
  }

  #project(g: Tensor, gamma: number): Tensor {
    if (this.#step === null) {
      throw new InvalidOptionError('GEMPlugin.solveQuadprog', 'memory', 'empty', 'a training step with past tasks');
    }
    const { strategy, pass } = this.#step;
    const { project, groups } = this.#options;
    const { memoryStrength, ridge, profile } = this;
    const tasks = this.#tasks;
    const products = pass.products(g);
    const { dots } = wantFinite(strategy, tasks, g, products, `the ${project}`);
    const gradientNorm = Math.sqrt(products.squaredNorm);
    const violated = dots.flatMap((d, k) => (d < 0 ? [k] : []));
    const base = {
      step: strategy.clock.step,
      experience: strategy.clock.experience,
      loss: finiteOrNull(strategy.loss!.item() as number),
      profile: profile.name,
      memoryStrength,
      ridge,
      project,
      groups: groups.name,
      tasks,
      memoryLosses: pass.losses.map(finiteOrNull),
      dots,
      gradientNorm,
      violated,
    };
    this.#step.g = g;
    if (violated.length === 0) {
      this.lastRecord = { ...base, gram: null, projection: null, details: null };
      return g;
    }
    const solution = projectFromGram(wantLengths(dots, g, products), dots, {
      profile: profile.name,
      memoryStrength: gamma,
      ridge,
    });
    const { gram } = solution;
    this.lastRecord = { ...base, gram, projection: projectionRecord(gradientNorm, solution), details: null };
    return products
      .combine(tensor(solution.v, { dtype: 'float64' }))
      .cast(g.dtype)
      .to(g.device);
  }

  /** Adds the details to the record of the step that is done. */
  #look(strategy: Strategy, { memories, pass, g, theta }: Step): void {
    const record = this.lastRecord!;
    const gram = record.gram ?? pass.products(g!).gram;
    const update = updateSince(theta, strategy.optimizer.parameters);
    const again = this.#options.actualChange ? this.profile.batchNorm : null;
    const details = scope(() => stepDetails(strategy, { memories, pass, g: g!, gram, update, again }));
    this.lastRecord = { ...record, gram, details };
  }

  get #tasks(): number[] {
    return this.#step!.memories.map(({ task }) => task);
  }

  #place({ clock: { experience } }: Strategy): StreamPlace {
    return { experience, seen: this.#seen };
  }

  /** Remembers samples of the current batch, where the profile's memory is filled as samples come by. */
  afterTrainingIteration(strategy: Strategy): void {
    this.#step = null;
    const { indices, clock } = strategy;
    if (this.profile.memoryFill !== 'first-n-shuffled') {
      this.#remember(clock.experience, withTasks(strategy, freshSamples(strategy)), indices!, clock.step);
    }
    this.#seen += indices!.size;
  }

  /** Remembers samples of the experience just finished, where the profile fills its memory then. */
  afterTrainingExp(strategy: Strategy): void {
    if (this.profile.memoryFill !== 'first-n-shuffled') return;
    const { dataset, clock, experience, trainBatchSize } = strategy;
    const rng = this.#rng === undefined ? strategy.rng.foldIn(FAMILY).foldIn(clock.experience) : this.#rng;
    const { train, taskLabel } = experience!;
    // A plugin may have adapted the dataset, or put others' samples beside it (CumulativePlugin), which are not of this experience.
    const own = dataset!.length > train.length ? train : dataset!;
    this.#pass(own, clock.experience, taskLabel, trainBatchSize, rng);
  }

  /** The memory, the generator, the last record, and where the stream is. */
  stateDict(): State {
    const record = this.lastRecord as unknown as Json;
    const data = {
      groups: this.#options.groups.kind,
      rng: this.#rng ? rngData(this.#rng) : null,
      record,
      seen: this.#seen,
    };
    return pluginState(this.name, data, {}, { memory: this.memory.stateDict() });
  }

  /** @throws StateMismatchError if it is the state of a plugin with another memory; RandomStateError for another generator. */
  loadStateDict(state: SavedState): void {
    const { data, part, read } = openState(this.name, state, ['groups', 'rng', 'record', 'memory']);
    const seen = read('seen', isCount, 'an integer >= 0');
    const { kind } = this.#options.groups;
    if (data.groups !== kind) throw new StateMismatchError('gem.loadStateDict', 'groups', data.groups, `'${kind}'`);
    const before = this.#rng?.state;
    if (data.rng !== null) this.#rng?.restore(data.rng as unknown as RngState);
    try {
      this.memory.loadStateDict(part('memory'));
    } catch (error) {
      if (before !== undefined) this.#rng?.restore(before);
      throw error;
    }
    this.lastRecord = data.record as unknown as StepRecord | null;
    this.#seen = seen;
  }

  /** @throws StateMismatchError if it is not the state of a GEM plugin. */
  adoptState(state: SavedState): void {
    const { data } = openState(this.name, state, ['groups']);
    const { kind, of } = this.#options.groups;
    const another = data.groups !== kind && of !== undefined;
    const regroup: Regroup<TaskSamples> = (samples, experience, seen) => of!(samples, { experience, seen });
    adoptPluginState(this, { ...state, data: { ...data, groups: kind } }, another ? regroup : null);
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
      const isFull = this.memory.by === 'task' && this.memory.size(t) === this.patternsPerExperience;
      if (this.profile.memoryFill === 'first-n-shuffled' && isFull) return;
      scope(() => this.#remember(t, ofTask(dataset.batch(indices), taskLabel), indices, null));
    }
  }

  #remember(experience: number, samples: TaskSamples, indices: Tensor, step: number | null): void {
    const groups = this.#options.groups.of?.(samples, { experience, seen: this.#seen });
    this.memory.add(experience, samples, { indices, step, groups });
  }
}
