// One step of GEM in words and numbers, from the plain data of its StepRecord. Notation is the paper's: g is the gradient of the current
// batch, g_k that of the memory of past task k, z the gradient that the optimizer gets instead of g:
//
//   z = g + sum_k v_k g_k,   v >= 0 such that z is the vector nearest to g with <z, g_k> >= 0 for all k (memory strength adds to v)
//
// Where the update is projected, g and z are the steps of the optimizer instead, and the words say so.

import { InvalidOptionError } from './errors.ts';
import { column, counted, fixed, listing, plural, significant, table, wrap } from './plain-text.ts';
import { type ProfileName, profiles } from './profiles.ts';
import type { LayerConflict, ProjectionRecord, StepDetails, StepRecord } from './step-record.ts';

export interface ExplainOptions {
  /** Columns of the page, 20 at least. Lines of words keep to it, tables are as wide as their numbers. Default 80. */
  readonly width?: number;
}

/** What memories are grouped by, in words, and how a memory is numbered: people count tasks from 1. */
const NOUNS = {
  experience: { noun: 'task', first: 1 },
  class: { noun: 'class', first: 0 },
  blocks: { noun: 'block', first: 1 },
  custom: { noun: 'group', first: 0 },
} as const satisfies Record<StepRecord['groups'], object>;

/**
 * A step in plain words: which memories it would have harmed, what GEM did about it, and what came of it.
 * @throws InvalidOptionError for a page narrower than 20 columns.
 */
export function explainStep(record: StepRecord, { width = 80 }: ExplainOptions = {}): string {
  if (!Number.isInteger(width) || width < 20) {
    throw new InvalidOptionError('explainStep', 'width', width, 'an integer >= 20');
  }
  const text = (...sentences: readonly string[]) => [...wrap(sentences.join(' '), width), ''];
  const { projection, details } = record;
  const lines = [
    ...text(...introduction(record)),
    ...(projection === null ? dotTable(record) : stepTable(record, projection)),
    '',
    ...(projection === null
      ? text(harmlessText(record))
      : [
          ...text(violatedText(record), equation(record, projection)),
          ...text(...turnText(record, projection)),
          ...text(...strengthText(record, projection)),
          ...text(...proofText(record, projection)),
        ]),
    ...(details === null
      ? []
      : [
          ...text(movedText(record, details)),
          ...outcomeTable(record, details),
          '',
          ...text(layersText(record, details)),
        ]),
  ];
  return lines.join('\n').trimEnd();
}

function introduction(record: StepRecord): string[] {
  const { step, experience, profile, memoryStrength, loss, project } = record;
  const { noun } = NOUNS[record.groups];
  const of = `(loss ${significant(loss)})`;
  const g =
    project === 'gradient'
      ? `the gradient of the loss on the current batch ${of}`
      : `the step that the optimizer makes on the current batch ${of}, theta - theta',`;
  return [
    `Step ${step + 1}, while learning task ${experience + 1}`,
    `(profile '${profile}', memory strength ${memoryStrength}).`,
    `Let g be ${g} and g_k ${project === 'gradient' ? 'that of the' : 'the gradient of the'}`,
    `loss on the samples remembered from ${noun} k. A small step along -g changes the loss on ${noun} k in`,
    `proportion to -<g,g_k>. So where <g,g_k> is negative (an angle above 90 degrees), what helps the new task harms the old one.`,
  ];
}

/** Memories as people number them. */
const number = (record: StepRecord, k: number): number => k + NOUNS[record.groups].first;
const numbers = (record: StepRecord): string[] => record.tasks.map((k) => String(number(record, k)));

function harmlessText({ project, groups }: StepRecord): string {
  const done = project === 'gradient' ? 'leaves g as it is' : "leaves the optimizer's step as it is";
  return `No dot product is negative: the step harms no past ${NOUNS[groups].noun}, so GEM ${done}.`;
}

function dotTable(record: StepRecord): string[] {
  const dot = column(record.dots);
  return table([[`${NOUNS[record.groups].noun} k`, '<g,g_k>'], ...numbers(record).map((k, i) => [k, dot[i]!])]);
}

function stepTable(record: StepRecord, p: ProjectionRecord): string[] {
  const { tasks, dots, violated } = record;
  const columns = [
    numbers(record),
    column(p.memoryNorms),
    column(dots),
    degrees(p.anglesBefore),
    tasks.map((_, i) => (violated.includes(i) ? 'yes' : 'no')),
    column(p.v),
    column(withoutRounding(record, p)),
    degrees(p.anglesAfter),
  ];
  const noun = `${NOUNS[record.groups].noun} k`;
  const head = [noun, '|g_k|', '<g,g_k>', 'angle', 'violated', 'v_k', '<z,g_k>', 'angle'];
  const rows = tasks.map((_, i) => columns.map((cells) => cells[i]!));
  return table([['', '', 'before', '', '', '', 'after', ''], head, ...rows]);
}

/** <z, g_k>, and 0 where that is what is left of a constraint that holds with equality: rounding of the terms that make up z. */
function withoutRounding({ gradientNorm }: StepRecord, { v, dotsAfter, memoryNorms }: ProjectionRecord): number[] {
  const terms = memoryNorms.reduce((sum, norm, k) => sum + v[k]! * norm, gradientNorm);
  return dotsAfter.map((d, k) => (Math.abs(d) <= 1e-12 * terms * memoryNorms[k]! ? 0 : d));
}

/** null stands for the angle of a zero vector. */
function degrees(angles: readonly (number | null)[]): string[] {
  return angles.map((angle) => (angle === null ? '-' : `${fixed(angle, 1)}°`));
}

function violatedText(record: StepRecord): string {
  const { noun } = NOUNS[record.groups];
  const names = record.violated.map((i) => number(record, record.tasks[i]!));
  const which = `${names.length === 1 ? noun : plural(noun)} ${listing(names)}`;
  return (
    `Violated: ${which} (of ${record.tasks.length} past ${record.tasks.length === 1 ? noun : plural(noun)}). So GEM looks for the vector nearest to g that has no ` +
    `negative dot product left. It is found from a quadratic program with one unknown v_k for each past ${noun}. The step is taken with`
  );
}

/** z = g + 0.51 g_1 + 0.5 g_2, with the tasks whose multiplier is zero left out. */
function equation(record: StepRecord, { v }: ProjectionRecord): string {
  const multipliers = column(v);
  const terms = record.tasks.flatMap((k, i) =>
    Number(multipliers[i]) === 0 ? [] : [`${multipliers[i]} g_${number(record, k)}`],
  );
  return `z = ${['g', ...terms].join(' + ')}.`;
}

function turnText(record: StepRecord, { projectedNorm, turn, anglesAfter }: ProjectionRecord): string[] {
  const [before, after] = column([record.gradientNorm, projectedNorm]);
  const { noun } = NOUNS[record.groups];
  const lengths = `its length from |g| = ${before} to |z| = ${after}`;
  if (turn === null)
    return [`That takes ${lengths}: no direction is left that helps the new task and harms no old one.`];
  const widest = Math.max(...anglesAfter.map((angle) => angle ?? 0));
  return [
    `That turns ${record.project === 'gradient' ? 'the gradient' : 'the step'} by ${fixed(turn, 1)} degrees and takes ${lengths}.`,
    `Afterwards the widest angle to a past ${noun} is ${fixed(widest, 1)} degrees.`,
  ];
}

function strengthText(record: StepRecord, p: ProjectionRecord): string[] {
  const { memoryStrength, profile, project } = record;
  if (memoryStrength === 0) return ['Memory strength 0 adds nothing: z is that nearest vector itself.'];
  const [unit, bare] =
    project === 'gradient' ? ['', `v_k - ${memoryStrength}`] : [' times the learning rate', 'that much less'];
  const isAdded = profiles[profile as ProfileName].gamma === 'added';
  const how = isAdded
    ? `is added to every multiplier: the constraints alone ask for ${bare}`
    : `is the least that a multiplier may be: where v_k is larger, the constraints ask for it`;
  const beyond = `Memory strength ${memoryStrength}${unit} ${how}. It carries z beyond the nearest vector, toward lowering`;
  const broken = isAdded ? brokenBeyondRidge(record, p) : [];
  if (broken.length === 0) {
    return [`${beyond} the loss on the memories too: old tasks may get better instead of just no worse.`];
  }
  return [
    `${beyond} the sum of the losses on the memories.`,
    `Where their gradients oppose one another that can break a constraint: here it leaves ${listing(broken)} negative.`,
  ];
}

/** The <z,g_k> that are less than the ridge lets them be. */
function brokenBeyondRidge(record: StepRecord, p: ProjectionRecord): string[] {
  const after = withoutRounding(record, p);
  return record.tasks.flatMap((k, i) => (after[i]! < -record.ridge * p.v[i]! ? [`<z,g_${number(record, k)}>`] : []));
}

/** A residual of which float64 has nothing more to say. */
const ROUNDING = 1e-14;

function proofText({ ridge, details }: StepRecord, { kkt, active }: ProjectionRecord): string[] {
  const residual = kkt.relative <= ROUNDING ? 'rounding' : `a relative ${kkt.relative.toExponential(1)}`;
  const lines = [
    `The quadratic program behind v rests on ${counted(active.length, 'constraint')}; its optimality conditions (KKT) hold to ${residual}.`,
  ];
  if (details !== null) {
    lines.push(
      details.conditionNumber === null
        ? 'The past gradients are linearly dependent.'
        : `The Gram matrix of the past gradients has condition number ${significant(details.conditionNumber)}.`,
    );
  }
  if (ridge > 0) {
    lines.push(
      `This profile adds a ridge of ${ridge} to that matrix, so <z,g_k> may stay negative by up to ${ridge} v_k.`,
    );
  }
  return lines;
}

function movedText(record: StepRecord, { updateNorm, realised, actualChange }: StepDetails): string {
  const { noun } = NOUNS[record.groups];
  const after = record.projection === null ? record.dots : withoutRounding(record, record.projection);
  // Beyond rounding, and where the projection promised none.
  const rises = realised.some(
    (change, k) => after[k]! >= 0 && change > 1e-6 * updateNorm * Math.sqrt(record.gram?.[k]?.[k] ?? 0),
  );
  return [
    `The parameters moved by |theta'-theta| = ${significant(updateNorm)}. To first order that changes the loss on ${noun} k's memory by`,
    `<theta'-theta,g_k>${actualChange === null ? '' : '; the last column is what it did change by'}.`,
    rises && record.project === 'gradient'
      ? 'It may rise where <z,g_k> is not negative: momentum, scaling and weight decay act after the projection.'
      : '',
  ].join(' ');
}

function outcomeTable(record: StepRecord, { realised, actualChange }: StepDetails): string[] {
  const head = [`${NOUNS[record.groups].noun} k`, 'loss before', 'predicted', ...(actualChange ? ['actual'] : [])];
  const columns = [
    numbers(record),
    column(record.memoryLosses),
    column(realised),
    ...(actualChange ? [column(actualChange)] : []),
  ];
  return table([head, ...record.tasks.map((_, i) => columns.map((cells) => cells[i]!))]);
}

/** Where in the model the conflict with the memory that g opposes most (or agrees with least) sits. */
function layersText(record: StepRecord, { layers }: StepDetails): string {
  const { noun } = NOUNS[record.groups];
  const worst = record.dots.indexOf(Math.min(...record.dots));
  const name = number(record, record.tasks[worst]!);
  const against = layers.filter(({ dots }) => dots[worst]! < 0).sort((a, b) => a.dots[worst]! - b.dots[worst]!);
  const product = `<g,g_${name}> = ${significant(record.dots[worst]!)}`;
  const [most] = against;
  if (most === undefined) return `Parameter by parameter, no share of ${product} is negative.`;
  const share = ({ name, dots, cosines }: LayerConflict) =>
    `${name} (${significant(dots[worst]!)}, cosine ${fixed(cosines[worst] ?? 0, 2)})`;
  const rest = against.slice(1, 3).map(share);
  return (
    `Where the conflict with ${noun} ${name} sits: of ${product}, most of what is negative comes from ${share(most)}` +
    `${rest.length === 0 ? '' : `, then ${listing(rest)}`}; ${counted(against.length, 'parameter')} of ${layers.length} ${against.length === 1 ? 'opposes' : 'oppose'} it.`
  );
}
