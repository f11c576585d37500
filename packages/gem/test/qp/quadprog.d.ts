// The package has no types of its own. All arrays count from 1.
declare module 'quadprog' {
  type OneBased<T> = (T | undefined)[];
  export function solveQP(
    D: OneBased<OneBased<number>>,
    d: OneBased<number>,
    C: OneBased<OneBased<number>>,
    c: OneBased<number>,
    equalities: number,
  ): { readonly value: OneBased<number>; readonly solution: OneBased<number>; readonly message: string };
}
