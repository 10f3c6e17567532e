import type { Model } from '@symbolon/kernel';
import type { DeviceEvent } from './device.events';

type DevicePhase = 'absent' | 'pending' | 'approved' | 'rejected' | 'removed';

export interface Device {
  readonly phase: DevicePhase;
  /** The profile that registered the device. */
  readonly owner: string | null;
  readonly loginShown: boolean;
  /** Names the channel secret that counts; every other is void. */
  readonly secretKeyId: string | null;
  readonly secretShown: boolean;
  /** Profiles whose data it stores. */
  readonly storesFor: readonly string[];
}

export const device: Model<DeviceEvent, Device> = {
  category: 'device',
  initial: { phase: 'absent', owner: null, loginShown: false, secretKeyId: null, secretShown: false, storesFor: [] },
  evolve(state, { type, data }) {
    switch (type) {
      case 'device.registration_requested':
        return { ...state, phase: 'pending', owner: data.ownerProfileId };
      case 'device.identifier_retrieved':
        return { ...state, loginShown: true };
      case 'device.approved':
        return { ...state, phase: 'approved', secretKeyId: data.secretKeyId, secretShown: false };
      case 'device.configuration_rotated':
        return { ...state, secretKeyId: data.secretKeyId, secretShown: false };
      case 'device.configuration_retrieved':
        return { ...state, secretShown: state.secretShown || data.secretsShown };
      case 'device.rejected':
        return { ...state, phase: 'rejected', secretKeyId: null };
      case 'device.removed':
        return { ...state, phase: 'removed', secretKeyId: null };
      case 'storage.registered':
        return { ...state, storesFor: [...state.storesFor, data.profileId] };
      case 'storage.removed':
        return { ...state, storesFor: state.storesFor.filter((profileId) => profileId !== data.profileId) };
      default:
        return state;
    }
  },
};

/** A device of this profile, as far as anybody may know. */
export function belongsTo(owner: string, state: Device): boolean {
  return state.phase !== 'absent' && state.phase !== 'removed' && state.owner === owner;
}
