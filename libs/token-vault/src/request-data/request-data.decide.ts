import { accept, type Decide, type Instant, nothing, refuse } from '@symbolon/kernel';
import type { RetrievalEvent } from '../retrieval/retrieval.events';
import type { Retrieval } from '../retrieval/retrieval.model';
import { isOver, isStrange, type Token } from '../token/token.model';

export interface RequestDataData {
  readonly requestId: string;
  readonly tokenId: string;
  readonly owner: string;
  readonly begunAt: Instant;
  readonly sealed: boolean;
  readonly token: Token;
  /** Whether the profile has a storage device. */
  readonly hasStorage: boolean;
  readonly ofBatch?: true;
}

export const requestData: Decide<RequestDataData, RetrievalEvent, Retrieval> = (
  { requestId, tokenId, owner, begunAt, sealed, token, hasStorage, ofBatch },
  { phase },
) => {
  if (phase !== 'absent') return nothing;
  if (isStrange(token, owner) || isOver(token, begunAt)) return refuse('data_token.not_found');
  if (!token.held) return refuse('data_token.not_permanent');
  if (!hasStorage) return refuse('storage.no_devices');
  const data = {
    tokenId,
    profileId: owner,
    requestId,
    sealedStream: sealed,
    ...token.held,
    ...(ofBatch ? { ofBatch } : {}),
  };
  return accept({ type: 'data_token.data_requested', version: 1, data });
};
