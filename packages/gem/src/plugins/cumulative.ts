// Cumulative training: each experience is trained on together with all before it. It forgets nothing, and keeps everything: an upper bound
// for methods with a memory. (Joint training, which sees all at once, is jointExperience; plain fine-tuning is a strategy without plugins.)

import { InvalidOptionError } from '../errors.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import type { Stream } from '../streams/stream.ts';
import { unionOf } from '../streams/union.ts';
import { wantStream } from './options.ts';

export class CumulativePlugin implements StrategyPlugin {
  readonly name = 'cumulative';
  readonly stream: Stream;

  /** @param stream the one that is trained on, in order. @throws InvalidOptionError unless it is one. */
  constructor(stream: Stream) {
    wantStream('CumulativePlugin', stream);
    this.stream = stream;
  }

  /** Puts the training samples of all experiences so far in place of this one's. @throws InvalidOptionError for a foreign experience. */
  beforeTrainDatasetAdaptation(strategy: Strategy): void {
    const { index, name } = strategy.experience!;
    if (this.stream[index] !== strategy.experience) {
      throw new InvalidOptionError('CumulativePlugin', 'experience', name, "one of the plugin's stream, in its place");
    }
    const past = this.stream.slice(0, index + 1);
    strategy.dataset = unionOf(
      past.map(({ train }) => train),
      past.map(({ taskLabel }) => taskLabel),
    );
  }
}
