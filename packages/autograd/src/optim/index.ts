// optim: what moves parameters along their gradients.

export { type Optimizer, SGD, type SGDOptions } from './sgd.ts';
