import { Inject, Injectable } from '@nestjs/common';
import { DeviceLink, RabbitMqDeviceLink } from '@symbolon/device-link';
import { Unavailable } from '@symbolon/kernel';
import type { DeviceErrand } from '@symbolon/platform';
import { DataSource } from 'typeorm';

/** Whether a command can reach any of the devices that it addresses (contract, section 4, guarantee 2). */
@Injectable()
export class CarrierCheck {
  constructor(
    @Inject(RabbitMqDeviceLink) private readonly broker: RabbitMqDeviceLink | null,
    private readonly link: DeviceLink,
    private readonly dataSource: DataSource,
  ) {}

  /** Throws `Unavailable` while the broker is away and no addressed device is connected by WebSocket. */
  async require({ profileId, tokenId, deviceIdentifiers }: DeviceErrand): Promise<void> {
    if (!this.broker || this.broker.up) return;
    const addressed = deviceIdentifiers ?? (await this.storages(profileId, tokenId ?? null));
    const connected = new Set(this.link.connected());
    if (addressed.length === 0 || addressed.some((device) => connected.has(device))) return;
    throw new Unavailable('rabbitmq');
  }

  /** For `/health`. */
  async check(): Promise<void> {
    if (this.broker && !this.broker.up) throw new Unavailable('rabbitmq');
  }

  /** The profile's storage devices; with a token those that hold its data as they are now. */
  private async storages(profileId: string, tokenId: string | null): Promise<readonly string[]> {
    const rows = await this.dataSource.query<Array<{ device_identifier: string }>>(
      `select device_identifier from device_router.storage join device_router.device using (device_identifier)
        where profile_id = $1 and status = 'approved' and ($2::uuid is null or exists (
              select from device_router.copy c
               where c.device_identifier = device.device_identifier and c.token_id = $2 and c.sha256 is not null
                 and c.version = (select max(version) from device_router.copy
                                   where token_id = $2 and sha256 is not null)))`,
      [profileId, tokenId],
    );
    return rows.map((row) => row.device_identifier);
  }
}
