import type { ProfileEvent } from '@symbolon/contracts';
import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { Profile } from '../profile/profile.model';

export interface RenewVerifier {
  readonly profileId: string;
  /** Which of the profile's passwords the verifier is of. */
  readonly passwords: number;
  readonly passwordHash: string;
}

/** A verifier made anew must not bring back a password that was changed meanwhile. */
export const renewVerifier: Decide<RenewVerifier, ProfileEvent, Profile> = (
  { profileId, passwords, passwordHash },
  state,
) =>
  state.phase === 'registered' && state.passwords === passwords
    ? accept({
        type: 'profile.verifier_renewed',
        version: 1,
        data: { profileId },
        personal: { subject: profileId, fields: { passwordHash } },
      })
    : nothing;
