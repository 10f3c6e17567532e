import { Injectable } from '@nestjs/common';
import { DeviceLink } from '@symbolon/device-link';
import { Clock, Gathered, type Instant, instant } from '@symbolon/kernel';
import { Logger } from '@symbolon/observe';
import { DataSource } from 'typeorm';

export interface Seen {
  readonly online: boolean;
  readonly lastSeenAt: Instant | null;
}

/** Online: an open WebSocket, or any message within this time (contract, section 16.4). */
const onlineMillis = 90_000;
/** A device that speaks all the time is written down this often. */
const writeMillis = 15_000;

/** When each device was last heard of. A fact about the carrier, so it lies in a table and not in the log. */
@Injectable()
export class Presence {
  private readonly heardAt = new Map<string, number>();
  private readonly writtenAt = new Map<string, number>();
  private readonly writes = new Gathered<string, void>((devices) => this.write(devices));

  constructor(
    private readonly dataSource: DataSource,
    private readonly link: DeviceLink,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {
    link.onConnected((deviceIdentifier) => this.heard(deviceIdentifier));
  }

  heard(deviceIdentifier: string): void {
    const now = this.clock.millis();
    this.heardAt.set(deviceIdentifier, now);
    if (now - (this.writtenAt.get(deviceIdentifier) ?? -Infinity) < writeMillis) return;
    this.writtenAt.set(deviceIdentifier, now);
    this.writes.ask(deviceIdentifier).catch((error: unknown) => {
      this.writtenAt.delete(deviceIdentifier);
      this.log.warn({ error }, 'presence could not be written');
    });
  }

  async of(deviceIdentifiers: readonly string[]): Promise<Map<string, Seen>> {
    const rows = await this.dataSource.query<Array<{ device_identifier: string; last_seen: Date }>>(
      'select device_identifier, last_seen from device_router.presence where device_identifier = any($1::uuid[])',
      [deviceIdentifiers],
    );
    const written = new Map(rows.map((row) => [row.device_identifier, row.last_seen.getTime()]));
    const connected = new Set(this.link.connected());
    const now = this.clock.millis();
    return new Map(
      deviceIdentifiers.map((id) => {
        const last = Math.max(this.heardAt.get(id) ?? -Infinity, written.get(id) ?? -Infinity);
        const online = connected.has(id) || now - last <= onlineMillis;
        return [id, { online, lastSeenAt: Number.isFinite(last) ? instant(last) : null }];
      }),
    );
  }

  private async write(devices: readonly string[]): Promise<void[]> {
    await this.dataSource.query(
      `insert into device_router.presence (device_identifier, last_seen)
       select distinct d, to_timestamp($2 / 1000.0) from unnest($1::uuid[]) as d
       on conflict (device_identifier) do update set last_seen = excluded.last_seen`,
      [devices, this.clock.millis()],
    );
    return devices.map(() => undefined);
  }
}
