// The command line: `pnpm start [example] [options]`. Results go to stdout, everything else to stderr, so that output can be piped.

import { readFileSync } from 'node:fs';
import { NonFiniteGradientError, RunError, RunFileError } from '@gemlab/gem';
import { info } from '@gemlab/tensor';
import { type Request, readArguments } from './cli/arguments.ts';
import { EXIT_USAGE, UsageError } from './cli/errors.ts';
import { help, listExamples } from './cli/help.ts';
import { DataFileError } from './data/errors.ts';
import type { Settings } from './examples/example.ts';
import { EXAMPLES } from './examples/index.ts';
import { gem } from './methods/projection.ts';
import { type BranchResult, branchReport } from './report/branch.ts';
import { colourLevel, painter } from './report/colour.ts';
import { counted, listing, roughDuration } from './report/numbers.ts';
import { createProgress, type Progress } from './report/progress.ts';
import { report } from './report/report.ts';
import { PAGE_WIDTH, shellWord, wrap } from './report/text.ts';
import { compare, type Saving } from './run/compare.ts';
import type { RunResult } from './run/result.ts';
import { branchSaved, openSaved, SavedRunError, wantEmpty } from './run/saved.ts';
import { estimatedSeconds, Watch } from './run/watch.ts';

const EXIT_FAILED = 1;

/** 128 + SIGINT, as shells report it. */
const EXIT_INTERRUPTED = 130;

const say = (lines: readonly string[]) => process.stdout.write(`${lines.join('\n')}\n`);
const tell = (lines: readonly string[]) => process.stderr.write(`${lines.join('\n')}\n`);

function openProgress(): Progress {
  const { stderr, env } = process;
  return createProgress({
    write: (text) => stderr.write(text),
    rewrites: stderr.isTTY === true && !env.NO_COLOR && !env.CI,
    get columns() {
      return stderr.columns ?? PAGE_WIDTH;
    },
  });
}

/** The first Ctrl-C asks the run to stop between two steps; the second ends the process. */
function stopOnInterrupt(progress: Progress): AbortSignal {
  const controller = new AbortController();
  process.on('SIGINT', () => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    controller.abort();
    progress.clear();
    tell(['Stopping after this step; Ctrl-C again ends at once.']);
  });
  return controller.signal;
}

function versions(): Record<string, string> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return { gemlab: version, node: process.version, platform: `${process.platform} ${process.arch}`, ...info().cpu };
}

function announcement({ example, settings, methods }: Extract<Request, { action: 'run' }>): string[] {
  const { tasks, samples, memories, profile, seed } = settings;
  const what =
    `${example.name}: ${counted(tasks, 'task')} of ${counted(samples, 'sample')}, ${counted(memories, 'memory', 'memories')} ` +
    `per task, profile '${profile}', seed ${seed}. Methods: ${listing(methods.map(({ label }) => label))}, ` +
    `${roughDuration(estimatedSeconds(settings, methods))} on 2 cores. Ctrl-C stops early and shows what there is by then.`;
  return wrap(what, PAGE_WIDTH);
}

async function run(request: Extract<Request, { action: 'run' }>): Promise<number> {
  const { save } = request;
  if (save !== null) wantEmpty('--save', save);
  tell(announcement(request));
  return train(request, save);
}

async function resume({ folder, json }: Extract<Request, { action: 'resume' }>): Promise<number> {
  const { runs, ...saved } = await openSaved(folder);
  const at = [...runs].map(([learner, { checkpoints, finished }]) => {
    return `${learner} ${finished ? 'is finished' : `is at step ${checkpoints.at(-1)?.step ?? 0}`}`;
  });
  tell(wrap(`${saved.example.name} in '${folder}': ${listing(at)}.`, PAGE_WIDTH));
  // A branch is of one learner.
  const only = [...runs].find(([, { branch }]) => branch !== null)?.[0];
  const methods = saved.methods.filter(({ label }) => only === undefined || label === only);
  return train({ ...saved, methods, json }, folder);
}

/** Trains the learners of an example, or what is left of it, and reports. @param folder where the runs are saved, if they are. */
async function train(
  {
    example,
    preset,
    settings,
    methods,
    json,
  }: Pick<Extract<Request, { action: 'run' }>, 'example' | 'preset' | 'settings' | 'methods' | 'json'>,
  folder: string | null,
): Promise<number> {
  const start = performance.now();
  const progress = openProgress();
  const signal = stopOnInterrupt(progress);
  const labels = methods.map(({ label }) => label);
  const saving: Saving | null =
    folder === null ? null : { folder, versions: versions(), example: example.name, preset, settings, methods: labels };
  const comparing = compare(example, settings, methods, progress, signal, saving);
  await comparing.run().finally(() => progress.clear());
  const result: RunResult = {
    example: example.name,
    preset,
    settings,
    ...comparing.outcome(),
    seconds: (performance.now() - start) / 1000,
    versions: versions(),
  };
  if (json) say([JSON.stringify(result, null, 2)]);
  else say(report(result, { width: PAGE_WIDTH, paint: painter(colourLevel(process.stdout, process.env)) }));
  if (folder !== null) tell(savedIn(folder, result.interrupted));
  if (result.interrupted) return EXIT_INTERRUPTED;
  return result.diverged?.length ? EXIT_FAILED : 0;
}

const savedIn = (folder: string, interrupted: boolean): string[] => [
  interrupted ? `Saved. Go on with: pnpm start resume ${shellWord(folder)}` : `Saved in ${folder}.`,
];

async function branch({ folder, into, step, change, json }: Extract<Request, { action: 'branch' }>): Promise<number> {
  wantEmpty('--into', into);
  const { example, preset, settings, methods, runs } = await openSaved(folder);
  const learner = gem.label;
  if (!runs.has(learner)) throw new UsageError(`'${folder}' has no run of ${learner} to branch off`);
  const start = performance.now();
  const progress = openProgress();
  const signal = stopOnInterrupt(progress);
  const watch = new Watch(progress, settings);
  const config = { example: example.name, preset, settings, methods: methods.map(({ label }) => label), learner };
  const build = async (changed: Settings) => {
    const experiment = gem.experiment(example.setUp(changed), watch);
    watch.plan([gem]);
    watch.begin(gem, experiment.strategy);
    return experiment;
  };
  const { finished, comparison } = await branchSaved(folder, into, config, { step, change }, build, {
    versions: versions(),
    signal,
  }).finally(() => progress.clear());
  const result: BranchResult = {
    example: example.name,
    learner,
    step,
    change,
    folder: into,
    interrupted: !finished,
    comparison,
    seconds: (performance.now() - start) / 1000,
    versions: versions(),
  };
  if (json) say([JSON.stringify(result, null, 2)]);
  else say(branchReport(result, PAGE_WIDTH, painter(colourLevel(process.stdout, process.env))));
  tell(savedIn(into, !finished));
  return finished ? 0 : EXIT_INTERRUPTED;
}

async function main(argv: readonly string[]): Promise<number> {
  try {
    const request = readArguments(argv);
    if (request.action === 'run') return await run(request);
    if (request.action === 'resume') return await resume(request);
    if (request.action === 'branch') return await branch(request);
    if (request.action === 'help') say(help(request.example));
    else if (request.json)
      say([
        JSON.stringify(
          EXAMPLES.map(({ name, summary }) => ({ name, summary })),
          null,
          2,
        ),
      ]);
    else say(listExamples());
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      tell([`gemlab: ${error.message}`, "Run 'pnpm start --help' for all commands and options."]);
      return EXIT_USAGE;
    }
    if (!isExpected(error)) throw error;
    tell([`gemlab: ${error.message}`]);
    return EXIT_FAILED;
  }
}

/** Whether it is nobody's bug: a damaged file, a folder that may not be written, a full disk, a branch that diverges. */
const isExpected = (error: unknown): error is Error =>
  [SavedRunError, RunFileError, RunError, DataFileError, NonFiniteGradientError].some((of) => error instanceof of) ||
  (error instanceof Error && 'syscall' in error);

// `pnpm start list | head -1`: a reader that has seen enough is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  tell([`gemlab: ${error.message}`]);
  process.exit(EXIT_FAILED);
});

// Not process.exit: what is still on its way to a pipe would be lost.
process.exitCode = await main(process.argv.slice(2));
