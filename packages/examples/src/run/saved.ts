// Runs of examples on disk. A folder holds one run for each learner, in a folder of its own: 'DIR/fine-tuning', 'DIR/gem'. Each knows
// its example, settings and learner, so the folder is all that is needed to go on.

import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type BranchOutcome,
  branchRun,
  type Experiment,
  RecordLineError,
  RunFileError,
  type RunOutcome,
  readRun,
  resumeRun,
  type SavedRun,
  type StepRecord,
  startRun,
} from '@gemlab/gem';
import { directoryStore } from '@gemlab/gem/node';
import { UsageError } from '../cli/errors.ts';
import type { Example, PresetName, Settings } from '../examples/example.ts';
import { EXAMPLES } from '../examples/index.ts';
import { DEFAULT_METHODS, METHODS } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { shellWord } from '../report/text.ts';

export interface RunConfig {
  readonly example: string;
  readonly preset: PresetName;
  readonly settings: Settings;
  /** The labels of all that are compared, in order; fine-tuning and GEM in runs that do not say. */
  readonly methods?: readonly string[];
  /** The label of the one whose run this is. */
  readonly learner: string;
}

/** What a run needs of the program around it. */
export interface Surroundings {
  readonly versions: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** 'fine-tuning', 'gem': the learner's name as that of a folder. */
const folderOf = (folder: string, learner: string) =>
  join(folder, learner.toLowerCase().replaceAll(/[^a-z0-9+]+/g, '-'));

export interface SavedExample {
  readonly example: Example;
  readonly preset: PresetName;
  readonly settings: Settings;
  /** All that are compared, in order. */
  readonly methods: readonly Method[];
  /** By learner. */
  readonly runs: ReadonlyMap<string, SavedRun>;
}

/** A run that cannot be read, and where it is: all of them have files of the same names. */
export class SavedRunError extends Error {
  override readonly name = 'SavedRunError';

  constructor(path: string, cause: Error) {
    super(`'${path}': ${cause.message}`, { cause });
  }
}

/** The runs in a folder. @throws UsageError if there are none; SavedRunError if one is damaged; what the file system throws. */
export async function openSaved(folder: string): Promise<SavedExample> {
  const found: SavedRun[] = [];
  for (const entry of list(folder)) {
    const path = join(folder, entry.name);
    const store = directoryStore(path);
    if (!entry.isDirectory() || (await store.read('run.json')) === null) continue;
    try {
      found.push(await readRun(store));
    } catch (error) {
      const isDamaged = error instanceof RunFileError || error instanceof RecordLineError;
      throw isDamaged ? new SavedRunError(path, error) : error;
    }
  }
  const configs = found.map(({ config }) => config as unknown as RunConfig);
  const example = EXAMPLES.find(({ name }) => name === configs[0]?.example);
  if (example === undefined) throw new UsageError(`there is no saved run in '${folder}'; --save FOLDER makes one`);
  const { preset, settings, methods } = configs[0]!;
  return {
    example,
    preset,
    settings,
    methods: methods?.flatMap((label) => METHODS.find((method) => method.label === label) ?? []) ?? DEFAULT_METHODS,
    runs: new Map(found.map((run, i) => [configs[i]!.learner, run])),
  };
}

/** What is in a folder, by name; nothing where there is no such. */
function list(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** @throws UsageError if the folder holds anything; what the file system throws if it is none. */
export function wantEmpty(option: string, folder: string): void {
  if (list(folder).length === 0) return;
  throw new UsageError(
    `${option} '${folder}' is not empty; name a new folder, or, if it holds a run, go on with: pnpm start resume ${shellWord(folder)}`,
  );
}

/** Starts a learner's run, or goes on with it. */
export async function runSaved(
  folder: string,
  config: RunConfig,
  experiment: Experiment,
  { versions, signal }: Surroundings,
): Promise<RunOutcome> {
  const store = directoryStore(folderOf(folder, config.learner));
  const options = { build: () => experiment, versions, signal };
  return (await store.read('run.json')) === null
    ? startRun<RunConfig>(store, { config, checkpointEvery: 50, ...options })
    : resumeRun<RunConfig>(store, options);
}

/** What GEM did in the steps that are saved. */
export async function savedSteps(folder: string, learner: string): Promise<StepRecord[]> {
  const { records } = await readRun(directoryStore(folderOf(folder, learner)));
  return records.flatMap((line) => (line.kind === 'step' && line.plugins.gem ? [line.plugins.gem as StepRecord] : []));
}

/** Branches a learner's run off into another folder, under other settings. */
export function branchSaved(
  from: string,
  into: string,
  { settings, ...config }: RunConfig,
  branch: { readonly step: number; readonly change: Partial<Settings> },
  build: (settings: Settings) => Promise<Experiment>,
  surroundings: Surroundings,
): Promise<BranchOutcome> {
  return branchRun<RunConfig>(
    directoryStore(folderOf(from, config.learner)),
    directoryStore(folderOf(into, config.learner)),
    {
      ...surroundings,
      step: branch.step,
      change: { settings: { ...settings, ...branch.change } },
      build: (c) => build(c.settings),
    },
  );
}
