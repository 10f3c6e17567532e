import { IntField } from './fields';

/** Query of every list (contract, section 7). */
export class ListQuery {
  @IntField(1, 1_000_000_000, { default: 1 })
  page!: number;

  @IntField(1, 100, { default: 25 })
  perPage!: number;
}

export interface List<T> {
  readonly items: readonly T[];
  readonly meta: { readonly count: number; readonly page: number; readonly perPage: number };
}

export function listOf<T>(items: readonly T[], count: number, { page, perPage }: ListQuery): List<T> {
  return { items, meta: { count, page, perPage } };
}

export function offsetOf({ page, perPage }: ListQuery): number {
  return (page - 1) * perPage;
}
