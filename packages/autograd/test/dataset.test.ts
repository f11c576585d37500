import { arange, errors, Rng, scope, type Tensor, tensor, zeros } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Dataset, DatasetError, type InputRows, type Samples, transforms } from '../src/index.ts';

const ints = (...values: number[]) => tensor(Int32Array.from(values));
/** n samples [2] that hold (10 i, 10 i + 1), labelled i. */
const counted = (n: number): Samples => ({
  inputs: tensor(
    Float32Array.from({ length: 2 * n }, (_, i) => 10 * (i >> 1) + (i & 1)),
    { shape: [n, 2] },
  ),
  targets: arange(n),
});
const labels = (samples: Samples) => samples.targets.toArray() as number[];
/** Every sample must stand beside its own label. */
const paired = ({ inputs, targets }: Samples) =>
  (inputs.slice(null, 0).toArray() as number[]).every((v, i) => v === 10 * (targets.toArray() as number[])[i]!);

describe('Dataset', () => {
  it('gives samples by index, in their order and with repeats', () => {
    const batch = new Dataset(counted(5)).batch(ints(3, 0, 3));
    expect(batch.inputs.toArray()).toEqual([
      [30, 31],
      [0, 1],
      [30, 31],
    ]);
    expect(labels(batch)).toEqual([3, 0, 3]);
  });

  it('range is a view of the samples', () => {
    const source = counted(6);
    const { inputs, targets } = new Dataset(source).range(2, 5);
    expect(inputs.toArray()).toEqual(source.inputs.slice([2, 5]).toArray());
    expect(targets.toArray()).toEqual([2, 3, 4]);
    expect(inputs.storage).toBe(source.inputs.storage);
  });

  it('tasks stand beside their samples, whatever is made of them', () => {
    const data = new Dataset({ ...counted(4), tasks: ints(7, 8, 9, 7) });
    const made = data.subset(ints(3, 2, 1)).map((x) => x.add(0));
    expect(made.batch(ints(2, 0)).tasks?.toArray()).toEqual([8, 7]);
    expect(
      made
        .withTargets(ints(0, 0, 0))
        .range(1, 3)
        .tasks?.toArray(),
    ).toEqual([9, 8]);
    expect(Dataset.from({ ...counted(1), tasks: ints(5) }).tasks?.toArray()).toEqual([5]);
    expect('tasks' in new Dataset(counted(2)).range(0, 1)).toBe(false);
    expect(() => new Dataset({ ...counted(2), tasks: ints(1) })).toThrow(/2 samples and 1 tasks/);
    expect(() => new Dataset({ ...counted(1), tasks: ints(-1) })).toThrow(/tasks holds -1/);
  });

  it('batches cover every sample once, shuffled or not', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 45 }),
        fc.boolean(),
        (n, size, shuffle) => {
          const data = new Dataset(counted(n));
          const options = shuffle ? { rng: new Rng(n) } : {};
          const batches = [...data.batches(size, options)];
          expect(batches.every(paired)).toBe(true);
          expect(batches.map((b) => b.targets.size).slice(0, -1)).toEqual(
            new Array(Math.ceil(n / size) - 1).fill(Math.min(n, size)),
          );
          const seen = batches.flatMap(labels);
          const all = Array.from({ length: n }, (_, i) => i);
          expect(shuffle ? seen.sort((a, b) => a - b) : seen).toEqual(all);
        },
      ),
    );
  });

  it('draws one permutation for each call, at the call', () => {
    const data = new Dataset(counted(50));
    const rng = new Rng(3);
    const epochs = [data.batches(7, { rng }), data.batches(7, { rng })];
    const [second, first] = epochs.reverse().map((epoch) => [...epoch].flatMap(labels));
    const again = new Rng(3);
    expect(first).toEqual([...again.permutation(50)]);
    expect(second).toEqual([...again.permutation(50)]);
    expect(first).not.toEqual(second);
  });

  it('index batches name the samples of the batches', () => {
    const data = new Dataset(counted(11)).subset(ints(9, 2, 4, 7, 0));
    const byIndex = [...data.indexBatches(2, { rng: new Rng(1) })].flatMap((index) => labels(data.batch(index)));
    expect(byIndex).toEqual([...data.batches(2, { rng: new Rng(1) })].flatMap(labels));
    const inOrder = [...data.indexBatches(2)].map((index) => index.toArray());
    expect(inOrder).toEqual([[0, 1], [2, 3], [4]]);
  });

  it('a copy has the same samples, and nothing of the others', () => {
    const inputs = counted(11).inputs;
    const data = new Dataset({ inputs, targets: arange(11), tasks: arange(11).mul(2) });
    for (const some of [data.subset(ints(9, 2, 2, 7)).map((x) => x.add(1)), data.map((x) => x.mul(3)), data]) {
      const copy = some.copy();
      const [found, expected] = [copy, some].map((d) => d.range(0, d.length)) as [Samples, Samples];
      for (const field of ['inputs', 'targets', 'tasks'] as const) {
        expect(found[field]!.toArray()).toEqual(expected[field]!.toArray());
      }
    }
    const plain = data.subset(ints(4, 3)).copy().range(0, 2).inputs;
    expect(plain.storage).not.toBe(inputs.storage);
    expect(plain.storage.length).toBe(4);
  });

  it('a look at the shape of a sample draws nothing', () => {
    const images = zeros([3, 1, 4, 4]);
    const make = (rng: Rng) =>
      new Dataset({ inputs: images, targets: arange(3) })
        .map(transforms.randomCrop([2, 3], rng))
        .map((x) => x.add(1))
        .map(transforms.randomFlip(rng))
        .subset(ints(2, 1));
    const rng = new Rng(0);
    const before = JSON.stringify(rng.state);
    const data = make(rng);
    expect(data.sampleShape).toEqual([1, 2, 3]);
    expect(JSON.stringify(rng.state)).toBe(before);
    data.range(0, 1);
    expect(JSON.stringify(rng.state)).not.toBe(before);
  });

  it('a subset takes the indices that a batch takes, also from the end', () => {
    const all = new Dataset(counted(5));
    const arrays = ({ inputs, targets }: Samples) => [inputs.toArray(), targets.toArray()];
    for (const data of [all, all.subset(ints(4, 2, 0)), all.subset(ints(1, 1))]) {
      for (let i = -data.length - 1; i <= data.length; i++) {
        const inside = i >= -data.length && i < data.length;
        if (!inside) expect(() => data.subset(ints(i))).toThrow(errors.IndexError);
        else expect(arrays(data.subset(ints(i)).range(0, 1))).toEqual(arrays(data.batch(ints(i))));
      }
      expect(() => data.subset(tensor([0]))).toThrow(errors.DTypeError);
    }
  });

  it('a subset of a subset is a subset', () => {
    const data = new Dataset(counted(10));
    const twice = data.subset(ints(9, 7, 5, 3)).subset(ints(2, 0));
    expect(labels(twice.range(0, 2))).toEqual([5, 9]);
    expect(paired(twice.range(0, 2)) && paired(twice.batch(ints(1, 0, 1)))).toBe(true);
    expect([twice.length, twice.classes]).toEqual([2, [5, 9]]);
  });

  it('maps lazily, one transform after the other, and only what is asked for', () => {
    const sizes: number[] = [];
    const data = new Dataset(counted(8)).map((x) => {
      sizes.push(x.shape[0]!);
      return x.add(1);
    });
    const doubled = data.map((x) => x.mul(2));
    expect(sizes).toEqual([]);
    expect(doubled.subset(ints(4)).range(0, 1).inputs.toArray()).toEqual([[82, 84]]);
    expect(data.batch(ints(1, 2)).inputs.toArray()).toEqual([
      [11, 12],
      [21, 22],
    ]);
    expect(sizes).toEqual([1, 2]);
  });

  it('knows the shape of a transformed sample', () => {
    const data = new Dataset({ inputs: zeros([3, 4, 5]), targets: ints(0, 1, 0) });
    expect(data.sampleShape).toEqual([4, 5]);
    expect(data.map((x) => x.flatten(1)).sampleShape).toEqual([20]);
    expect(data.classes).toEqual([0, 1]);
  });

  it('takes other labels', () => {
    const data = new Dataset(counted(4)).subset(ints(3, 1));
    const relabelled = data.withTargets(ints(0, 1));
    expect([relabelled.range(0, 2).inputs.toArray(), labels(relabelled.range(0, 2))]).toEqual([
      [
        [30, 31],
        [10, 11],
      ],
      [0, 1],
    ]);
    expect(labels(data.range(0, 2))).toEqual([3, 1]);
  });

  it('keeps its tensors when it is made inside a scope', () => {
    let data: Dataset | undefined;
    let epoch: Generator<Tensor> | undefined;
    scope(() => {
      const { inputs, targets } = counted(6);
      data = new Dataset({ inputs: inputs.add(0), targets: targets.add(0) }).subset(arange(5).add(1));
      epoch = data.indexBatches(2);
    });
    const seen = [...epoch!].flatMap((index) => scope(() => labels(data!.batch(index))));
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    expect(data!.range(0, 5).inputs.slice(0).toArray()).toEqual([10, 11]);
  });

  it('holds targets of any shape and dtype', () => {
    const targets = tensor(
      [
        [1.5, 2],
        [3, 4],
        [5, 6],
      ],
      { dtype: 'float64' },
    );
    const data = new Dataset({ inputs: zeros([3, 2]), targets });
    expect(data.batch(ints(2, 0)).targets.toArray()).toEqual([
      [5, 6],
      [1.5, 2],
    ]);
    expect(data.subset(ints(1)).range(0, 1).targets.toArray()).toEqual([[3, 4]]);
    const oneHot = new Dataset(counted(3)).withTargets(arange(3).oneHot(3));
    expect(oneHot.range(1, 2).targets.toArray()).toEqual([[0, 1, 0]]);
  });

  it('leaves out a smaller last batch if asked to', () => {
    for (const n of [1, 4, 5, 6]) {
      const data = new Dataset(counted(n));
      for (const rng of [undefined, new Rng(n)]) {
        const sizes = [...data.batches(3, { rng, dropLast: true })].map((b) => b.targets.size);
        expect(sizes).toEqual(new Array(Math.floor(n / 3)).fill(3));
      }
    }
  });

  it('splits into parts that share no sample', () => {
    const data = new Dataset(counted(10));
    expect(data.split([2, 3]).map((part) => labels(part.range(0, part.length)))).toEqual([
      [0, 1],
      [2, 3, 4],
    ]);
    const parts = data.split([7, 3], { rng: new Rng(1) }).map((part) => part.range(0, part.length));
    expect(parts.map((p) => p.targets.size)).toEqual([7, 3]);
    expect(parts.every(paired)).toBe(true);
    expect(parts.flatMap(labels).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(parts.flatMap(labels)).not.toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('takes datasets and samples alike', () => {
    const data = new Dataset(counted(2));
    expect(Dataset.from(data)).toBe(data);
    expect(Dataset.from(counted(3)).length).toBe(3);
  });
});

describe('Dataset refuses', () => {
  const two = { inputs: zeros([2, 3]), targets: ints(0, 1) };
  it.each<[string, () => unknown, RegExp]>([
    ['no samples', () => new Dataset({ inputs: zeros([0, 3]), targets: ints() }), /at least one sample, found none/],
    [
      'a scalar',
      () => new Dataset({ inputs: tensor(1), targets: ints(0) }),
      /inputs must be a tensor \[n, \.\.\.\], found a scalar/,
    ],
    ['other lengths', () => new Dataset({ ...two, targets: ints(1) }), /inputs \[2,3\] and targets \[1\] .*\(2 != 1\)/],
    ['other rows', () => new Dataset({ ...two, rows: ints(1) }), /rows \[1\] and targets \[2\] .*\(1 != 2\)/],
    [
      'classes of float labels',
      () => new Dataset({ ...two, targets: tensor([0, 1]) }).classes,
      /int32 tensor \[n\], found float32 \[2\]; did you mean \.cast/,
    ],
    [
      'classes of one-hot labels',
      () => new Dataset({ ...two, targets: zeros([2, 2], { dtype: 'int32' }) }).classes,
      /found int32 \[2,2\]$/,
    ],
    [
      'arrays',
      () => new Dataset({ ...two, targets: 'x' as unknown as Tensor }),
      /targets must be a tensor \[n, \.\.\.\], found x/,
    ],
    [
      'classes of negative labels',
      () => new Dataset({ ...two, targets: ints(0, -1) }).classes,
      /targets holds -1; labels are class indices/,
    ],
    ['rows that are not there', () => new Dataset({ ...two, rows: ints(0, 2) }), /rows holds 2; inputs has 2 rows/],
    [
      'other devices',
      () => new Dataset({ ...two, targets: two.targets.to('reference') }),
      /'cpu' and targets on 'reference'; move/,
    ],
    ['an empty subset', () => new Dataset(two).subset(ints()), /at least one sample/],
    ['an empty range', () => new Dataset(two).range(1, 1), /stop is 1; expected an integer from 2 to 2/],
    ['a range beyond', () => new Dataset(two).range(0, 3), /stop is 3; expected an integer from 1 to 2/],
    ['a batch of 0', () => new Dataset(two).batches(0), /batchSize is 0; expected an integer >= 1/],
    [
      'too large a split',
      () => new Dataset(two).split([2, 1]),
      /the sum of the sizes is 3; expected an integer from 0 to 2/,
    ],
    ['an empty part', () => new Dataset(two).split([2, 0]), /a size is 0; expected an integer >= 1/],
    ['half a batch', () => new Dataset(two).indexBatches(0.5), /batchSize is 0.5/],
    [
      'a lossy transform',
      () => new Dataset(two).map((x) => x.sum(0)).range(0, 2),
      /made \[3\] of \[2,3\]; the first axis/,
    ],
    [
      'a transform that makes nothing',
      () => new Dataset(two).map((() => undefined) as never).range(0, 2),
      /the transform returned undefined; it makes a tensor/,
    ],
    ['what is no transform', () => new Dataset(two).map(3 as never), /a transform is a function .*, found number 3/],
    ['nor in second place', () => new Dataset(two).map((x) => x).map(undefined as never), /found undefined$/],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(DatasetError);
    expect(make).toThrow(message);
  });

  it('indices that are not there, and stays as it was', () => {
    const data = new Dataset(two);
    expect(() => data.subset(ints(0, 2))).toThrow(errors.IndexError);
    expect(() => data.batch(tensor([0]))).toThrow(errors.DTypeError);
    expect(data.range(0, 2).targets.toArray()).toEqual([0, 1]);
  });
});

describe('inputs that are made when they are asked for', () => {
  const n = 9;
  const { inputs, targets } = counted(n);
  const device = inputs.device;
  const rows: InputRows = { shape: inputs.shape, device, take: (which) => inputs.indexSelect(0, which) };

  it('give what a tensor of them gives, in every view', () => {
    const step = fc.oneof(
      fc.array(fc.nat(n - 1), { minLength: 1, maxLength: n }).map((which) => ({ which })),
      fc.constantFrom('map', 'copy' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 4 }), fc.nat(), fc.nat(), (steps, a, b) => {
        const views = [new Dataset({ inputs, targets }), new Dataset({ inputs: rows, targets })].map((data) =>
          steps.reduce((view, how) => {
            if (how === 'map') return view.map((x) => x.mul(2));
            return how === 'copy' ? view.copy() : view.subset(ints(...how.which.map((i) => i % view.length)));
          }, data),
        );
        const { length } = views[0]!;
        const from = a % length;
        const all = (data: Dataset) => [
          data.range(from, from + 1 + (b % (length - from))),
          data.batch(ints(b % length, from)),
          ...data.batches(4),
          ...data.batches(4, { rng: new Rng(a) }),
        ];
        const told = views.map((data) => all(data).map((s) => [s.inputs.toArray(), s.targets.toArray()]));
        expect(told[1]).toEqual(told[0]);
        expect(views[1]!.sampleShape).toEqual(views[0]!.sampleShape);
      }),
    );
  });

  it('are asked for rows that there are, and held to their shape', () => {
    const data = new Dataset({ inputs: rows, targets });
    expect(() => data.batch(ints(n))).toThrow(errors.IndexError);
    const wrong = new Dataset({ inputs: { ...rows, take: () => zeros([3, 2]) }, targets });
    expect(wrong.batch(ints(0, 1, 2)).inputs.shape).toEqual([3, 2]);
    expect(() => wrong.batch(ints(0))).toThrow(DatasetError);
    expect(() => wrong.batch(ints(0))).toThrow(/inputs.take made \[3,2\] on 'cpu' of 1 rows; expected \[1,2\]/);
    for (const bad of [null, {}, { ...rows, shape: [] }, { shape: [n, 2], device }]) {
      expect(() => new Dataset({ inputs: bad as unknown as InputRows, targets })).toThrow(DatasetError);
    }
    expect(() => new Dataset({ inputs: rows, targets: ints(1) })).toThrow(/\(9 != 1\)/);
  });
});
