export { type BranchOutcome, type BranchRunOptions, branchRun } from './branch.ts';
export { compareRuns, type RunComparison, type RunDifference, type RunMetrics, type RunSummary } from './compare.ts';
export type { Build, Experiment } from './drive.ts';
export { type FileFault, RunError, RunFileError } from './errors.ts';
export { csvLogger, csvOf, jsonlLogger, type LoggerOptions, type LogLine } from './loggers.ts';
export type { CheckpointEntry, FileEntry, Manifest, RecordsEntry, RunSettings } from './manifest.ts';
export { parseRecords, RecordLineError, readRecords } from './read-records.ts';
export { type EvalLine, RECORD_SCHEMA, type RecordLine, type StepLine } from './records.ts';
export {
  type GoOnOptions,
  type ResumeRunOptions,
  type RunOutcome,
  readRun,
  resumeRun,
  type SavedRun,
  type SaveRunOptions,
  type SavingOptions,
  type StartRunOptions,
  saveRun,
  startRun,
} from './run.ts';
export { memoryStore, type RunStore } from './store.ts';
