import { Injectable } from '@nestjs/common';
import { PersonalBoxes } from '@symbolon/crypto';
import { type List, listOf, type ListQuery, offsetOf } from '@symbolon/http';
import { wholeSeconds } from '@symbolon/kernel';
import { DataSource } from 'typeorm';
import { Presence, type Seen } from '../channel/presence';

export const deviceStatuses = ['pending', 'approved', 'rejected', 'removed'] as const;
export type DeviceStatus = (typeof deviceStatuses)[number];

/** An event of the device's stream whose box holds personal fields. */
interface Boxed {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
}

interface Row {
  readonly device_identifier: string;
  readonly owner_profile_id: string;
  readonly client_id: string;
  readonly status: DeviceStatus;
  readonly login_key_id: string;
  readonly registered: Boxed;
  /** Later name and meta. */
  readonly named: Boxed | null;
  readonly described: Boxed | null;
  readonly secret_key_id: string | null;
  readonly credential: Boxed | null;
  readonly created_at: Date;
}

type ListRow = Row & {
  readonly public_key: string | null;
  readonly signing_key: string | null;
  readonly stores: boolean;
  readonly votes: boolean;
  readonly total: string;
};

type StorageRow = Row & {
  readonly tokens_held: string;
  readonly storage_since: Date;
  readonly total: string;
};

export interface DeviceLogin {
  readonly deviceIdentifier: string;
  readonly owner: string;
  readonly loginKeyId: string;
  /** Sealed; null once the owner is erased. */
  readonly loginOnce: string | null;
}

export interface KnownDevice {
  readonly deviceIdentifier: string;
  readonly owner: string;
  readonly clientId: string;
  readonly status: DeviceStatus;
  readonly secretKeyId: string | null;
  /** Sealed; null before the approval and once the owner is erased. */
  readonly clientSecretOnce: string | null;
}

@Injectable()
export class Devices {
  constructor(
    private readonly dataSource: DataSource,
    private readonly boxes: PersonalBoxes,
    private readonly presence: Presence,
  ) {}

  /** The device that a command registered. */
  async ofCommand(commandId: string): Promise<DeviceLogin | null> {
    const [row] = await this.dataSource.query<Row[]>('select * from device_router.device where command_id = $1', [
      commandId,
    ]);
    if (!row) return null;
    const { device_identifier: deviceIdentifier, owner_profile_id: owner, login_key_id: loginKeyId } = row;
    const fields = await this.open(row, row.registered);
    return { deviceIdentifier, owner, loginKeyId, loginOnce: textOf(fields?.['loginOnce']) };
  }

  async find(deviceIdentifier: string): Promise<KnownDevice | null> {
    const [row] = await this.dataSource.query<Row[]>(
      'select * from device_router.device where device_identifier = $1',
      [deviceIdentifier],
    );
    if (!row) return null;
    const { owner_profile_id: owner, client_id: clientId, status, secret_key_id: secretKeyId } = row;
    const fields = row.credential && (await this.open(row, row.credential));
    return {
      deviceIdentifier,
      owner,
      clientId,
      status,
      secretKeyId,
      clientSecretOnce: textOf(fields?.['clientSecretOnce']),
    };
  }

  async hasKey(deviceIdentifier: string): Promise<boolean> {
    const rows = await this.dataSource.query<unknown[]>(
      'select 1 from device_router.public_key where profile_id = $1',
      [deviceIdentifier],
    );
    return rows.length > 0;
  }

  /** Row 37. Removed devices only when asked for. */
  async list(owner: string, status: DeviceStatus | undefined, page: ListQuery): Promise<List<object>> {
    const filter = `owner_profile_id = $1 and ($2::text is null and status <> 'removed' or status = $2)`;
    const rows = await this.dataSource.query<ListRow[]>(
      `select d.*, k.public_key, k.signing_key, count(*) over () as total,
              exists (select from device_router.storage s where s.device_identifier = d.device_identifier) as stores,
              exists (select from device_router.authenticator a where a.device_identifier = d.device_identifier) as votes
         from device_router.device d left join device_router.public_key k on k.profile_id = d.device_identifier
        where ${filter} order by d.created_at desc, d.device_identifier desc limit $3 offset $4`,
      [owner, status ?? null, page.perPage, offsetOf(page)],
    );
    const count = rows[0]
      ? Number(rows[0].total)
      : await this.count(`select count(*) as count from device_router.device where ${filter}`, [owner, status ?? null]);
    const seen = await this.presence.of(rows.map((row) => row.device_identifier));
    const items = await Promise.all(
      rows.map(async (row) => {
        const { deviceName, meta } = await this.describe(row);
        return {
          deviceIdentifier: row.device_identifier,
          name: deviceName,
          status: row.status,
          roles: [...(row.stores ? ['storage'] : []), ...(row.votes ? ['authenticator'] : [])],
          publicKeyRegistered: row.public_key !== null,
          signingKeyRegistered: row.signing_key !== null,
          ...seenFields(seen.get(row.device_identifier)),
          meta,
          createdAt: wholeSeconds(row.created_at),
        };
      }),
    );
    return listOf(items, count, page);
  }

  /** Row 44. */
  async listStorage(profileId: string, page: ListQuery): Promise<List<object>> {
    const rows = await this.dataSource.query<StorageRow[]>(
      `select d.*, s.registered_at as storage_since, count(*) over () as total,
              coalesce(h.tokens, 0) as tokens_held
         from device_router.storage s join device_router.device d using (device_identifier)
         left join device_router.held h using (profile_id, device_identifier)
        where s.profile_id = $1 order by s.registered_at desc, d.device_identifier desc limit $2 offset $3`,
      [profileId, page.perPage, offsetOf(page)],
    );
    const count = rows[0]
      ? Number(rows[0].total)
      : await this.count('select count(*) as count from device_router.storage where profile_id = $1', [profileId]);
    const seen = await this.presence.of(rows.map((row) => row.device_identifier));
    const items = await Promise.all(
      rows.map(async (row) => ({
        deviceIdentifier: row.device_identifier,
        name: (await this.describe(row)).deviceName,
        status: row.status,
        ...seenFields(seen.get(row.device_identifier)),
        tokensHeld: Number(row.tokens_held),
        registeredAt: wholeSeconds(row.storage_since),
      })),
    );
    return listOf(items, count, page);
  }

  private async describe(row: Row): Promise<{ deviceName: unknown; meta: unknown }> {
    const registered = await this.open(row, row.registered);
    const named = row.named ? await this.open(row, row.named) : registered;
    const described = row.described ? await this.open(row, row.described) : registered;
    return { deviceName: named?.['deviceName'] ?? null, meta: described?.['meta'] ?? null };
  }

  private open({ device_identifier, owner_profile_id }: Row, boxed: Boxed) {
    return this.boxes.open({ ...boxed, stream: `device-${device_identifier}` }, owner_profile_id);
  }

  private async count(sql: string, params: unknown[]): Promise<number> {
    const [row] = await this.dataSource.query<Array<{ count: string }>>(sql, params);
    return Number(row?.count ?? 0);
  }
}

function seenFields(seen: Seen | undefined) {
  return { online: seen?.online ?? false, lastSeenAt: seen?.lastSeenAt ? wholeSeconds(seen.lastSeenAt) : null };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
