// One step of GEM in words and numbers, from the plain data of its StepRecord. Notation is the paper's: g is the gradient of the current
// batch, g_k that of the memory of past task k, z the gradient that the optimizer gets instead of g:
//
//   z = g + sum_k v_k g_k,   v >= 0 such that z is the vector nearest to g with <z, g_k> >= 0 for all k (memory strength adds to v)

import { type ProfileName, type ProjectionRecord, profiles, type StepRecord } from '@gemlab/gem';
import { column, counted, fixed, listing, significant } from './numbers.ts';
import { table, wrap } from './text.ts';

/** Tasks are numbered from 1, as in the accuracy matrix. */
export function explainStep(record: StepRecord, width: number): string[] {
  const text = (...sentences: readonly string[]) => [...wrap(sentences.join(' '), width), ''];
  const { projection } = record;
  return [
    ...text(
      `Step ${record.step + 1}, while learning task ${record.experience + 1}`,
      `(profile '${record.profile}', memory strength ${record.memoryStrength}).`,
      `Let g be the gradient of the loss on the current batch (loss ${significant(record.loss)}) and g_k that of the`,
      'loss on the samples remembered from task k. A small step along -g changes the loss on task k in',
      'proportion to -<g,g_k>. So where <g,g_k> is negative (an angle above 90 degrees), what helps the new task harms the old one.',
    ),
    ...(projection === null ? dotTable(record) : stepTable(record, projection)),
    '',
    ...(projection === null
      ? text('No dot product is negative: the step harms no past task, so GEM leaves g as it is.')
      : [
          ...text(violatedText(record), equation(record, projection)),
          ...text(...turnText(record, projection)),
          ...text(strengthText(record)),
          ...text(...proofText(record, projection)),
        ]),
  ].slice(0, -1);
}

/** The past tasks in which the plain step would be harmful, numbered from 1. */
function violatedTasks({ violated, tasks }: StepRecord): number[] {
  return violated.map((i) => tasks[i]! + 1);
}

function dotTable({ tasks, dots }: StepRecord): string[] {
  const dot = column(dots);
  return table([['task k', '<g,g_k>'], ...tasks.map((k, i) => [String(k + 1), dot[i]!])], ['right', 'right']);
}

function stepTable({ tasks, dots, violated }: StepRecord, p: ProjectionRecord): string[] {
  const columns = [
    tasks.map((k) => String(k + 1)),
    column(p.memoryNorms),
    column(dots),
    degrees(p.anglesBefore),
    tasks.map((_, i) => (violated.includes(i) ? 'yes' : 'no')),
    column(p.v),
    column(p.dotsAfter),
    degrees(p.anglesAfter),
  ];
  const head = ['task k', '|g_k|', '<g,g_k>', 'angle', 'violated', 'v_k', '<z,g_k>', 'angle'];
  const rows = tasks.map((_, i) => columns.map((cells) => cells[i]!));
  return table(
    [['', '', 'before', '', '', '', 'after', ''], head, ...rows],
    head.map(() => 'right'),
  );
}

/** null stands for the angle of a zero vector. */
function degrees(angles: readonly (number | null)[]): string[] {
  return angles.map((angle) => (angle === null ? '-' : `${fixed(angle, 1)}°`));
}

function violatedText(record: StepRecord): string {
  const names = violatedTasks(record);
  const which = `${names.length === 1 ? 'task' : 'tasks'} ${listing(names)}`;
  return (
    `Violated: ${which} (of ${counted(record.tasks.length, 'past task')}). So GEM looks for the vector nearest to g that has no ` +
    'negative dot product left. It is found from a quadratic program with one unknown v_k for each past task. The step is taken with'
  );
}

/** z = g + 0.51 g_1 + 0.5 g_2, with the tasks whose multiplier is zero left out. */
function equation({ tasks }: StepRecord, { v }: ProjectionRecord): string {
  const multipliers = column(v);
  const terms = tasks.flatMap((k, i) => (Number(multipliers[i]) === 0 ? [] : [`${multipliers[i]} g_${k + 1}`]));
  return `z = ${['g', ...terms].join(' + ')}.`;
}

function turnText({ gradientNorm }: StepRecord, { projectedNorm, turn, anglesAfter }: ProjectionRecord): string[] {
  const [before, after] = column([gradientNorm, projectedNorm]);
  const lengths = `its length from |g| = ${before} to |z| = ${after}`;
  if (turn === null)
    return [`That takes ${lengths}: no direction is left that helps the new task and harms no old one.`];
  const widest = Math.max(...anglesAfter.map((angle) => angle ?? 0));
  return [
    `That turns the gradient by ${fixed(turn, 1)} degrees and takes ${lengths}.`,
    `Afterwards the widest angle to a past task is ${fixed(widest, 1)} degrees.`,
  ];
}

function strengthText({ memoryStrength, profile }: StepRecord): string {
  if (memoryStrength === 0) return 'Memory strength 0 adds nothing: z is that nearest vector itself.';
  const how =
    profiles[profile as ProfileName].gamma === 'added'
      ? `is added to every multiplier: the constraints alone ask for v_k - ${memoryStrength}`
      : `is the least that a multiplier may be: where v_k is larger, the constraints ask for it`;
  return (
    `Memory strength ${memoryStrength} ${how}. It carries z beyond the nearest vector, toward lowering the loss on the memories ` +
    'too: old tasks may get better instead of just no worse.'
  );
}

function proofText({ ridge }: StepRecord, { kkt, active, conditionNumber }: ProjectionRecord): string[] {
  const residual = kkt.relative.toExponential(1);
  const lines = [
    `The quadratic program behind v rests on ${counted(active.length, 'constraint')}; its optimality conditions (KKT) hold to a relative ${residual}`,
    '(about 1e-16 is all that float64 can hold).',
  ];
  lines.push(
    conditionNumber === null
      ? 'The past gradients are linearly dependent.'
      : `The Gram matrix of the past gradients has condition number ${significant(conditionNumber)}.`,
  );
  if (ridge > 0) {
    lines.push(
      `This profile adds a ridge of ${ridge} to that matrix, so <z,g_k> may stay negative by up to ${ridge} v_k.`,
    );
  }
  return lines;
}
