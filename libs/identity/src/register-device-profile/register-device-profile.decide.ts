import type { ProfileEvent } from '@symbolon/contracts';
import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { Profile } from '../profile/profile.model';

export interface RegisterDeviceProfileData {
  readonly deviceIdentifier: string;
  readonly usernameHash: string;
  readonly passwordHash: string;
  readonly key: {
    readonly publicKey: string;
    readonly signingKey: string | null;
    readonly fingerprint: string;
    readonly claimId: string;
  } | null;
}

/** A device is a profile of its own whose name is its identifier; with a key it is active at once. */
export const registerDeviceProfile: Decide<RegisterDeviceProfileData, ProfileEvent, Profile> = (
  { deviceIdentifier: profileId, usernameHash, passwordHash, key },
  { phase },
) => {
  if (phase !== 'absent') return nothing;
  const registered: ProfileEvent = {
    type: 'profile.registered',
    version: 1,
    data: { profileId, kind: 'device', usernameHash, managedBy: null },
    personal: { subject: profileId, fields: { username: profileId, passwordHash } },
  };
  if (!key) return accept(registered);
  return accept<ProfileEvent>(
    registered,
    { type: 'public_key.registered', version: 1, data: { profileId, ...key } },
    { type: 'profile.activated', version: 1, data: { profileId } },
  );
};
