// Every error class that the packages export, by the name that users import it by and the name that it then gives itself.

import * as autograd from '@gemlab/autograd';
import * as gem from '@gemlab/gem';
import * as tensor from '@gemlab/tensor';

type Named = abstract new (...found: never[]) => Error;

const { GemlabError } = tensor.errors;
const exported = [tensor, tensor.errors, autograd, gem].flatMap((module) => Object.entries(module));
const classes = exported.filter(
  (entry): entry is [string, Named] =>
    entry[1] === GemlabError || (typeof entry[1] === 'function' && entry[1].prototype instanceof GemlabError),
);

function thrown(): string {
  try {
    tensor.ones([2, 3]).matmul(tensor.ones([4, 3]));
  } catch (error) {
    return String(error);
  }
  return 'nothing';
}

Object.assign(globalThis, { names: classes.map(([name, type]) => [name, type.name]), thrown: thrown() });
