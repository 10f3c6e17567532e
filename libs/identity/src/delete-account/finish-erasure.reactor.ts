import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { ProfileDeleted } from '@symbolon/contracts';
import { type Cause, type Recorded, Streams, system } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { profile } from '../profile/profile.model';
import { EraseProfile } from './erase-profile';

interface Registration {
  readonly deviceIdentifier: string;
  readonly ownerProfileId: string;
}

/**
 * Whatever became of the command: what the log says is deleted is erased. And a device whose registration was at work
 * while its owner was deleted ends like the others.
 */
@Injectable()
export class FinishErasure implements OnModuleInit {
  constructor(
    private readonly registry: Registry,
    private readonly streams: Streams,
    private readonly eraser: EraseProfile,
  ) {}

  onModuleInit(): void {
    this.registry.reactors(
      {
        name: 'identity.when-profile-deleted-then-erase',
        categories: ['profile'],
        on: { 'profile.deleted': (event) => this.deleted(event) },
      },
      {
        name: 'identity.when-device-of-deleted-profile-then-erase',
        categories: ['device'],
        on: { 'device.registration_requested': (event) => this.registered(event) },
      },
    );
  }

  private async deleted(event: Recorded): Promise<void> {
    const { profileId } = event.data as ProfileDeleted['data'];
    const { state } = await this.streams.load(profile, profileId);
    await this.eraser.erase(profileId, state, causeOf(event));
  }

  private async registered(event: Recorded): Promise<void> {
    const { deviceIdentifier, ownerProfileId } = event.data as Registration;
    const { state } = await this.streams.load(profile, ownerProfileId);
    if (state.phase === 'deleted') await this.eraser.eraseDevice(deviceIdentifier, causeOf(event));
  }
}

function causeOf({ id, meta: { commandId, correlationId } }: Recorded): Cause {
  return { commandId, correlationId, causationId: `${id}/identity.finish-erasure`, actor: system };
}
