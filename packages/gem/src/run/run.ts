// Saved runs: training that outlives the program. A run is a configuration, the user's function that builds the experiment from it, and
// a store in which checkpoints and records gather. A run that was cut off, at whatever moment and in whatever way, goes on from its
// newest checkpoint and ends with the same weights, accuracies and records as one that never was, bit for bit.

import { InvalidOptionError } from '../errors.ts';
import { AccuracyMatrix } from '../metrics/accuracy-matrix.ts';
import type { Json } from '../state.ts';
import type { StopSignal } from '../strategy/pause.ts';
import type { RunEvent } from '../strategy/run-stream.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { fromUtf8 } from './bytes.ts';
import { type Checkpoint, type Place, placeName, readCheckpoint } from './checkpoint.ts';
import { type Build, drive, wantBuild } from './drive.ts';
import { RunError, RunFileError } from './errors.ts';
import {
  type CheckpointEntry,
  findManifest,
  MANIFEST,
  type Manifest,
  type RunSettings,
  readFile,
  readManifest,
} from './manifest.ts';
import { parseRecords } from './read-records.ts';
import { Recorder } from './recorder.ts';
import type { RecordLine } from './records.ts';
import type { RunStore } from './store.ts';

/** What every function that trains takes. */
export interface GoOnOptions<C> {
  readonly build: Build<C>;
  /** Names and versions of what runs here, for the record: { gemlab: '0.1.0', node: 'v22.1.0' }. */
  readonly versions?: Readonly<Record<string, string>> | undefined;
  /** Stops between two steps; the run is saved there. */
  readonly signal?: StopSignal | undefined;
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

/** How a run is saved. */
export interface SavingOptions {
  /** Steps from one checkpoint to the next; there is one after each measurement in any case. Default 100. */
  readonly checkpointEvery?: number | undefined;
  /** Checkpoints that stay: the newest so many (default 3), or 'all'. */
  readonly keep?: number | 'all' | undefined;
  /** Records every so many steps. Default 1. */
  readonly recordEvery?: number | undefined;
}

export interface StartRunOptions<C> extends GoOnOptions<C>, SavingOptions {
  /** What `build` makes the experiment from, seeds and all: plain data. */
  readonly config: C;
}

export interface SaveRunOptions<C> extends SavingOptions, Pick<StartRunOptions<C>, 'config' | 'versions'> {
  readonly strategy: Strategy;
  /** What has been measured. */
  readonly matrix: AccuracyMatrix;
}

export interface ResumeRunOptions<C> extends GoOnOptions<C> {
  /** Goes back to the newest checkpoint that can be read where newer ones are damaged. Default false: a damaged one is an error. */
  readonly useOlder?: boolean | undefined;
}

export interface RunOutcome {
  readonly matrix: AccuracyMatrix;
  /** False where the signal stopped it: resumeRun goes on. */
  readonly finished: boolean;
  readonly steps: number;
  /** Time spent on the run, all its parts together. */
  readonly seconds: number;
}

/** A run as it is saved. */
export interface SavedRun extends Omit<Manifest, 'records'> {
  /** null before the first checkpoint. */
  readonly matrix: AccuracyMatrix | null;
  /** Up to the newest checkpoint. */
  readonly records: readonly RecordLine[];
}

/**
 * Runs an experiment and saves it on the way.
 * @throws RunError if the store holds a run; InvalidOptionError for a configuration that is not plain data, or an option out of range;
 *   what building, training and the store throw: then the run can be resumed.
 */
export async function startRun<C>(store: RunStore, options: StartRunOptions<C>): Promise<RunOutcome> {
  const { config, versions, ...rest } = options;
  wantBuild('startRun', options.build);
  await wantNoRun('startRun', store);
  const recorder = new Recorder(store, newManifest('startRun', config, versions, settingsOf('startRun', rest)));
  await recorder.commit(recorder.manifest);
  return goOn('startRun', recorder, null, options);
}

/**
 * Goes on with a run where it was saved last; of one that is finished the outcome is known at once.
 * @throws RunFileError for files that are missing, damaged, foreign or of another version; StateMismatchError, or StateError of autograd,
 *   if `build` makes another experiment than it did; InvalidOptionError if it is no function.
 */
export async function resumeRun<C>(store: RunStore, options: ResumeRunOptions<C>): Promise<RunOutcome> {
  wantBuild('resumeRun', options.build);
  const manifest = await readManifest('resumeRun', store);
  const found = await newestCheckpoint('resumeRun', store, manifest.checkpoints, options.useOlder ?? false);
  const newest = manifest.checkpoints.at(-1);
  const kept = found?.entry === newest ? manifest : upTo(manifest, found!.entry);
  const recorder = new Recorder(store, kept.finished ? kept : withVersions(kept, options.versions));
  if (recorder.manifest !== manifest) await recorder.commit(recorder.manifest);
  await recorder.tidy();
  if (kept.finished) return outcome(recorder, AccuracyMatrix.fromJSON(found!.checkpoint.matrix), newest!.step);
  return goOn('resumeRun', recorder, found?.checkpoint ?? null, options);
}

/**
 * Saves a strategy that is trained by a loop of the caller's own, between two experiences: a run that `resumeRun` goes on with. Called
 * again it adds a checkpoint.
 * @throws RunError in the middle of an experience, if the store's run has another configuration or is past this point already.
 */
export async function saveRun<C>(store: RunStore, options: SaveRunOptions<C>): Promise<void> {
  const { strategy, matrix, config, versions, ...rest } = options;
  const { epoch, iteration, step } = strategy.clock;
  if (epoch > 0 || iteration > 0) {
    const rule = `the strategy is in the middle of an experience (epoch ${epoch}, iteration ${iteration})`;
    throw new RunError('saveRun', `${rule}; save it between two, or train it with startRun`, { epoch, iteration });
  }
  const given = newManifest('saveRun', config, versions, settingsOf('saveRun', rest));
  const manifest = (await findManifest('saveRun', store)) ?? given;
  if (JSON.stringify(manifest.config) !== JSON.stringify(given.config)) {
    throw new RunError('saveRun', 'the store holds a run of another configuration; take an empty one', { config });
  }
  const newest = manifest.checkpoints.at(-1);
  const checkpoint: Checkpoint = { now: strategy.stateDict(), begin: null, matrix: matrix.toJSON() };
  if (newest !== undefined && newest.step > step) {
    throw new RunError('saveRun', `the store's run is at step ${newest.step}, and the strategy at ${step}`, { step });
  }
  await new Recorder(store, withVersions(manifest, versions)).save(checkpoint);
}

/** All there is to know of a saved run, every file of it checked. @throws RunFileError */
export async function readRun(store: RunStore): Promise<SavedRun> {
  const { records: files, ...manifest } = await readManifest('readRun', store);
  const found = await newestCheckpoint('readRun', store, manifest.checkpoints, false);
  const records: RecordLine[] = [];
  for (const entry of files)
    records.push(...parseRecords(fromUtf8(await readFile('readRun', store, entry))!, entry.file));
  return { ...manifest, matrix: found && AccuracyMatrix.fromJSON(found.checkpoint.matrix), records };
}

/** Trains to the end, or until the signal stops it, and saves on the way. */
export async function goOn<C>(
  operation: string,
  recorder: Recorder,
  from: Checkpoint | null,
  { build, signal, onEvent }: GoOnOptions<C>,
): Promise<RunOutcome> {
  const { config, settings } = recorder.manifest;
  const experiment = await build(config as C);
  const { clock } = experiment.strategy;
  // What an evaluation that is stopped half way goes back to.
  let unmeasured: Checkpoint | null = null;
  const matrix = await drive(operation, experiment, from, {
    signal,
    onEvent,
    note: (line) => recorder.note(line),
    async at(point, take) {
      unmeasured = point === 'before-eval' ? take() : null;
      if (point === 'before-eval' || (point === 'step' && clock.step % settings.checkpointEvery !== 0)) return;
      await recorder.save(take());
    },
  });
  if (unmeasured !== null) await recorder.save(unmeasured);
  return outcome(recorder, matrix, clock.step);
}

const outcome = ({ manifest: { finished }, seconds }: Recorder, matrix: AccuracyMatrix, steps: number): RunOutcome => ({
  matrix,
  finished,
  steps,
  seconds,
});

/** The newest checkpoint of a list, or null for an empty one. @throws RunFileError if it (with `useOlder`: none) can be read. */
export async function newestCheckpoint(
  operation: string,
  store: RunStore,
  entries: readonly CheckpointEntry[],
  useOlder: boolean,
): Promise<{ readonly entry: CheckpointEntry; readonly checkpoint: Checkpoint } | null> {
  let first: unknown;
  for (const entry of entries.toReversed()) {
    try {
      const bytes = await readFile(operation, store, entry);
      return { entry, checkpoint: readCheckpoint(operation, entry.file, bytes) };
    } catch (error) {
      first ??= error;
      if (!useOlder || !(error instanceof RunFileError)) break;
    }
  }
  if (first !== undefined) throw first;
  return null;
}

/** The run as it was at a place. */
export function upTo(manifest: Manifest, place: Place): Manifest {
  const isThen = (entry: Place) => placeName(entry) <= placeName(place);
  const [checkpoints, records] = [manifest.checkpoints.filter(isThen), manifest.records.filter(isThen)];
  return { ...manifest, finished: false, checkpoints, records };
}

export function newManifest(
  operation: string,
  config: unknown,
  versions: Readonly<Record<string, string>> = {},
  settings: RunSettings,
): Manifest {
  const text = JSON.stringify(config) as string | undefined;
  const copy = text === undefined ? undefined : (JSON.parse(text) as Json);
  if (copy === undefined || !samePlainData(config, copy)) {
    const expected = 'plain data that is the same after JSON: no undefined, NaN, functions or class instances';
    throw new InvalidOptionError(operation, 'config', text ?? config, expected);
  }
  const none = { branch: null, finished: false, checkpoints: [], records: [] };
  return { config: copy, settings, versions: [{ step: 0, versions }], ...none };
}

function samePlainData(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return Object.is(a, b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const plain = Array.isArray(a) || Object.getPrototypeOf(a) === Object.prototype;
  const keys = Object.keys(a);
  const of = (x: object, key: string) => (x as Record<string, unknown>)[key];
  return plain && keys.length === Object.keys(b).length && keys.every((key) => samePlainData(of(a, key), of(b, key)));
}

function settingsOf(
  operation: string,
  { checkpointEvery = 100, keep = 3, recordEvery = 1 }: SavingOptions,
): RunSettings {
  const counts = { checkpointEvery, recordEvery, ...(keep === 'all' ? {} : { keep }) };
  for (const [name, value] of Object.entries(counts)) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new InvalidOptionError(operation, name, value, 'an integer >= 1');
  }
  return { checkpointEvery, keep: keep === 'all' ? null : keep, recordEvery };
}

/** The manifest with what runs now, if that is not what ran last. */
function withVersions(manifest: Manifest, versions: Readonly<Record<string, string>> | undefined): Manifest {
  const last = manifest.versions.at(-1)?.versions;
  if (versions === undefined || JSON.stringify(last) === JSON.stringify(versions)) return manifest;
  const step = manifest.checkpoints.at(-1)?.step ?? 0;
  return { ...manifest, versions: [...manifest.versions, { step, versions }] };
}

/** @throws RunError if there is a run in the store. */
export async function wantNoRun(operation: string, store: RunStore): Promise<void> {
  if ((await store.read(MANIFEST)) === null) return;
  throw new RunError(operation, 'the store holds a run already; resumeRun goes on with it, or take an empty one');
}
