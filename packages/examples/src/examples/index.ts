// The examples by name. The first is what `pnpm start` runs.

import type { Example } from './example.ts';
import { permutedMnist } from './permuted-mnist.ts';
import { rotatedMnist } from './rotated-mnist.ts';
import { splitMnist } from './split-mnist.ts';

export const EXAMPLES: readonly Example[] = [permutedMnist, rotatedMnist, splitMnist];
