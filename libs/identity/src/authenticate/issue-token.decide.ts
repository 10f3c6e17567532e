import type { SessionEvent } from '@symbolon/contracts';
import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { SessionState } from '../session/session.model';

export interface IssueToken {
  readonly tokenId: string;
  readonly profileId: string;
  readonly tokenHash: string;
  readonly expiresAt: string;
  readonly via: 'password' | 'qr' | 'vote';
}

export const issueToken: Decide<IssueToken, SessionEvent, SessionState> = (data, { phase }) =>
  phase === 'absent' ? accept({ type: 'profile.authenticated', version: 1, data }) : nothing;
