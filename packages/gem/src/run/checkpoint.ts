// A checkpoint: one safetensors file with all that a run needs to go on. In the middle of an experience it holds two states of the
// strategy: the present one, and the one in which the experience began. Resuming loads the first of them in time, lets the callbacks
// that prepare an experience run as they did then (a plugin may build the dataset from its memory), and loads the present one over it.
//
// Tensors: 'now/...' and 'begin/...'; one that is the same in both is stored once. The metadata 'run' is JSON with the rest.

import { readSafetensors, type Tensor, writeSafetensors } from '@gemlab/tensor';
import { AccuracyMatrix, type AccuracyMatrixJSON } from '../metrics/accuracy-matrix.ts';
import type { Json, State } from '../state.ts';
import { readClock } from '../strategy/strategy-state.ts';
import { RunFileError } from './errors.ts';

export interface Checkpoint {
  /** The strategy's state now. */
  readonly now: State;
  /** That at the beginning of the experience that is being trained on; null between experiences. */
  readonly begin: State | null;
  /** What has been measured. */
  readonly matrix: AccuracyMatrixJSON;
}

/** Where a run stands: steps made, experiences trained on, and whether what came of them has been measured. */
export interface Place {
  readonly step: number;
  readonly trained: number;
  readonly measured: boolean;
}

export function placeOf({ now, matrix: { accuracies, baseline } }: Checkpoint): Place {
  const { step, experience: trained } = readClock(now);
  const row = trained === 0 ? baseline : accuracies[trained - 1]!;
  return { step, trained, measured: row.some((accuracy) => accuracy !== null) };
}

/** Files of a later place have a later name. */
export const placeName = ({ step, trained, measured }: Place): string =>
  `${String(step).padStart(8, '0')}-${String(trained).padStart(3, '0')}${measured ? 'b' : 'a'}`;

const KEY = 'run';

interface Metadata {
  readonly matrix: AccuracyMatrixJSON;
  readonly now: Json;
  /** The tensors of `begin` that are stored are in the file; the others are those of `now`. */
  readonly begin: { readonly data: Json; readonly tensors: readonly string[] } | null;
}

/** Whether two tensors hold the same bits. */
function same(a: Tensor | undefined, b: Tensor): boolean {
  if (a === b) return true;
  if (a === undefined || a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false;
  const bytes = ({ buffer, byteOffset, byteLength }: ReturnType<Tensor['dataSync']>) =>
    new Uint8Array(buffer, byteOffset, byteLength);
  const [x, y] = [bytes(a.dataSync()), bytes(b.dataSync())];
  return x.every((byte, i) => byte === y[i]);
}

export function checkpointBytes({ now, begin, matrix }: Checkpoint): Uint8Array {
  const differing = Object.entries(begin?.tensors ?? {}).filter(([name, x]) => !same(now.tensors[name], x));
  const metadata: Metadata = {
    matrix,
    now: now.data,
    begin: begin && { data: begin.data, tensors: Object.keys(begin.tensors).sort() },
  };
  const tensors = new Map([
    ...Object.entries(now.tensors).map(([name, x]) => [`now/${name}`, x] as const),
    ...differing.map(([name, x]) => [`begin/${name}`, x] as const),
  ]);
  return writeSafetensors(tensors, { metadata: { [KEY]: JSON.stringify(metadata) } });
}

/** @throws RunFileError if the bytes are no checkpoint. */
export function readCheckpoint(operation: string, file: string, bytes: Uint8Array): Checkpoint {
  try {
    const { tensors, metadata } = readSafetensors(bytes);
    const { matrix, now, begin } = JSON.parse(metadata.get(KEY)!) as Metadata;
    const named = (prefix: string) =>
      Object.fromEntries(
        [...tensors].flatMap(([key, x]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), x]] : [])),
      );
    const [present, past] = [named('now/'), named('begin/')];
    const pick = (name: string) => [name, past[name] ?? present[name]!] as const;
    return {
      now: { tensors: present, data: now },
      begin: begin && { tensors: Object.fromEntries(begin.tensors.map(pick)), data: begin.data },
      matrix: AccuracyMatrix.fromJSON(matrix).toJSON(),
    };
  } catch (error) {
    throw new RunFileError(operation, file, 'foreign', `is no checkpoint: ${(error as Error).message}`);
  }
}
