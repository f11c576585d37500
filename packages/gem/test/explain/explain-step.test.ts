// One step of GEM in words: letter by letter for one step worked out by hand, and within the page for any.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explainStep } from '../../src/explain-step.ts';
import { projectFromGram } from '../../src/gem-dual.ts';
import type { ProfileName } from '../../src/profiles.ts';
import { type ProjectionRecord, projectionRecord, type StepDetails, type StepRecord } from '../../src/step-record.ts';

const kkt = { stationarity: 0, primal: 0, dual: 0, complementarity: 0, relative: 1.2e-16 };

// g = (1, 1), g_1 = (-2, 0), g_2 = (0, 1). The nearest vector to g with <z, g_1> >= 0 and <z, g_2> >= 0 is (0, 1): v* = (0.5, 0).
// With memory strength 0.5 added, v = (1, 0.5) and z = (-1, 1.5).
const projection: ProjectionRecord = {
  v: [1, 0.5],
  active: [0],
  dotsAfter: [2, 1.5],
  projectedNorm: Math.sqrt(3.25),
  memoryNorms: [2, 1],
  anglesBefore: [135, 45],
  anglesAfter: [56.3099, 33.6901],
  turn: 78.6901,
  kkt,
};

const record: StepRecord = {
  step: 219,
  experience: 2,
  loss: 2.25,
  profile: 'exact',
  memoryStrength: 0.5,
  ridge: 0,
  tasks: [0, 1],
  dots: [-2, 1],
  gradientNorm: Math.SQRT2,
  violated: [0],
  project: 'gradient',
  groups: 'experience',
  memoryLosses: [0.5, 0.25],
  gram: [
    [4, 0],
    [0, 1],
  ],
  projection,
  details: null,
};

// Plain SGD with a learning rate of 0.1: theta' - theta = -0.1 z. Two parameters, each a number: g = (1 | 1).
const details: StepDetails = {
  conditionNumber: 4,
  updateNorm: 0.1 * Math.sqrt(3.25),
  realised: [-0.2, -0.15],
  actualChange: [-0.19, -0.16],
  layers: [
    { name: '0.weight', norm: 1, memoryNorms: [2, 0], dots: [-2, 0], cosines: [-1, null] },
    { name: '0.bias', norm: 1, memoryNorms: [0, 1], dots: [0, 1], cosines: [null, 1] },
  ],
};

/** A step of plain SGD with a learning rate of 0.1, for these g [p] and g_k [t, p]. */
function plainStep(
  g: readonly number[],
  G: readonly (readonly number[])[],
  memoryStrength: number,
  profile: ProfileName,
  ridge: number,
): StepRecord {
  const inner = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  const dots = G.map((row) => inner(g, row));
  const gram = G.map((a) => G.map((b) => inner(a, b)));
  const gradientNorm = Math.sqrt(inner(g, g));
  const solution = projectFromGram(gram, dots, { profile, memoryStrength, ridge });
  const { dotsAfter, projected, violated } = solution;
  return {
    ...record,
    ...{ profile, memoryStrength, ridge, dots, gram, gradientNorm, violated },
    tasks: dots.map((_, k) => k),
    memoryLosses: dots.map(() => 0.5),
    projection: projected ? projectionRecord(gradientNorm, solution) : null,
    details: { ...details, realised: dotsAfter.map((d) => -0.1 * d), actualChange: null, layers: [] },
  };
}

describe('a step explained', () => {
  it('shows the dots, the violated tasks, the multipliers and the angles of a step worked out by hand', () => {
    expect(explainStep({ ...record, details })).toBe(WORKED_OUT);
  });

  it('says so where nothing was violated', () => {
    const harmless = { ...record, dots: [2, 1], violated: [], projection: null };
    const text = explainStep(harmless, { width: 100 });
    expect(text).toContain('     1    2.000\n     2    1.000');
    expect(text).toContain('No dot product is negative: the step harms no past task, so GEM leaves g as it is.');
  });

  it('says what memory strength means in each profile', () => {
    const text = (changes: Partial<StepRecord>) => explainStep({ ...record, ...changes }, { width: 400 });
    expect(text({ memoryStrength: 0 })).toContain('Memory strength 0 adds nothing');
    expect(text({ profile: 'exact' })).toContain('is added to every multiplier');
    expect(text({ profile: 'avalanche', ridge: 0.001 })).toContain('is the least that a multiplier may be');
    expect(text({ profile: 'avalanche', ridge: 0.001 })).toContain('adds a ridge of 0.001');
    expect(text({ ridge: 0 })).not.toContain('ridge');
  });

  it('has words for a gradient that vanishes and for dependent gradients', () => {
    const vanished = { ...projection, projectedNorm: 0, turn: null, anglesAfter: [null, null] };
    const text = explainStep(
      { ...record, projection: vanished, details: { ...details, conditionNumber: null } },
      { width: 400 },
    );
    expect(text).toContain('no direction is left');
    expect(text).toContain('linearly dependent');
    expect(text).not.toMatch(/NaN|null|Infinity/);
  });

  it('speaks of steps where the update was projected, and of what the memories are of', () => {
    const text = (changes: Partial<StepRecord>) => explainStep({ ...record, ...changes }, { width: 400 });
    const update = text({ project: 'update' });
    expect(update).toContain(
      "Let g be the step that the optimizer makes on the current batch (loss 2.250), theta - theta'",
    );
    expect(update).toContain('Memory strength 0.5 times the learning rate is added to every multiplier');
    expect(text({ project: 'update', profile: 'avalanche' })).toContain('0.5 times the learning rate is the least');
    expect(text({ groups: 'class', tasks: [0, 7], violated: [1] })).toContain('Violated: class 7 (of 2 past classes)');
    expect(text({ groups: 'class', tasks: [0, 7] })).toContain('z = g + 1.000 g_0 + 0.500 g_7.');
    expect(text({ groups: 'blocks', tasks: [0, 7] })).toContain('the samples remembered from block k');
    expect(text({ groups: 'custom', tasks: [0, 7] })).toContain('Violated: group 0 (of 2 past groups)');
    expect(text({ loss: null })).toContain('(loss -)');
  });

  it('says how far from optimal the multipliers are, where it is more than rounding', () => {
    const far = { ...projection, kkt: { ...kkt, relative: 2.5e-9 } };
    expect(explainStep({ ...record, projection: far }, { width: 400 })).toContain('(KKT) hold to a relative 2.5e-9.');
  });

  it('says what momentum may do after the projection, and where no layer objects', () => {
    const risen = explainStep({ ...record, details: { ...details, realised: [0.3, -0.1], actualChange: null } });
    expect(risen).toContain('weight decay act after the projection');
    expect(risen).not.toContain('actual');
    const agreed = { ...details, layers: details.layers.map((layer) => ({ ...layer, dots: [1, 1] })) };
    expect(explainStep({ ...record, details: agreed })).toContain('no share of <g,g_1> = -2.000 is negative');
    expect(() => explainStep(record, { width: 10 })).toThrow(/width is 10; expected an integer >= 20/);
  });

  it('says it where memory strength breaks a constraint, and blames nothing after the projection for that', () => {
    // g = (1, 1), g_1 = (-1, -1), g_2 = (3, 3): v* = (1, 0) and z* = 0. With 0.5 added to both, z = (1, 1), and <z, g_1> = -2.
    const opposed = [
      [-1, -1],
      [3, 3],
    ];
    const text = explainStep(plainStep([1, 1], opposed, 0.5, 'exact', 0), { width: 400 });
    expect(text).toContain(
      'toward lowering the sum of the losses on the memories. Where their gradients oppose one another that can break a ' +
        'constraint: here it leaves <z,g_1> negative.',
    );

    const entry = fc.integer({ min: -4, max: 4 });
    const vectors = fc
      .record({ t: fc.integer({ min: 1, max: 4 }), p: fc.integer({ min: 1, max: 3 }) })
      .chain(({ t, p }) =>
        fc.array(fc.array(entry, { minLength: p, maxLength: p }), { minLength: t + 1, maxLength: t + 1 }),
      );
    const profile = fc.constantFrom<ProfileName>('exact', 'reference');
    const law = fc.property(
      vectors,
      fc.constantFrom(0, 0.5, 2),
      profile,
      fc.constantFrom(0, 0.5),
      (all, gamma, name, ridge) => {
        const [g, ...G] = all as [number[], ...number[][]];
        const step = plainStep(g, G, gamma, name, ridge);
        const words = explainStep(step, { width: 400 });
        expect(words).not.toContain('act after the projection');
        if (step.projection === null || ridge > 0) return;
        const left = step.projection.dotsAfter.flatMap((d, k) => (d < -1e-9 ? [`<z,g_${k + 1}>`] : []));
        expect(words.includes('it leaves')).toBe(left.length > 0);
        for (const dot of left) expect(words.match(/it leaves (.*) negative/)![1]).toContain(dot);
        if (name === 'reference' || gamma === 0) expect(left).toEqual([]);
      },
    );
    fc.assert(law, { numRuns: 300 });
  });

  it('fits the page whatever the numbers', () => {
    const number = fc.double({ noNaN: true, min: -1e9, max: 1e9 });
    const size = fc.double({ noNaN: true, min: 1e-12, max: 1e9 });
    const angle = fc.option(fc.double({ noNaN: true, min: 0, max: 180 }));
    const records = fc.integer({ min: 1, max: 99 }).chain((t): fc.Arbitrary<StepRecord> => {
      const list = <T>(of: fc.Arbitrary<T>) => fc.array(of, { minLength: t, maxLength: t });
      return fc
        .record({ dots: list(number), v: list(size), dotsAfter: list(number), memoryNorms: list(size) })
        .chain((lists) =>
          fc
            .record({ before: list(angle), after: list(angle), turn: angle, norm: size })
            .map(({ before, after, turn, norm }) => ({
              ...record,
              tasks: Array.from({ length: t }, (_, k) => k),
              dots: lists.dots,
              gradientNorm: norm,
              violated: lists.dots.flatMap((d, k) => (d < 0 ? [k] : [])),
              projection: {
                ...projection,
                ...lists,
                anglesBefore: before,
                anglesAfter: after,
                turn,
                projectedNorm: norm,
              },
            })),
        );
    });
    fc.assert(
      fc.property(records, (any) => {
        for (const line of explainStep(any).split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
      }),
      { numRuns: 50 },
    );
  });
});

const WORKED_OUT = `Step 220, while learning task 3 (profile 'exact', memory strength 0.5). Let g be
the gradient of the loss on the current batch (loss 2.250) and g_k that of the
loss on the samples remembered from task k. A small step along -g changes the
loss on task k in proportion to -<g,g_k>. So where <g,g_k> is negative (an angle
above 90 degrees), what helps the new task harms the old one.

                before                             after
task k  |g_k|  <g,g_k>   angle  violated    v_k  <z,g_k>  angle
     1  2.000   -2.000  135.0°       yes  1.000    2.000  56.3°
     2  1.000    1.000   45.0°        no  0.500    1.500  33.7°

Violated: task 1 (of 2 past tasks). So GEM looks for the vector nearest to g
that has no negative dot product left. It is found from a quadratic program with
one unknown v_k for each past task. The step is taken with z = g + 1.000 g_1 +
0.500 g_2.

That turns the gradient by 78.7 degrees and takes its length from |g| = 1.414 to
|z| = 1.803. Afterwards the widest angle to a past task is 56.3 degrees.

Memory strength 0.5 is added to every multiplier: the constraints alone ask for
v_k - 0.5. It carries z beyond the nearest vector, toward lowering the loss on
the memories too: old tasks may get better instead of just no worse.

The quadratic program behind v rests on 1 constraint; its optimality conditions
(KKT) hold to rounding. The Gram matrix of the past gradients has condition
number 4.000.

The parameters moved by |theta'-theta| = 0.1803. To first order that changes the
loss on task k's memory by <theta'-theta,g_k>; the last column is what it did
change by.

task k  loss before  predicted   actual
     1       0.5000    -0.2000  -0.1900
     2       0.2500    -0.1500  -0.1600

Where the conflict with task 1 sits: of <g,g_1> = -2.000, most of what is
negative comes from 0.weight (-2.000, cosine -1.00); 1 parameter of 2 opposes
it.`;
