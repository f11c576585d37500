// What a memory pass does to layers with running statistics (batch normalisation), which is the profile's choice or the caller's. A layer
// has running statistics if it holds a Buffer.

import { nn } from '@gemlab/autograd';
import type { BatchNormMode } from '../profiles.ts';

/** Runs `fn`, in which memories pass through the model. Layers' modes, and unless it is 'update' their buffers, are put back. */
export function inMemoryPass<T>(model: nn.Module, mode: BatchNormMode, fn: () => T): T {
  if (mode === 'update') return fn();
  const layers = layersWithStatistics(model).map(({ layer, buffers }) => ({
    layer,
    training: layer.training,
    buffers: buffers.map((buffer) => ({ buffer, value: buffer.value })),
  }));
  if (mode === 'frozen') for (const { layer } of layers) layer.training = false;
  try {
    return fn();
  } finally {
    for (const { layer, training, buffers } of layers) {
      layer.training = training;
      for (const { buffer, value } of buffers) if (buffer.value !== value) buffer.assign(value);
    }
  }
}

/** The layers with running statistics, and where they are in the model. */
export function layersWithStatistics(model: nn.Module): { path: string; layer: nn.Module; buffers: nn.Buffer[] }[] {
  return [...model.namedModules()].flatMap(([path, layer]) => {
    const buffers = Object.values(layer).filter((member) => member instanceof nn.Buffer);
    return buffers.length === 0 ? [] : [{ path, layer, buffers }];
  });
}
