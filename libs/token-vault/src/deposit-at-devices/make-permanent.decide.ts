import { accept, type Decide, nothing, refuse } from '@symbolon/kernel';
import { type FileNow, sectionEvents, staleFile, touchesFile } from '../token/change-sections.decide';
import type { TokenChanges, TokenEvent } from '../token/token.events';
import type { Token } from '../token/token.model';

export interface MakePermanent {
  readonly tokenId: string;
  readonly version: number;
  /** Of the L2 bytes that the device has stored. */
  readonly sha256: string;
  readonly deviceIdentifier: string;
  /** What changes with a new version, and what that is merged into. */
  readonly changes: TokenChanges;
  readonly now: FileNow;
}

/** The first acknowledgement counts; one of other bytes or of a write that has failed meanwhile changes nothing. */
export const makePermanent: Decide<MakePermanent, TokenEvent, Token> = (
  { tokenId, version, sha256, deviceIdentifier, changes, now },
  { phase, owner, pending, fileChanges },
) => {
  if (pending?.version !== version || pending.sha256 !== sha256) return nothing;
  const { size } = pending;
  if (phase !== 'permanent') {
    return accept({
      type: 'data_token.made_permanent',
      version: 1,
      data: { tokenId, version, size, deviceIdentifier },
    });
  }
  if (touchesFile(changes) && now.fileChanges !== fileChanges) return refuse(staleFile);
  return accept<TokenEvent>(
    {
      type: 'data_token.version_confirmed',
      version: 1,
      data: { tokenId, profileId: owner, version, size, deviceIdentifier },
    },
    ...sectionEvents(tokenId, owner, changes, now.file),
  );
};
