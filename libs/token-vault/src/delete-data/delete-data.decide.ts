import { accept, type Decide, type Instant, refuse } from '@symbolon/kernel';
import type { TokenEvent } from '../token/token.events';
import { isOver, isStrange, type Token } from '../token/token.model';

export interface DeleteDataData {
  readonly tokenId: string;
  readonly owner: string;
  readonly begunAt: Instant;
}

export const deleteData: Decide<DeleteDataData, TokenEvent, Token> = ({ tokenId, owner, begunAt }, token) => {
  if (isStrange(token, owner) || isOver(token, begunAt)) return refuse('data_token.not_found');
  if (token.pending) return refuse('data_token.busy');
  const data = { tokenId, profileId: owner, upToVersion: token.written };
  return accept({ type: 'data_token.deleted', version: 1, data });
};
