import { accept, type Decide, type Instant, refuse } from '@symbolon/kernel';
import type { TokenEvent } from '../token/token.events';
import { isOver, isStrange, type Token } from '../token/token.model';

export interface IssueStreamAuth {
  readonly tokenId: string;
  readonly owner: string;
  readonly now: Instant;
  readonly authHash: string;
}

export const issueStreamAuth: Decide<IssueStreamAuth, TokenEvent, Token> = (
  { tokenId, owner, now, authHash },
  token,
) => {
  if (isStrange(token, owner) || isOver(token, now) || token.phase !== 'temporary' || token.pending)
    return refuse('not_found');
  const { expiresAt } = token;
  return accept({ type: 'data_token.stream_auth_issued', version: 1, data: { tokenId, authHash, expiresAt } });
};
