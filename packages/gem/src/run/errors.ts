// The errors of saved runs.

import { GemError } from '../errors.ts';

/** What is wrong with a file: not there, not as it was written, not ours, or of a format this version does not know. */
export type FileFault = 'missing' | 'damaged' | 'foreign' | 'version';

/** A file of a run that cannot be used. Nothing of it was. */
export class RunFileError extends GemError {
  static override readonly name: string = 'RunFileError';
  readonly file: string;
  readonly fault: FileFault;

  constructor(operation: string, file: string, fault: FileFault, message: string, found: Record<string, unknown> = {}) {
    super(operation, `${file} ${message}`, { file, fault, ...found });
    this.file = file;
    this.fault = fault;
  }
}

/** A run that does not allow what was asked: there is one already, it has no such step, or it is not repeatable. */
export class RunError extends GemError {
  static override readonly name: string = 'RunError';
}
