// Branching: what if this run had gone on with another memory strength, memory or profile from step k on? The run is replayed from its
// newest checkpoint before that step to just before it, under its own configuration, and held against its records: so the branch begins
// in exactly the state that the run was in. From there it goes on under the changed configuration, as a run in a store of its own.

import type { State } from '../state.ts';
import type { StopSignal } from '../strategy/pause.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { ofOwner } from '../strategy/strategy-state.ts';
import { translator } from '../strategy/translate.ts';
import { want } from '../want.ts';
import { fromUtf8 } from './bytes.ts';
import { type Checkpoint, placeOf } from './checkpoint.ts';
import { compareRuns, type RunComparison } from './compare.ts';
import { type Build, drive, wantBuild } from './drive.ts';
import { RunError } from './errors.ts';
import { type Manifest, type RecordsEntry, readFile, readManifest, writeFile } from './manifest.ts';
import { parseRecords } from './read-records.ts';
import { Recorder } from './recorder.ts';
import type { RecordLine } from './records.ts';
import { type GoOnOptions, goOn, newestCheckpoint, newManifest, type RunOutcome, upTo, wantNoRun } from './run.ts';
import type { RunStore } from './store.ts';

export interface BranchRunOptions<C> extends GoOnOptions<C> {
  /**
   * The first step under the changed configuration, counted from 0: what came before it is the run's own, the memory and the measurement
   * at the end of an experience included.
   */
  readonly step: number;
  /** The parts of the configuration that change. */
  readonly change: Partial<C>;
}

export interface BranchOutcome extends RunOutcome {
  /** The run (first) beside the branch (second). */
  readonly comparison: RunComparison;
}

/**
 * Branches off a run that is saved in `store` into the empty store `into`, trains to the end and compares. If it is stopped, resumeRun
 * goes on with the branch and compareRuns compares.
 *
 * Weights, the optimizer's memory, generators and the rest are the run's. A memory of another size or policy is offered what the run's
 * holds, save iCaRL's, which must stay as it is: its exemplars are part of the samples that are trained on. Options of the optimizer change
 * if the two configurations set them differently.
 * @throws RunError if the run has no such step, if `build` does not repeat what was recorded, or if `into` holds a run;
 *   InvalidOptionError for a step or configuration out of range; what startRun and resumeRun throw.
 */
export async function branchRun<C>(
  store: RunStore,
  into: RunStore,
  options: BranchRunOptions<C>,
): Promise<BranchOutcome> {
  const { step, change, build, versions, signal } = options;
  wantBuild('branchRun', build);
  want(Number.isSafeInteger(step) && step >= 0, 'branchRun', 'step', step, 'an integer >= 0');
  const isChange = typeof change === 'object' && change !== null;
  want(isChange, 'branchRun', 'change', change, 'the parts of the configuration that change, or {}');
  await wantNoRun('branchRun', into);
  const source = await readManifest('branchRun', store);
  const config = { ...(source.config as object), ...change };
  const manifest = newManifest('branchRun', config, versions, source.settings);

  const from = await newestCheckpoint(
    'branchRun',
    store,
    source.checkpoints.filter((entry) => entry.step <= step),
    false,
  );
  const past = from === null ? [] : upTo(source, from.entry).records;
  const recorded = await readRecords(store, source.records.slice(past.length));
  const replayed = await replay(source, from?.checkpoint ?? null, step, build, signal, recorded);

  const { strategy } = await build(config as C);
  const checkpoint = translated(replayed.checkpoint, strategy, replayed.built);
  const records: RecordsEntry[] = [];
  for (const entry of past) {
    const bytes = await readFile('branchRun', store, entry);
    records.push({ ...entry, ...(await writeFile(into, entry.file, bytes)) });
  }
  const branch = { step, change: JSON.parse(JSON.stringify(change)) };
  const versionsSoFar = source.versions.filter((entry) => entry.step < step);
  const recorder = new Recorder(into, {
    ...manifest,
    branch,
    records,
    versions: [...versionsSoFar, { step, versions: versions ?? {} }],
  });
  for (const line of replayed.lines) recorder.note(line);
  await recorder.save(checkpoint);
  const outcome = await goOn('branchRun', recorder, checkpoint, options);
  return { ...outcome, comparison: await compareRuns(store, into) };
}

async function readRecords(store: RunStore, entries: readonly RecordsEntry[]): Promise<RecordLine[]> {
  const lines: RecordLine[] = [];
  for (const entry of entries)
    lines.push(...parseRecords(fromUtf8(await readFile('branchRun', store, entry))!, entry.file));
  return lines;
}

/**
 * A checkpoint of a strategy whose state was `built` when it was made, in terms of one that was built from another configuration.
 * @param strategy as it was built; it is used up.
 * @throws what loading throws, if it cannot be made to fit.
 */
function translated({ now, begin, matrix }: Checkpoint, strategy: Strategy, built: State): Checkpoint {
  const translate = translator(strategy, built);
  // Memories may look at the samples that they are offered through the model.
  strategy.model.loadStateDict(ofOwner('model', (begin ?? now).tensors));
  strategy.model.eval();
  const checkpoint = { begin: begin && translate(begin), now: translate(now), matrix };
  strategy.loadStateDict(checkpoint.begin ?? checkpoint.now);
  return checkpoint;
}

/** The run as it was when everything before step k was done, the lines since `from`, and the state in which its strategy was built. */
async function replay<C>(
  { config, settings }: Manifest,
  from: Checkpoint | null,
  step: number,
  build: Build<C>,
  signal: StopSignal | undefined,
  recorded: readonly RecordLine[],
) {
  const experiment = await build(config as C);
  const { clock } = experiment.strategy;
  const built = experiment.strategy.stateDict();
  const lines: RecordLine[] = [];
  let kept = from !== null && placeOf(from).step === step ? { checkpoint: from, lines: 0 } : null;
  let passed = false;
  await drive('branchRun', experiment, from, {
    signal: {
      get aborted() {
        return passed || (signal?.aborted ?? false);
      },
    },
    note(line) {
      if (line.kind === 'eval' || line.step % settings.recordEvery === 0) lines.push(line);
    },
    at(point, take) {
      passed = clock.step > step;
      if (clock.step === step && point !== 'before-eval' && point !== 'stop')
        kept = { checkpoint: take(), lines: lines.length };
    },
  });
  if (signal?.aborted && !passed)
    throw new RunError('branchRun', `stopped before step ${step} was replayed; nothing was saved`, { step });
  const differs = lines.findIndex(
    (line, i) => i < recorded.length && JSON.stringify(line) !== JSON.stringify(recorded[i]),
  );
  if (differs >= 0) {
    const { kind, step: at } = lines[differs]!;
    const rule = `replaying the run gave another ${kind} record at step ${at} than it has`;
    throw new RunError('branchRun', `${rule}: build must make the same experiment of the same configuration`, {
      step: at,
    });
  }
  if (kept === null || !passed) {
    const rule = `the run has ${clock.step} steps, so it can branch at steps 0 to ${clock.step - 1}`;
    throw new RunError('branchRun', `${rule}, found ${step}`, { step, steps: clock.step });
  }
  return { checkpoint: kept.checkpoint, lines: lines.slice(0, kept.lines), built };
}
