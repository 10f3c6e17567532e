import type { ProfileEvent } from '@symbolon/contracts';
import type { Model } from '@symbolon/kernel';

export interface Profile {
  readonly phase: 'absent' | 'registered' | 'barred';
  readonly kind: 'user' | 'device' | null;
  readonly publicKey: string | null;
  readonly signingKey: string | null;
  readonly fingerprint: string | null;
}

export const profile: Model<ProfileEvent, Profile> = {
  category: 'profile',
  initial: { phase: 'absent', kind: null, publicKey: null, signingKey: null, fingerprint: null },
  evolve(state, event) {
    switch (event.type) {
      case 'profile.registered':
        return { ...state, phase: 'registered', kind: event.data.kind };
      case 'profile.barred':
        return { ...state, phase: 'barred' };
      case 'public_key.registered':
      case 'public_key.replaced': {
        const { publicKey, signingKey, fingerprint } = event.data;
        return { ...state, publicKey, signingKey, fingerprint };
      }
      default:
        return state;
    }
  },
};
