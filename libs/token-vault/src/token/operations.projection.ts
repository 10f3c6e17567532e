import type { RetrievalEvent, TokenEvent } from '@symbolon/contracts';
import type { Recorded } from '@symbolon/kernel';
import { insert, type Projection, type RowChange } from '@symbolon/projection';

const table = 'token_vault.operation';

export const operationKinds = ['reserved', 'exchanged', 'requested', 'downloaded', 'updated', 'deleted'] as const;
export type OperationKind = (typeof operationKinds)[number];

/** The event by which each operation has succeeded. */
const kinds = {
  'data_token.space_reserved': 'reserved',
  'data_token.made_permanent': 'exchanged',
  'data_token.data_ready': 'requested',
  'data_token.data_downloaded': 'downloaded',
  'data_token.version_confirmed': 'updated',
  'data_token.meta_updated': 'updated',
  'data_token.deleted': 'deleted',
} as const satisfies Partial<Record<(TokenEvent | RetrievalEvent)['type'], OperationKind>>;

/** What row 34 counts. Nothing personal: ids, kinds and times. The table counts by hour by itself. */
export const operations: Projection = {
  name: 'token-vault.operations',
  version: 1,
  categories: ['token', 'retrieval'],
  tables: [table, 'token_vault.operation_count'],
  on: Object.fromEntries(
    Object.entries(kinds).map(([type, kind]) => [type, (event: Recorded) => operation(event, kind)]),
  ),
};

function operation({ id, data, meta, recordedAt }: Recorded, kind: OperationKind): RowChange[] {
  const { tokenId, profileId = meta.actor.profileId } = data as { tokenId: string; profileId?: string };
  if (profileId === null) return [];
  return [insert(table, { event_id: id }, { token_id: tokenId, profile_id: profileId, kind, at: recordedAt })];
}
