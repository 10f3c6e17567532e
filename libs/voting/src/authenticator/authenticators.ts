import { Injectable } from '@nestjs/common';
import { voting } from '@symbolon/contracts';
import { type Guard, Streams } from '@symbolon/kernel';
import { type Device, device, type DeviceKeys, deviceKeys } from './device.model';

/** Authenticators as the log has them now: no read model is asked who may vote. */
@Injectable()
export class Authenticators {
  constructor(private readonly streams: Streams) {}

  async device(deviceIdentifier: string): Promise<Device & DeviceKeys> {
    const [{ state: known }, { state: keys }] = await Promise.all([
      this.streams.load(device, deviceIdentifier),
      this.streams.load(deviceKeys, deviceIdentifier),
    ]);
    return { ...known, ...keys };
  }

  /** Verified authenticators of a profile that are approved and have a key, and where its stream stood. */
  async of(profileId: string): Promise<{ devices: string[]; guard: Guard }> {
    const { state, revision } = await this.streams.load(voting, profileId);
    const verified = [...state.authenticators].filter(([, isVerified]) => isVerified).map(([id]) => id);
    const able = await Promise.all(verified.map((id) => this.isAble(profileId, id)));
    return {
      devices: verified.filter((_, index) => able[index]),
      guard: { stream: `voting-${profileId}`, revision: revision < 0n ? 'none' : revision },
    };
  }

  async isEntitled(profileId: string, deviceIdentifier: string): Promise<boolean> {
    const { state } = await this.streams.load(voting, profileId);
    return state.authenticators.get(deviceIdentifier) === true && this.isAble(profileId, deviceIdentifier);
  }

  private async isAble(profileId: string, deviceIdentifier: string): Promise<boolean> {
    const { owner, phase, hasKey } = await this.device(deviceIdentifier);
    return owner === profileId && phase === 'approved' && hasKey;
  }
}
