import { accept, type Decide, type Instant, refuse } from '@symbolon/kernel';
import type { TokenEvent, TokenMeta } from '../token/token.events';
import { isOver, isStrange, type Token } from '../token/token.model';

export interface ConfigureFileMetaData {
  readonly tokenId: string;
  readonly owner: string;
  readonly begunAt: Instant;
  readonly file: NonNullable<TokenMeta['file']>;
  /** Replaces the token's context; null leaves it. */
  readonly context: string | null;
}

export const configureFileMeta: Decide<ConfigureFileMetaData, TokenEvent, Token> = (
  { tokenId, owner, begunAt, file, context },
  token,
) => {
  if (isStrange(token, owner) || isOver(token, begunAt)) return refuse('data_token.not_found');
  return accept({
    type: 'data_token.file_meta_configured',
    version: 1,
    data: { tokenId },
    personal: { subject: owner, fields: { file, context } },
  });
};
