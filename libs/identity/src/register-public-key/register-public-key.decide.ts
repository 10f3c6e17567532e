import type { ProfileEvent } from '@symbolon/contracts';
import { accept, type Decide, nothing, refuse } from '@symbolon/kernel';
import type { Profile } from '../profile/profile.model';

export interface RegisterPublicKeyData {
  readonly profileId: string;
  readonly publicKey: string;
  readonly signingKey: string | null;
  readonly fingerprint: string;
}

/** The first key activates the profile; registering again replaces, also the signing key by its absence. */
export const registerPublicKey: Decide<RegisterPublicKeyData & { readonly claimId: string }, ProfileEvent, Profile> = (
  key,
  state,
) => {
  if (state.phase !== 'registered') return refuse('device.not_found');
  if (state.publicKey === key.publicKey && state.signingKey === key.signingKey) return nothing;
  if (state.fingerprint === null) {
    return accept(
      { type: 'public_key.registered', version: 1, data: key },
      { type: 'profile.activated', version: 1, data: { profileId: key.profileId } },
    );
  }
  const { fingerprint: previousFingerprint } = state;
  return accept({ type: 'public_key.replaced', version: 1, data: { ...key, previousFingerprint } });
};
