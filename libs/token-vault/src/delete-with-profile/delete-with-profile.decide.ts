import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { TokenEvent } from '../token/token.events';
import type { Token } from '../token/token.model';

export interface DeleteWithProfileData {
  readonly tokenId: string;
  readonly owner: string;
}

/** The owner is gone: whatever is under way, the token is deleted. An expired one ended before. */
export const deleteWithProfile: Decide<DeleteWithProfileData, TokenEvent, Token> = (
  { tokenId, owner },
  { phase, owner: holder, written },
) =>
  (phase === 'temporary' || phase === 'permanent') && holder === owner
    ? accept({ type: 'data_token.deleted', version: 1, data: { tokenId, profileId: owner, upToVersion: written } })
    : nothing;
