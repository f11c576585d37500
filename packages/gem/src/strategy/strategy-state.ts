// What a strategy's next step depends on, as a state: the model's values, the optimizer's memory, every generator, the plugins that
// remember something, the clock, and in the middle of an update the gradients accumulated so far. Tensors are named by owner:
// 'model/0.weight', 'optimizer/3.momentum', 'plugins/0/1.inputs', 'gradients/3'.

import type { optim } from '@gemlab/autograd';
import { keep, Rng, type RngState, type Tensor } from '@gemlab/tensor';
import { type Json, type State, type Stateful, StateMismatchError } from '../state.ts';
import type { StrategyPlugin } from './callbacks.ts';
import type { Clock, EvalResult, Strategy } from './strategy.ts';

/** What the strategy alone knows. */
export interface Inner {
  readonly order: RngState | null;
  readonly ending: boolean;
}

export interface Data {
  readonly clock: Clock;
  readonly order: RngState | null;
  readonly ending: boolean;
  /** Losses are text: they may be NaN or infinite. */
  readonly lastLoss: string;
  readonly results: readonly (Omit<EvalResult, 'loss'> & { readonly loss: string })[];
  /** Of the strategy, and of the modules by path ('layers.2.rng'). */
  readonly rng: RngState;
  readonly moduleRngs: Readonly<Record<string, RngState>>;
  readonly optimizer: Omit<optim.OptimizerState, 'tensors'>;
  /** Those that have a state, in order. */
  readonly plugins: readonly { readonly name: string; readonly data: Json }[];
}

type Tensors = State['tensors'];

/** The tensors under an owner's name, and those of an owner. */
export const owned = (owner: string, tensors: Tensors): [string, Tensor][] =>
  Object.entries(tensors).map(([name, x]) => [`${owner}/${name}`, x]);
export const ofOwner = (owner: string, tensors: Tensors): Tensors => {
  const prefix = `${owner}/`;
  const own = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, x]) => [name.slice(prefix.length), x]));
};

/** The generators that modules hold as properties of theirs: those of dropout and its like. */
export function moduleRngs({ model }: Strategy): [path: string, rng: Rng][] {
  return [...model.namedModules()].flatMap(([path, module]) =>
    Object.entries(module).flatMap(([name, value]): [string, Rng][] =>
      value instanceof Rng ? [[path === '' ? name : `${path}.${name}`, value]] : [],
    ),
  );
}

/** Plugins that only look on may come and go. */
export const statefulPlugins = ({ plugins }: Strategy) =>
  plugins.filter((plugin): plugin is StrategyPlugin & Stateful => plugin.stateDict !== undefined);

export function writeStrategy(strategy: Strategy, { order, ending }: Inner): State {
  const { tensors: slots, ...optimizer } = strategy.optimizer.stateDict();
  const plugins = statefulPlugins(strategy).map((plugin) => ({ name: plugin.name, ...plugin.stateDict() }));
  const given = strategy.optimizer.parameters.map(({ grad }, i) => [String(i), grad?.value] as const);
  const gradients = Object.fromEntries(given.filter((entry): entry is [string, Tensor] => entry[1] !== undefined));
  const data: Data = {
    clock: { ...strategy.clock },
    order,
    ending,
    lastLoss: String(strategy.lastLoss),
    results: strategy.results.map((result) => ({ ...result, loss: String(result.loss) })),
    rng: strategy.rng.state,
    moduleRngs: Object.fromEntries(moduleRngs(strategy).map(([path, rng]) => [path, rng.state])),
    optimizer: {
      ...optimizer,
      groups: optimizer.groups.map(({ size, options }) => ({ size, options: { ...options } })),
    },
    plugins: plugins.map(({ name, data }) => ({ name, data })),
  };
  const tensors = Object.fromEntries([
    ...owned('model', strategy.model.stateDict()),
    ...owned('optimizer', slots),
    ...owned('gradients', gradients),
    ...plugins.flatMap(({ tensors }, i) => owned(`plugins/${i}`, tensors)),
  ]);
  return { tensors, data: data as unknown as Json };
}

export const dataOf = (state: State) => state.data as unknown as Data;

/** The clock of a state. */
export const readClock = (state: State): Readonly<Clock> => dataOf(state).clock;

/** The state of the generator from which the order of its epoch was drawn. */
export function readOrder(state: State): RngState {
  const { order } = dataOf(state);
  if (order !== null) return order;
  throw new StateMismatchError('Strategy.train', 'order', order, 'the state of a strategy in the middle of an epoch');
}

/** Loads all of a state or, if some part does not fit, nothing. */
export function readStrategy(strategy: Strategy, state: State): Inner {
  const before = writeStrategy(strategy, { order: null, ending: false });
  try {
    return load(strategy, state);
  } catch (error) {
    load(strategy, before);
    throw error;
  }
}

function load(strategy: Strategy, { tensors, data: json }: State): Inner {
  const want = (part: string, found: unknown, expected: unknown) => {
    if (JSON.stringify(found) === JSON.stringify(expected)) return;
    throw new StateMismatchError('Strategy.loadStateDict', part, found, JSON.stringify(expected));
  };
  const data = json as unknown as Data | null;
  want('data', typeof data?.clock, 'object');
  const { clock, plugins, optimizer, lastLoss, results, rng, order, ending } = data!;
  const stateful = statefulPlugins(strategy);
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);
  want('plugins', Array.isArray(plugins) ? names(plugins) : typeof plugins, names(stateful));
  const rngs = moduleRngs(strategy);
  want(
    'moduleRngs',
    Object.keys(data!.moduleRngs ?? {}),
    rngs.map(([path]) => path),
  );
  want('results', Array.isArray(results) ? [] : results, []);
  for (const count of Object.keys(strategy.clock) as (keyof Clock)[])
    want(`clock.${count}`, typeof clock[count], 'number');

  const { parameters } = strategy.optimizer;
  const gradients = ofOwner('gradients', tensors);
  for (const [i, gradient] of Object.entries(gradients)) {
    want(
      `gradients of ${i}`,
      [gradient.dtype, gradient.shape],
      [parameters[Number(i)]?.dtype, parameters[Number(i)]?.shape],
    );
  }
  strategy.model.loadStateDict(ofOwner('model', tensors));
  strategy.optimizer.loadStateDict({ ...optimizer, tensors: ofOwner('optimizer', tensors) });
  strategy.zeroGrad();
  parameters.forEach((p, i) => {
    const gradient = gradients[String(i)];
    if (gradient !== undefined) p.grad = p.lift('grad', keep(gradient.to(p.value.device)), p.dtype);
  });
  stateful.forEach((plugin, i) => {
    plugin.loadStateDict({ tensors: ofOwner(`plugins/${i}`, tensors), data: plugins[i]!.data });
  });
  for (const [path, generator] of rngs) generator.restore(data!.moduleRngs[path]!);
  strategy.rng.restore(rng);
  Object.assign(strategy.clock, clock);
  strategy.lastLoss = Number(lastLoss);
  strategy.results = results.map((result) => ({ ...result, loss: Number(result.loss) }));
  return { order, ending };
}
