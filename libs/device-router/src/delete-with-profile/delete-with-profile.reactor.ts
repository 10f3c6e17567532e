import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { ProfileDeleted } from '@symbolon/contracts';
import { KeyStore, uuid5 } from '@symbolon/crypto';
import { DeviceLink } from '@symbolon/device-link';
import { type Cause, Clock, EventStore, type Instant, type Recorded, Streams, system } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { Deadlines, ProjectionRunner } from '@symbolon/projection';
import { DataSource } from 'typeorm';
import { ChannelSecrets } from '../channel/channel-secrets';
import { device } from '../device/device.model';
import { removeStorage } from '../remove-storage/remove-storage.decide';
import { removeWithProfile } from './remove-with-profile.decide';

interface Farewell {
  readonly profileId: string;
  readonly commandId: string | null;
  /** Until then a device that is connected may still delete what it was told to. */
  readonly patience: Instant;
  readonly until: Instant;
}

interface Row {
  readonly device_identifier: string;
  readonly login_key_id: string;
  readonly secret_key_id: string | null;
  readonly holds: boolean;
}

const kind = 'device-router.delete-with-profile';
/** Seconds for devices to delete, between looks at them, until nothing of the profile is at work, and between looks then. */
const patience = 10;
const look = 1;
const settled = 300;
const again = 100;

/**
 * When a profile is deleted, its devices are removed. One that is connected is given the time to delete the profile's
 * data first; what others keep opens no more, since its keys are gone.
 */
@Injectable()
export class DeleteWithProfile implements OnModuleInit {
  constructor(
    private readonly registry: Registry,
    private readonly deadlines: Deadlines,
    private readonly projections: ProjectionRunner,
    private readonly store: EventStore,
    private readonly streams: Streams,
    private readonly keys: KeyStore,
    private readonly secrets: ChannelSecrets,
    private readonly link: DeviceLink,
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.registry.reactors({
      name: 'device-router.when-profile-deleted-then-remove-devices',
      categories: ['profile'],
      on: { 'profile.deleted': (event) => this.begin(event) },
    });
    this.deadlines.handle<Farewell>(kind, (farewell) => this.work(farewell));
  }

  private async begin({ data, meta: { commandId } }: Recorded): Promise<void> {
    const { profileId } = data as ProfileDeleted['data'];
    const { clock } = this;
    const farewell: Farewell = {
      profileId,
      commandId,
      patience: clock.after(patience),
      until: clock.after(settled),
    };
    await this.deadlines.schedule({ id: `${kind}/${profileId}`, kind, dueAt: clock.now(), data: farewell });
  }

  private async work(farewell: Farewell): Promise<void | { again: Instant }> {
    const { profileId } = farewell;
    await this.projections.passed(await this.store.tail());
    await this.leaveOthers(farewell);
    const rows = await this.dataSource.query<Row[]>(
      `select device_identifier, login_key_id, secret_key_id,
              exists (select from device_router.copy c where c.device_identifier = d.device_identifier) as holds
         from device_router.device d where owner_profile_id = $1 and status in ('pending', 'approved')`,
      [profileId],
    );
    const connected = new Set(this.link.connected());
    const now = this.clock.now();
    let waiting = false;
    for (const row of rows) {
      if (row.holds && now < farewell.patience && connected.has(row.device_identifier)) waiting = true;
      else await this.remove(row, farewell);
    }
    if (waiting) return { again: this.clock.after(look) };
    if (now < farewell.until) return { again: this.clock.after(again) };
  }

  /** In this order: of what a crash leaves behind, nothing opens a channel. */
  private async remove(row: Row, farewell: Farewell): Promise<void> {
    const { device_identifier: deviceIdentifier, login_key_id: loginKeyId, secret_key_id: secretKeyId } = row;
    await this.keys.destroyOnce(loginKeyId);
    if (secretKeyId) await this.secrets.forget(secretKeyId);
    const command = { deviceIdentifier, owner: farewell.profileId };
    await this.streams.transact(device, deviceIdentifier, removeWithProfile, command, causeOf(farewell, 'removed'));
  }

  /** Devices of others stored for the profile as well; what they are to delete they are still told. */
  private async leaveOthers(farewell: Farewell): Promise<void> {
    const { profileId } = farewell;
    const rows = await this.dataSource.query<Array<{ device_identifier: string }>>(
      `select device_identifier from device_router.storage s join device_router.device d using (device_identifier)
        where s.profile_id = $1 and d.owner_profile_id <> $1`,
      [profileId],
    );
    for (const { device_identifier: deviceIdentifier } of rows) {
      const command = { deviceIdentifier, profileId };
      await this.streams.transact(device, deviceIdentifier, removeStorage, command, causeOf(farewell, 'left'));
    }
  }
}

function causeOf({ profileId, commandId }: Farewell, step: string): Cause {
  return {
    commandId,
    correlationId: commandId ?? profileId,
    causationId: uuid5(`${profileId}/${kind}/${step}`),
    actor: system,
  };
}
