// @gemlab/gem/node: what of gem needs the machine. The only part that imports Node.

export { directoryStore } from './directory-store.ts';
export { readRecordsFile, recordsFile } from './records-file.ts';
