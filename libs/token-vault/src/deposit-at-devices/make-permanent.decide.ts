import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { TokenEvent } from '../token/token.events';
import type { Token } from '../token/token.model';

export interface MakePermanent {
  readonly tokenId: string;
  readonly version: number;
  /** Of the L2 bytes that the device has stored. */
  readonly sha256: string;
  readonly deviceIdentifier: string;
}

/** The first acknowledgement counts; one of other bytes or of a write that has failed meanwhile changes nothing. */
export const makePermanent: Decide<MakePermanent, TokenEvent, Token> = (
  { tokenId, version, sha256, deviceIdentifier },
  { pending },
) => {
  if (pending?.version !== version || pending.sha256 !== sha256) return nothing;
  const { size } = pending;
  return accept({ type: 'data_token.made_permanent', version: 1, data: { tokenId, version, size, deviceIdentifier } });
};
