import type { Provider, Type } from '@nestjs/common';

/** One feature of a context, in a folder of its own: removing the folder and its line in `slices.ts` removes it. */
export interface Slice {
  readonly controllers?: readonly Type[];
  readonly providers?: readonly Provider[];
}

export function controllersOf(slices: Readonly<Record<string, Slice>>): Type[] {
  return Object.values(slices).flatMap(({ controllers }) => controllers ?? []);
}

export function providersOf(slices: Readonly<Record<string, Slice>>): Provider[] {
  return Object.values(slices).flatMap(({ providers }) => providers ?? []);
}
