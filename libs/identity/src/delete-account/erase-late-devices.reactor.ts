import { Injectable, type OnModuleInit } from '@nestjs/common';
import { type Cause, type Recorded, Streams, system } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { profile } from '../profile/profile.model';
import { EraseProfile } from './erase-profile';

interface Registration {
  readonly deviceIdentifier: string;
  readonly ownerProfileId: string;
}

/** A device whose registration was at work while its owner was deleted ends like the others. */
@Injectable()
export class EraseLateDevices implements OnModuleInit {
  constructor(
    private readonly registry: Registry,
    private readonly streams: Streams,
    private readonly eraser: EraseProfile,
  ) {}

  onModuleInit(): void {
    this.registry.reactors({
      name: 'identity.when-device-of-deleted-profile-then-erase',
      categories: ['device'],
      on: { 'device.registration_requested': (event) => this.registered(event) },
    });
  }

  private async registered({ id, data, meta }: Recorded): Promise<void> {
    const { deviceIdentifier, ownerProfileId } = data as Registration;
    const { state } = await this.streams.load(profile, ownerProfileId);
    if (state.phase !== 'deleted') return;
    const cause: Cause = {
      commandId: meta.commandId,
      correlationId: meta.correlationId,
      causationId: `${id}/identity.erase-late-devices`,
      actor: system,
    };
    await this.eraser.eraseDevice(deviceIdentifier, cause);
  }
}
