// Storage in textures. A tensor's texture goes when its scope ends, or, outside of any scope, when the garbage collector finds
// the storage gone. The texture of a storage is looked up here: to everyone else a storage is only a length and a dtype.

import type { DType } from '../../dtype.ts';
import { DeviceError } from '../../errors.ts';
import { type Lease, Storage } from '../../storage.ts';
import type { Texture } from './runtime.ts';

class TextureLease implements Lease {
  readonly address = -1;
  readonly #device: string;
  readonly #end: () => void;

  constructor(device: string, end: () => void) {
    this.#device = device;
    this.#end = end;
  }

  get buffer(): ArrayBuffer {
    throw new DeviceError(`${this.#device}: the elements are in a texture; read them with data() or dataSync()`);
  }

  end(): void {
    this.#end();
  }

  // The collection of every storage is awaited, in a scope or not.
  outlive(): boolean {
    return true;
  }
}

export class TextureStorages {
  /** null: no elements, and so no texture. */
  readonly #textures = new WeakMap<Storage, Texture | null>();
  readonly #collected = new FinalizationRegistry<Texture>((texture) => this.#drop(texture));
  readonly #device: string;
  #live = 0;

  constructor(device: string) {
    this.#device = device;
  }

  /** How many textures tensors hold now. */
  get live(): number {
    return this.#live;
  }

  /** A storage that owns the texture. */
  hold(dtype: DType, texture: Texture | null, length: number): Storage {
    if (texture !== null) this.#live++;
    const lease = new TextureLease(this.#device, () => {
      if (texture === null) return;
      this.#collected.unregister(texture);
      this.#drop(texture);
    });
    const storage = new Storage(dtype, lease, length);
    this.#textures.set(storage, texture);
    if (texture !== null) this.#collected.register(storage, texture, texture);
    return storage;
  }

  /** @throws ScopeError if the scope that owned the storage has ended. */
  textureOf(storage: Storage): Texture {
    storage.wantAlive();
    return this.#textures.get(storage)!;
  }

  #drop(texture: Texture): void {
    texture.delete();
    this.#live--;
  }
}
