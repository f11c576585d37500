// A scope returns the buffers that were made in it as soon as it ends, save those of its result and what was kept. Memory is
// no chore: forgetting a scope costs memory only, and reading what a scope took back is an error that says so.

import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  arange,
  devices,
  errors,
  keep,
  privately,
  type Storage,
  scope,
  storagesOf,
  Tensor,
  tensor,
  zeros,
} from '../src/index.ts';
import { BufferPool } from '../src/storage.ts';
import { thrown } from './support/expect.ts';

const MESSAGE =
  'this tensor was made inside a scope that has ended, so its storage has been reused; ' +
  'return it from the scope function or pass it to keep() inside the scope';

/** Something a scope is asked to do: make a tensor, keep one made so far, or run a scope of its own that returns some. */
type Action = 'make' | { keep: number } | { scope: Action[]; returns: number[]; fails: boolean };

const { program } = fc.letrec<{ program: Action[]; action: Action }>((tie) => ({
  program: fc.array(tie('action'), { maxLength: 5 }),
  action: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant<Action>('make'),
    fc.record({ keep: fc.nat(9) }),
    fc.record({ scope: tie('program'), returns: fc.array(fc.nat(9), { maxLength: 2 }), fails: fc.boolean() }),
  ),
}));

describe.each(devices)('%s', (device) => {
  const x = tensor([1, 2, 3], { device });

  test('the result survives, what led to it does not', () => {
    let inner: Tensor | undefined;
    const result = scope(() => {
      inner = x.add(1);
      return inner.mul(2);
    });
    expect(result.toArray()).toEqual([4, 6, 8]);
    expect(inner!.storage.released).toBe(true);
    for (const read of [() => inner!.toArray(), () => inner!.add(1), () => inner!.sum(), () => inner!.toString()]) {
      expect(thrown(read)).toBeInstanceOf(errors.ScopeError);
      expect(thrown(read).message).toBe(MESSAGE);
    }
    expect(inspect(inner)).toBe('tensor(released, shape=[3])');
    expect(inner!.slice(0).storage.released).toBe(true);
  });

  test('data() of a tensor whose scope has ended rejects', async () => {
    let inner: Tensor | undefined;
    scope(() => {
      inner = x.neg();
    });
    await expect(inner!.data()).rejects.toThrow(errors.ScopeError);
  });

  test('everything made in a scope belongs to it, whatever made it', () => {
    const made: Tensor[] = [];
    scope(() => {
      made.push(
        tensor([1], { device }),
        zeros([2], { device }),
        arange(3, undefined, 1, { device }),
        x.copy(),
        x.to('cpu').to(device).copy(),
      );
      made.push(x.cast('int32').matmul(x.cast('int32')), x.add(1), tensor(1, { device }).expand([3]));
    });
    expect(made.map((t) => t.storage.released)).toEqual(made.map(() => true));
  });

  test('what comes from outside stays, and so do its views', () => {
    const view = scope(() => x.slice([0, 2]).flip());
    scope(() => x);
    expect([view.toArray(), x.toArray()]).toEqual([
      [2, 1],
      [1, 2, 3],
    ]);
  });

  test('a view in the result keeps the storage it looks at', () => {
    const view = scope(() => x.add(10).slice([1, null]).unsqueeze(0).expand([2, 2]));
    scope(() => x.add(99));
    expect(view.toArray()).toEqual([
      [12, 13],
      [12, 13],
    ]);
  });

  test('results are found in arrays and plain objects, and in whatever names its storages', () => {
    class Pair {
      readonly parts = [x.add(1), x.add(2)];
      *[storagesOf](): Generator<Storage> {
        for (const p of this.parts) yield p.storage;
      }
    }
    const found = scope(() => ({ list: [x.add(3), { deep: x.add(4) }], pair: new Pair(), n: 5, none: null }));
    scope(() => x.add(99).mul(99));
    expect(found.list.map((t) => (t instanceof Tensor ? t : t.deep).slice(0).item())).toEqual([4, 5]);
    expect([found.pair.parts.map((p) => p.slice(0).item()), found.n, found.none]).toEqual([[2, 3], 5, null]);
    expect(scope(() => 'text')).toBe('text');
  });

  test('results are found in objects without a prototype, and in those that lead back to themselves', () => {
    interface Ring {
      t: Tensor;
      all: Ring[];
    }
    const made: Tensor[] = [];
    const ring = scope(() => {
      made.push(x.add(1));
      const found: Ring = Object.assign(Object.create(null), { t: x.add(2), all: [] });
      found.all.push(found);
      return found;
    });
    scope(() => x.add(99));
    expect(ring.all[0]!.t.toArray()).toEqual([3, 4, 5]);
    expect(keep(ring)).toBe(ring);
    expect(made[0]!.storage.released).toBe(true);
  });

  test('a result that cannot be looked through releases everything', () => {
    const made: Tensor[] = [];
    const failing = () =>
      scope(() => {
        made.push(x.add(1));
        return {
          get t() {
            throw new TypeError('mine');
          },
        };
      });
    expect(thrown(failing)).toEqual(new TypeError('mine'));
    expect(made[0]!.storage.released).toBe(true);
  });

  test('keep takes a tensor out of every open scope', () => {
    const kept: Tensor[] = [];
    scope(() => {
      scope(() => {
        kept.push(keep(x.add(1)), ...keep([x.add(2), x.add(3).slice([0, 1])]));
        expect(
          keep({ a: x.add(4) })
            .a.slice(0)
            .item(),
        ).toBe(5);
      });
    });
    scope(() => x.mul(99));
    expect(kept.map((t) => t.slice(0).item())).toEqual([2, 3, 4]);
    expect(keep(x)).toBe(x);
  });

  test('an error inside releases everything and leaves no scope open', () => {
    const made: Tensor[] = [];
    const failing = () =>
      scope(() => {
        made.push(x.add(1));
        scope(() => {
          made.push(x.add(2));
          throw new TypeError('mine');
        });
      });
    expect(thrown(failing)).toEqual(new TypeError('mine'));
    expect(made.map((t) => t.storage.released)).toEqual([true, true]);
    const after = x.add(5);
    scope(() => x.add(6));
    expect(after.toArray()).toEqual([6, 7, 8]);
  });

  test('an async function is refused, and its own failure later is not an unhandled one', async () => {
    let inner: Tensor | undefined;
    const error = thrown(() =>
      scope(async () => {
        inner = x.add(1);
        await null;
        return inner.toArray();
      }),
    );
    expect(error).toBeInstanceOf(errors.ScopeError);
    expect(error.message).toBe(
      'scope: the function returned a promise; a scope is synchronous, so await outside of it',
    );
    expect(inner!.storage.released).toBe(true);
    // Unhandled rejections are reported in a later task, and vitest fails on them.
    await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test('nested scopes, keeps, results and errors: a tensor can be read exactly if it should be', () => {
    fc.assert(
      fc.property(program, (actions) => {
        const made: { tensor: Tensor; value: number; dead: boolean }[] = [];
        // What each open scope still owns, by the rule that the tests above state one by one.
        const perform = (list: readonly Action[], owns: Set<number>[]): void => {
          for (const action of list) {
            if (action === 'make') {
              const value = made.length + 1;
              owns.at(-1)?.add(made.length);
              made.push({ tensor: zeros([2], { device }).add(value), value, dead: false });
            } else if ('keep' in action) {
              if (action.keep >= made.length || made[action.keep]!.dead) continue;
              keep(made[action.keep]!.tensor);
              for (const owned of owns) owned.delete(action.keep);
            } else {
              const mine = new Set<number>();
              const returned = action.returns.filter((i) => i < made.length + 10);
              try {
                scope(() => {
                  perform(action.scope, [...owns, mine]);
                  if (action.fails) throw new Error('on purpose');
                  return returned.map((i) => made[i]?.tensor);
                });
                for (const i of returned) if (mine.delete(i)) owns.at(-1)?.add(i);
              } catch (error) {
                if ((error as Error).message !== 'on purpose') throw error;
              }
              for (const i of mine) made[i]!.dead = true;
            }
          }
        };
        perform(actions, []);
        for (const { tensor: t, value, dead } of made) {
          expect(t.storage.released).toBe(dead);
          if (!dead) expect(t.toArray()).toEqual([value, value]);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('buffers', () => {
  /** Where a tensor of the cpu lies: in the heap, or else its own array. */
  const memory = (t: Tensor) => (t.storage.address >= 0 ? t.storage.address : t.storage.data.buffer);

  test('of a scope that has ended are used again', () => {
    const x = zeros([1234]);
    const used = scope(() => memory(x.add(1)));
    scope(() => {
      expect(memory(x.reshape([2, 617]).add(2))).toBe(used);
      expect(memory(x.add(3))).not.toBe(used);
    });
  });

  test('of results, kept tensors and outer scopes are not', () => {
    const x = zeros([7777]);
    const kept: Tensor[] = [];
    const alive = [scope(() => x.add(1)), scope(() => void kept.push(keep(x.add(2))))];
    scope(() => {
      const outer = x.add(3);
      scope(() => x.add(4));
      expect(memory(x.add(5))).not.toBe(memory(outer));
      expect(memory(x.add(6))).not.toBe(memory(alive[0]!));
      expect(memory(x.add(7))).not.toBe(memory(kept[0]!));
      expect(outer.sum().item()).toBe(3 * 7777);
    });
    expect([alive[0]!.sum().item(), kept[0]!.sum().item()]).toEqual([7777, 2 * 7777]);
  });

  test('a training loop in scopes goes round on the buffers of its first step', () => {
    const seen = new Set<unknown>();
    const batch = zeros([4, 5]).add(0.5);
    let w = zeros([5, 3]);
    for (let step = 0; step < 10; step++) {
      w = scope(() => {
        const h = batch.matmul(w);
        const y = h.tanh();
        for (const t of [h, y, y.mul(h)]) seen.add(memory(t));
        return w.add(1);
      });
    }
    // The result takes one, and for its elements' sake leaves the scope on another.
    expect(seen.size).toBeLessThanOrEqual(4);
  });

  test('of a retired private storage go back with the outermost open scope that used it, or at once', () => {
    /** How deep in scopes it is used, in turn; each scope ends before the next begins, but those in `open`. */
    const uses = fc.record({ ended: fc.array(fc.integer({ min: 2, max: 5 })), open: fc.array(fc.boolean()) });
    fc.assert(
      fc.property(uses, ({ ended, open }) => {
        let storage: Storage | null = null;
        const made = () => {
          ({ storage } = privately(() => zeros([3000]).add(1)));
        };
        const used = (depth: number): void => scope(() => (depth === 2 ? storage!.use() : used(depth - 1)));
        /** Opens a scope for each entry, using the storage in some; retires it in the innermost. */
        const nest = ([first, ...rest]: readonly boolean[], depth: number, outermost: number | null): void => {
          if (first === undefined) {
            storage!.retire();
            expect(storage!.released).toBe(outermost === null);
            return;
          }
          scope(() => {
            if (first) storage!.use();
            nest(rest, depth + 1, outermost ?? (first ? depth : null));
            // Those within it have ended.
            expect(storage!.released).toBe(
              !(first && outermost === null) && (outermost === null || outermost >= depth),
            );
          });
          expect(storage!.released).toBe(outermost === null);
        };
        scope(() => {
          made();
          for (const depth of ended) used(depth);
          expect(storage!.released).toBe(false);
          nest(open, 2, null);
        });
        expect(storage!.released).toBe(true);
      }),
    );
  });

  test('wait in the pool up to its limit', () => {
    const pool = new BufferPool(100);
    const [first, second] = [new Float32Array(20), new Float32Array(20)];
    pool.give('float32', first);
    pool.give('float32', second);
    expect(pool.take('float32', 20).data).toBe(first);
    expect(pool.take('float32', 20).data).not.toBe(second);
    pool.give('float32', second);
    expect(pool.take('float32', 20).data).toBe(second);
    expect(pool.take('bool', 0).data).toEqual(new Uint8Array(0));
  });

  test('are let go when they have not been needed for long, whatever else is in use', () => {
    const pool = new BufferPool();
    const use = (...lengths: number[]) => {
      const taken = lengths.map((n) => pool.take('float32', n).data);
      for (const data of taken) pool.give('float32', data);
    };
    // A task with one set of sizes, then one with others: three buffers of 10 at once, two of 20.
    for (let i = 0; i < 100; i++) use(10, 10, 10);
    expect(pool.bytes).toBe(4 * 30);
    for (let i = 0; i < 40_000; i++) use(20, 20);
    expect(pool.bytes).toBe(4 * 40);
    // What is in use stays: always the same two buffers.
    const [a, b] = [pool.take('float32', 20).data, pool.take('float32', 20).data];
    pool.give('float32', b);
    pool.give('float32', a);
    for (let i = 0; i < 40_000; i++) use(20, 20);
    expect(new Set([pool.take('float32', 20).data, pool.take('float32', 20).data])).toEqual(new Set([a, b]));
    expect(pool.bytes).toBe(0);
  });
});
