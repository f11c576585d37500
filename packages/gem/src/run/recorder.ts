// The recorder of a run under way: it collects lines, and saves. One saving is three writes, each of them whole or not at all: the lines
// since the last saving, the checkpoint, and run.json, which makes the other two count. Cut off anywhere, the run stands where it
// was saved last; what lies about is written again, with the same bytes, when the run gets there again.

import { toUtf8 } from './bytes.ts';
import { type Checkpoint, checkpointBytes, placeName, placeOf } from './checkpoint.ts';
import { type CheckpointEntry, type Manifest, writeFile, writeManifest } from './manifest.ts';
import { linesText, type RecordLine } from './records.ts';
import type { RunStore } from './store.ts';

const OURS = /^(checkpoint-[\dab-]+\.safetensors|records-[\dab-]+\.jsonl)$/;

export class Recorder {
  readonly #store: RunStore;
  #manifest: Manifest;
  #lines: RecordLine[] = [];
  readonly #begun = Date.now();
  readonly #secondsBefore: number;

  /** Goes on with a saved run, or begins one. */
  constructor(store: RunStore, manifest: Manifest) {
    this.#store = store;
    this.#manifest = manifest;
    this.#secondsBefore = manifest.checkpoints.at(-1)?.seconds ?? 0;
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  /** Time spent on the run, all its parts together. */
  get seconds(): number {
    return this.#secondsBefore + (Date.now() - this.#begun) / 1000;
  }

  note(line: RecordLine): void {
    if (line.kind === 'eval' || line.step % this.#manifest.settings.recordEvery === 0) this.#lines.push(line);
  }

  /** Saves the run at this place, unless it has been. */
  async save(checkpoint: Checkpoint): Promise<void> {
    const { settings, ...old } = this.#manifest;
    const place = placeOf(checkpoint);
    const file = `checkpoint-${placeName(place)}.safetensors`;
    if (old.checkpoints.some((entry) => entry.file === file)) return;
    const records = [...old.records];
    if (this.#lines.length > 0) {
      const written = await writeFile(this.#store, `records-${placeName(place)}.jsonl`, toUtf8(linesText(this.#lines)));
      records.push({ ...written, ...place });
    }
    const written = await writeFile(this.#store, file, checkpointBytes(checkpoint));
    const entry: CheckpointEntry = { ...written, ...place, seconds: this.seconds };
    const all = [...old.checkpoints, entry];
    const checkpoints = settings.keep === null ? all : all.slice(-settings.keep);
    const finished = place.measured && place.trained === checkpoint.matrix.tasks;
    await this.commit({ ...this.#manifest, checkpoints, records, finished });
    this.#lines = [];
    for (const { file } of all.filter((e) => !checkpoints.includes(e))) await this.#store.remove(file);
  }

  async commit(manifest: Manifest): Promise<void> {
    await writeManifest(this.#store, manifest);
    this.#manifest = manifest;
  }

  /** Removes what a run that was cut off left behind: files of ours that run.json does not name. */
  async tidy(): Promise<void> {
    const named = new Set([...this.#manifest.checkpoints, ...this.#manifest.records].map(({ file }) => file));
    for (const file of await this.#store.list())
      if (OURS.test(file) && !named.has(file)) await this.#store.remove(file);
  }
}
