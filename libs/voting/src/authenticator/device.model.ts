import type { DeviceEvent, ProfileEvent } from '@symbolon/contracts';
import type { Model } from '@symbolon/kernel';

/** What voting knows of a device. */
export interface Device {
  readonly owner: string | null;
  readonly phase: 'absent' | 'pending' | 'approved' | 'rejected' | 'removed';
}

type Lifecycle = Pick<DeviceEvent, 'type' | 'version' | 'data'>;

export const device: Model<Lifecycle, Device> = {
  category: 'device',
  initial: { owner: null, phase: 'absent' },
  evolve(state, event) {
    switch (event.type as string) {
      case 'device.registration_requested':
        return { owner: (event.data as { ownerProfileId: string }).ownerProfileId, phase: 'pending' };
      case 'device.approved':
        return { ...state, phase: 'approved' };
      case 'device.rejected':
        return { ...state, phase: 'rejected' };
      case 'device.removed':
        return { ...state, phase: 'removed' };
      default:
        return state;
    }
  },
};

/** The keys registered for a device, which is a profile of its own. */
export interface DeviceKeys {
  readonly hasKey: boolean;
  /** 64 hex digits. */
  readonly signingKey: string | null;
}

export const deviceKeys: Model<ProfileEvent, DeviceKeys> = {
  category: 'profile',
  initial: { hasKey: false, signingKey: null },
  evolve(state, event) {
    return event.type === 'public_key.registered' || event.type === 'public_key.replaced'
      ? { hasKey: true, signingKey: event.data.signingKey }
      : state;
  },
};
