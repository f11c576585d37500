// On what the times were measured.

import { availableParallelism, cpus, totalmem } from 'node:os';

export function machine(): Record<string, string> {
  const { node, v8 } = process.versions;
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: String(availableParallelism()),
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    platform: `${process.platform} ${process.arch}`,
    node,
    v8,
  };
}
