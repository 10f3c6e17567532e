import { accept, type Decide, type Instant, refuse } from '@symbolon/kernel';
import type { TokenEvent } from '../token/token.events';
import { isOver, isStrange, type Token } from '../token/token.model';

export interface ConfigureSecurityMetaData {
  readonly tokenId: string;
  readonly owner: string;
  readonly begunAt: Instant;
  readonly classification: string;
  readonly label: string;
  readonly handling: string;
}

export const configureSecurityMeta: Decide<ConfigureSecurityMetaData, TokenEvent, Token> = (
  { tokenId, owner, begunAt, classification, label, handling },
  token,
) => {
  if (isStrange(token, owner) || isOver(token, begunAt)) return refuse('data_token.not_found');
  if (token.phase !== 'permanent') return refuse('data_token.not_permanent');
  return accept({
    type: 'data_token.security_meta_configured',
    version: 1,
    data: { tokenId },
    personal: { subject: owner, fields: { classification, label, handling } },
  });
};
