import type { ProfileEvent } from '@symbolon/contracts';
import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { Profile } from '../profile/profile.model';

export interface RegisterProfileData {
  readonly profileId: string;
  readonly kind: 'user' | 'device';
  readonly username: string;
  readonly usernameHash: string;
  readonly passwordHash: string;
  readonly managedBy: string | null;
}

/** The username is claimed before: what is left to decide is only that a profile begins once. */
export const registerProfile: Decide<RegisterProfileData, ProfileEvent, Profile> = (
  { profileId, kind, username, usernameHash, passwordHash, managedBy },
  { phase },
) =>
  phase === 'absent'
    ? accept({
        type: 'profile.registered',
        version: 1,
        data: { profileId, kind, usernameHash, managedBy },
        personal: { subject: profileId, fields: { username, passwordHash } },
      })
    : nothing;
