// The state of a strategy in terms of one that was built from another configuration: what a branched run begins with. What both
// have is taken from the state, what only the new one has is as it was built.

import type { optim } from '@gemlab/autograd';
import type { Json, State } from '../state.ts';
import type { Strategy } from './strategy.ts';
import { type Data, dataOf, ofOwner, owned, statefulPlugins } from './strategy-state.ts';

type Groups = optim.OptimizerState['groups'];

/**
 * A function from states of a strategy whose state was `built` when it was made, to states that `strategy` can load. Options of the
 * optimizer are those of the state (a schedule may have moved them), save those that the two were built with differently.
 * @param strategy as it was built; its plugins are used up.
 */
export function translator(strategy: Strategy, built: State): (state: State) => State {
  const fresh = strategy.stateDict();
  const [before, after] = [dataOf(built), dataOf(fresh)];
  const stateful = statefulPlugins(strategy);
  return (state) => {
    const data = dataOf(state);
    const plugins = stateful.map((plugin, i) => {
      const { name } = plugin;
      const match = sameAs(after.plugins, i, data.plugins);
      const own = partOf(fresh, i);
      if (match === undefined) return { name, ...own };
      if (plugin.adoptState === undefined) return { name, ...partOf(state, match) };
      plugin.loadStateDict(own);
      plugin.adoptState(partOf(state, match));
      return { name, ...plugin.stateDict() };
    });
    const groups = mergeGroups(data.optimizer.groups, before.optimizer.groups, after.optimizer.groups);
    const rngs = Object.entries(after.moduleRngs).map(([path, rng]) => [path, data.moduleRngs[path] ?? rng] as const);
    const translated: Data = {
      ...data,
      moduleRngs: Object.fromEntries(rngs),
      optimizer: { ...data.optimizer, groups },
      plugins: plugins.map(({ name, data }) => ({ name, data })),
    };
    const tensors = Object.fromEntries([
      ...['model', 'optimizer', 'gradients'].flatMap((owner) => owned(owner, ofOwner(owner, state.tensors))),
      ...plugins.flatMap(({ tensors }, i) => owned(`plugins/${i}`, tensors)),
    ]);
    return { tensors, data: translated as unknown as Json };
  };
}

/** The state of stateful plugin i. */
const partOf = (state: State, i: number): State => ({
  tensors: ofOwner(`plugins/${i}`, state.tensors),
  data: dataOf(state).plugins[i]!.data,
});

/** Where the others have the plugin of the same name: the first its first, the second its second. */
function sameAs(plugins: Data['plugins'], i: number, others: Data['plugins']): number | undefined {
  const { name } = plugins[i]!;
  const nth = plugins.slice(0, i).filter((plugin) => plugin.name === name).length;
  return others.flatMap((other, k) => (other.name === name ? [k] : []))[nth];
}

/** The options of each group: those now, unless `after` was built with others than `before`. */
function mergeGroups(now: Groups, before: Groups, after: Groups): Groups {
  return now.map((group, i) => {
    const changed = Object.entries(after[i]?.options ?? {}).filter(
      ([name, value]) => JSON.stringify(value) !== JSON.stringify(before[i]?.options[name]),
    );
    return { ...group, options: { ...group.options, ...Object.fromEntries(changed) } };
  });
}
