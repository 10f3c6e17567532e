import type { ProfileEvent } from '@symbolon/contracts';
import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { Profile } from '../profile/profile.model';

export interface BarProfile {
  readonly profileId: string;
  readonly cause: string;
}

export const barProfile: Decide<BarProfile, ProfileEvent, Profile> = (data, { phase, kind }) =>
  phase === 'registered' && kind === 'device' ? accept({ type: 'profile.barred', version: 1, data }) : nothing;
