import type { ProfileEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { Profile } from '../profile/profile.model';

export interface ChangePasswordData {
  readonly profileId: string;
  /** Which of the profile's passwords the current one was; null for none. The password itself never gets here. */
  readonly verified: number | null;
  readonly passwordHash: string;
  /** The token that called stays valid. */
  readonly tokenId: string;
}

export const changePassword: Decide<ChangePasswordData, ProfileEvent, Profile> = (
  { profileId, verified, passwordHash, tokenId },
  { phase, passwords },
) => {
  if (verified !== passwords || phase !== 'registered') return refuse('profile.invalid_current_password');
  return accept(
    {
      type: 'profile.password_changed',
      version: 1,
      data: { profileId },
      personal: { subject: profileId, fields: { passwordHash } },
    },
    {
      type: 'profile.tokens_revoked',
      version: 1,
      data: { profileId, exceptTokenId: tokenId, applicationId: null, cause: 'password_changed' },
    },
  );
};
