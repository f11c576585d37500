// What the benchmark (bench/) shares with the examples: the data, and how numbers, tables and progress are shown.

export { loadMnist, mnistDataset } from './data/mnist.ts';
export { duration, listing } from './report/numbers.ts';
export { createProgress, type Progress } from './report/progress.ts';
export { definition, PAGE_WIDTH, table, wrap } from './report/text.ts';
