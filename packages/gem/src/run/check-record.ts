// What a line of records must be, as data: for each field the check that it has to pass. (StepLine, EvalLine and StepRecord say what it means.)

import { profiles } from '../profiles.ts';
import { RECORD_SCHEMA } from './records.ts';

export interface Fault {
  readonly fault: 'damaged' | 'foreign' | 'version';
  readonly path: string;
  readonly found: unknown;
  readonly expected: string;
}

/** Finds what is wrong with a value, or null. */
type Check = (value: unknown, path: string) => Fault | null;

const must =
  (holds: (value: unknown) => boolean, expected: string): Check =>
  (found, path) =>
    holds(found) ? null : { fault: 'damaged', path, found, expected };

const isNumber = (value: unknown) => typeof value === 'number';
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const number = must(isNumber, 'a number');
const length = must((value) => isNumber(value) && (value as number) >= 0, 'a number >= 0');
const text = must((value) => typeof value === 'string', 'text');
const count = must((value) => Number.isSafeInteger(value) && (value as number) >= 0, 'an integer >= 0');
const oneOf = (...known: readonly unknown[]): Check =>
  must((value) => known.includes(value), `one of ${known.join(', ')}`);
const nullOr =
  (check: Check): Check =>
  (value, path) =>
    value === null ? null : check(value, path);

/** A list of n, or of any length. */
const list =
  (check: Check, n?: number): Check =>
  (found, path) => {
    if (!Array.isArray(found) || (n !== undefined && found.length !== n)) {
      return { fault: 'damaged', path, found, expected: n === undefined ? 'a list' : `a list of ${n}` };
    }
    return first(found.map((item, i) => () => check(item, `${path}.${i}`)));
  };

const fields =
  (checks: Readonly<Record<string, Check>>): Check =>
  (found, path) => {
    if (!isObject(found)) return { fault: 'damaged', path, found, expected: 'an object' };
    const under = (name: string) => (path === '' ? name : `${path}.${name}`);
    return first(
      Object.entries(checks).map(
        ([name, check]) =>
          () =>
            check(found[name], under(name)),
      ),
    );
  };

function first(checks: readonly (() => Fault | null)[]): Fault | null {
  for (const check of checks) {
    const fault = check();
    if (fault !== null) return fault;
  }
  return null;
}

/** A StepRecord of t memories; a list of positions holds such below t. */
const stepRecord: Check = (found, path) => {
  const tasks = isObject(found) ? found.tasks : undefined;
  const t = Array.isArray(tasks) ? tasks.length : 0;
  const each = (check: Check) => list(check, t);
  const positions = list(must((k) => Number.isSafeInteger(k) && (k as number) >= 0 && (k as number) < t, `below ${t}`));
  const maybe = nullOr(number);
  const layer = fields({
    name: text,
    norm: length,
    memoryNorms: each(length),
    dots: each(number),
    cosines: each(maybe),
  });
  return fields({
    step: count,
    experience: count,
    loss: maybe,
    profile: oneOf(...Object.keys(profiles)),
    memoryStrength: length,
    ridge: length,
    project: oneOf('gradient', 'update'),
    groups: oneOf('experience', 'class', 'blocks', 'custom'),
    tasks: list(count),
    memoryLosses: each(maybe),
    dots: each(number),
    gradientNorm: length,
    violated: positions,
    gram: nullOr(each(each(number))),
    projection: nullOr(
      fields({
        v: each(number),
        active: positions,
        dotsAfter: each(number),
        projectedNorm: length,
        memoryNorms: each(length),
        anglesBefore: each(maybe),
        anglesAfter: each(maybe),
        turn: maybe,
        kkt: fields({ stationarity: number, primal: number, dual: number, complementarity: number, relative: number }),
      }),
    ),
    details: nullOr(
      fields({
        conditionNumber: maybe,
        updateNorm: length,
        realised: each(number),
        actualChange: nullOr(each(maybe)),
        layers: list(layer),
      }),
    ),
  })(found, path);
};

const stepLine = fields({
  step: count,
  experience: count,
  epoch: count,
  iteration: count,
  loss: nullOr(number),
  // Other plugins' records are their own affair.
  plugins: (found, path) => {
    const gem = isObject(found) && found.gem !== undefined ? { gem: stepRecord } : {};
    return fields(gem)(found, path);
  },
});

const evalLine = fields({
  step: count,
  trained: count,
  results: list(
    fields({
      experience: count,
      name: text,
      accuracy: must((value) => isNumber(value) && (value as number) >= 0 && (value as number) <= 1, 'from 0 to 1'),
      loss: nullOr(number),
      samples: count,
    }),
  ),
});

/** What is wrong with a line, as it came out of JSON. */
export function faultOf(value: unknown): Fault | null {
  const foreign = {
    fault: 'foreign',
    path: '',
    found: value,
    expected: "a record line, of kind 'step' or 'eval'",
  } as const;
  if (!isObject(value) || (value.kind !== 'step' && value.kind !== 'eval')) return foreign;
  const { schema, kind } = value;
  if (schema !== RECORD_SCHEMA) {
    return {
      fault: 'version',
      path: 'schema',
      found: schema,
      expected: `${RECORD_SCHEMA}, which is what this version reads`,
    };
  }
  return (kind === 'step' ? stepLine : evalLine)(value, '');
}
