import type { SessionEvent } from '@symbolon/contracts';
import { accept, type Decide, nothing, refuse } from '@symbolon/kernel';
import type { SessionState } from '../session/session.model';

export interface IssueToken {
  readonly tokenId: string;
  readonly profileId: string;
  readonly tokenHash: string;
  readonly expiresAt: string;
  readonly via: 'password' | 'qr' | 'vote';
}

/** `stands`: the profile is there, and what was shown for the token still counts. */
export const issueToken: Decide<IssueToken & { readonly stands: boolean }, SessionEvent, SessionState> = (
  { stands, ...data },
  { phase },
) => {
  if (phase !== 'absent') return nothing;
  return stands ? accept({ type: 'profile.authenticated', version: 1, data }) : refuse('unauthorized');
};
