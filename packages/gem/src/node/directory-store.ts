// A run in a folder on disk. A file is written under another name, forced to the disk, and then renamed: the system puts the new file in
// the place of the old in one act, so not even a kill -9 or a power failure leaves a part of one.

import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunStore } from '../run/store.ts';

/** '<process>.<file>.part' until it is renamed. */
const PART = /^(\d+)\..+\.part$/;

/** The folder is made with the first file. Errors are those of the file system. */
export function directoryStore(path: string): RunStore {
  const whenThere = async <T>(act: Promise<T>, absent: T): Promise<T> => {
    try {
      return await act;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return absent;
      throw error;
    }
  };
  return {
    read: (name) => whenThere<Uint8Array | null>(readFile(join(path, name)), null),
    async write(name, bytes) {
      await mkdir(path, { recursive: true });
      const part = join(path, `${process.pid}.${name}.part`);
      await toDisk(part, 'w', (file) => file.writeFile(bytes));
      await rename(part, join(path, name));
      // A folder cannot be opened on Windows, whose renames need no such thing.
      if (process.platform !== 'win32') await toDisk(path, 'r');
    },
    remove: (name) => rm(join(path, name), { force: true }),
    async list() {
      const names = await whenThere(readdir(path), []);
      const left = names.filter((name) => !isRunning(Number(PART.exec(name)?.[1] ?? process.pid)));
      for (const name of left) await rm(join(path, name), { force: true });
      return names.filter((name) => !PART.test(name));
    },
  };
}

type File = Awaited<ReturnType<typeof open>>;

async function toDisk(path: string, flags: string, act: (file: File) => Promise<void> = async () => undefined) {
  const file = await open(path, flags);
  try {
    await act(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Whether a process of that number is running. Parts of those that are not were left behind. */
function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
