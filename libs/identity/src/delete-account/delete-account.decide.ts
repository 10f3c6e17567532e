import type { ProfileEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { Profile } from '../profile/profile.model';

export interface DeleteAccountData {
  readonly profileId: string;
  /** Which of the profile's passwords was given; null for none. */
  readonly verified: number | null;
}

/** The end of a profile. Whoever comes second finds nobody. */
export const deleteAccount: Decide<DeleteAccountData, ProfileEvent, Profile> = (
  { profileId, verified },
  { phase, kind, usernameHash, passwords },
) => {
  if (phase !== 'registered' || kind !== 'user') return refuse('not_found');
  if (verified !== passwords) return refuse('profile.invalid_current_password');
  return accept<ProfileEvent>(
    { type: 'profile.deleted', version: 1, data: { profileId, usernameHash } },
    {
      type: 'profile.tokens_revoked',
      version: 1,
      data: { profileId, exceptTokenId: null, applicationId: null, cause: 'account_deleted' },
    },
  );
};
