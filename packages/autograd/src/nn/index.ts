// nn: modules with parameters, and how their weights start.

export { Buffer } from './buffer.ts';
export * as init from './init.ts';
export { Linear, type LinearOptions, MLP, ReLU, Sequential } from './layers.ts';
export { Module, type Task } from './module.ts';
export { MultiHead, TaskMask } from './multi-head.ts';
export type { LoadReport } from './state.ts';
