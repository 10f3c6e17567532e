import type { DataExchanged, MadePermanent, SpaceReserved, TokenMeta } from '@symbolon/contracts';
import type { PersonalBoxes } from '@symbolon/crypto';
import type { EventStore } from '@symbolon/kernel';

/** What policies ask about a data token, as its own stream tells it. */
export interface TokenFacts {
  readonly context: string | null;
  readonly security: NonNullable<TokenMeta['information_security_risk']> | null;
  /** Bytes that were handed in; null = none yet. */
  readonly size: number | null;
}

/** Null when the profile has no such token (any more). Read from the log: no lag lets a command slip by. */
export async function readToken(
  store: Pick<EventStore, 'read'>,
  boxes: Pick<PersonalBoxes, 'open'>,
  tokenId: string,
  owner: string,
): Promise<TokenFacts | null> {
  let exists = false;
  let context: string | null = null;
  let security: TokenFacts['security'] = null;
  let size: number | null = null;
  for await (const event of store.read(`token-${tokenId}`)) {
    switch (event.type) {
      case 'data_token.space_reserved': {
        exists = (event.data as SpaceReserved['data']).profileId === owner;
        if (!exists) return null;
        const fields = await boxes.open(event, owner);
        context = textOf(fields?.['context']);
        security = (fields?.['meta'] as TokenMeta | undefined)?.information_security_risk ?? null;
        break;
      }
      case 'data_token.security_meta_configured':
        security = (await boxes.open(event, owner)) as TokenFacts['security'];
        break;
      case 'data_token.file_meta_configured':
        context = textOf((await boxes.open(event, owner))?.['context']) ?? context;
        break;
      case 'data_token.data_exchanged':
        size = (event.data as DataExchanged['data']).size;
        break;
      case 'data_token.made_permanent':
      case 'data_token.version_confirmed':
        size = (event.data as MadePermanent['data']).size;
        break;
      case 'data_token.deleted':
      case 'data_token.reservation_expired':
        exists = false;
    }
  }
  return exists ? { context, security, size } : null;
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
