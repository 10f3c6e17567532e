export type { ProfileEvent } from '@symbolon/contracts';
import type { ProfileEvent } from '@symbolon/contracts';
import type { Model } from '@symbolon/kernel';

/** A key as its claim knows it. */
export interface ClaimedKey {
  readonly publicKey: string;
  readonly claimId: string;
}

export interface Profile {
  readonly phase: 'absent' | 'registered' | 'barred' | 'deleted';
  readonly kind: 'user' | 'device' | null;
  /** Names the claim of the username. */
  readonly usernameHash: string;
  /** How many passwords it has had: what was done under one of them counts only as long as there is no other. */
  readonly passwords: number;
  readonly publicKey: string | null;
  readonly signingKey: string | null;
  readonly fingerprint: string | null;
  /** The hold on the key's claim. */
  readonly claimId: string;
  /** Keys that were replaced, by the hold of the one that took their place. */
  readonly replaced: ReadonlyMap<string, ClaimedKey>;
}

export const profile: Model<ProfileEvent, Profile> = {
  category: 'profile',
  initial: {
    phase: 'absent',
    kind: null,
    usernameHash: '',
    passwords: 0,
    publicKey: null,
    signingKey: null,
    fingerprint: null,
    claimId: '',
    replaced: new Map(),
  },
  evolve(state, event) {
    switch (event.type) {
      case 'profile.registered':
        return {
          ...state,
          phase: 'registered',
          kind: event.data.kind,
          usernameHash: event.data.usernameHash,
          passwords: 1,
        };
      case 'profile.password_changed':
        return { ...state, passwords: state.passwords + 1 };
      case 'profile.barred':
        return { ...state, phase: 'barred' };
      case 'profile.deleted':
        return { ...state, phase: 'deleted' };
      case 'public_key.registered':
      case 'public_key.replaced': {
        // A key of old is held in its profile's name.
        const { profileId, publicKey, signingKey, fingerprint, claimId = profileId } = event.data;
        const replaced = new Map(state.replaced);
        if (state.publicKey !== null) {
          replaced.set(claimId, { publicKey: state.publicKey, claimId: state.claimId });
        }
        return { ...state, publicKey, signingKey, fingerprint, claimId, replaced };
      }
      default:
        return state;
    }
  },
};

/** The claim on the key that the profile has now. */
export function keyOf({ publicKey, claimId }: Profile): ClaimedKey | null {
  return publicKey === null ? null : { publicKey, claimId };
}
