import type { ProfileEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { Profile } from '../profile/profile.model';

export interface ChangePasswordData {
  readonly profileId: string;
  /** Whether the current password was right; the password itself never gets here. */
  readonly verified: boolean;
  readonly passwordHash: string;
  /** The token that called stays valid. */
  readonly tokenId: string;
}

export const changePassword: Decide<ChangePasswordData, ProfileEvent, Profile> = (
  { profileId, verified, passwordHash, tokenId },
  { phase },
) => {
  if (!verified || phase !== 'registered') return refuse('profile.invalid_current_password');
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
