import { Injectable } from '@nestjs/common';
import type { CopyEvent } from '@symbolon/contracts';
import { KeyStore, uuid5, uuid7 } from '@symbolon/crypto';
import { DeviceLink, type Envelope } from '@symbolon/device-link';
import { type Cause, Clock, instant, Streams } from '@symbolon/kernel';
import { Metrics } from '@symbolon/observe';
import { ProjectionRunner } from '@symbolon/projection';
import { DataSource } from 'typeorm';
import { readInventory } from '../channel/contents';
import { Envelopes } from '../channel/envelopes';
import { copyStream } from '../delivery/order';
import { inventoryPatience, type Step, type Synchronization } from './synchronization';

/** Objects in one message, and tokens in one look. */
const pageSize = 500;
const resendMillis = 30_000;

interface Permanent {
  readonly token_id: string;
  readonly version: number;
  readonly sha256: string;
  readonly sealed_size: string;
  /** The target was told to hold it. */
  readonly told: boolean;
  /** The log says that the target holds it. */
  readonly recorded: boolean;
}

interface Listed {
  readonly object_id: string;
  readonly version: number;
  readonly sha256: string;
  readonly signed: boolean;
}

/**
 * What the target holds, asked page by page, and which of the profile's permanent tokens it lacks. Both lie in tables:
 * memory does not grow with them, and a crash leaves them as they are.
 */
@Injectable()
export class Inventories {
  /** Told when a page has come. */
  onTaken: () => void = () => undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly streams: Streams,
    private readonly projections: ProjectionRunner,
    private readonly keys: KeyStore,
    private readonly link: DeviceLink,
    private readonly envelopes: Envelopes,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
  ) {
    link.onConnected((deviceIdentifier) => void this.connected(deviceIdentifier));
  }

  /** Asks for the next page, and again while it does not come: the same message. */
  async ask(row: Synchronization): Promise<Step> {
    const now = this.clock.millis();
    if (now >= row.progressed_at.getTime() + inventoryPatience * 1000) return { rejected: 'storage.device_offline' };
    const target = row.device_identifier;
    const sentAt = row.sent_at instanceof Date ? row.sent_at.getTime() : -Infinity;
    if (now < sentAt + resendMillis || !this.link.reachable().includes(target)) return 'wait';
    const id = uuid5(`${row.command_id}/inventory/${row.page}`);
    const at = row.inventory_id === id && row.inventory_at ? instant(row.inventory_at.getTime()) : this.clock.now();
    await this.dataSource.query(
      `update device_router.synchronization set inventory_id = $2, inventory_at = $3, sent_at = $4 where command_id = $1`,
      [row.command_id, id, at, this.clock.now()],
    );
    const [key] = await this.dataSource.query<Array<{ public_key: string }>>(
      'select public_key from device_router.public_key where profile_id = $1',
      [target],
    );
    if (!key) return 'wait';
    const content = { after: row.after, limit: pageSize };
    const addressee = { publicKey: key.public_key, id, at };
    const envelope = this.envelopes.seal('storage.inventory', content, target, addressee);
    const sent = await this.link.send(envelope);
    if (sent === 'confirmed') this.metrics.deviceMessage('out', envelope.type, 'sent');
    return 'wait';
  }

  /** A page that nobody waits for (any more) has no effect. */
  async take(
    content: unknown,
    { correlationId, deviceIdentifier }: Envelope,
    signed: boolean,
  ): Promise<'device.envelope_invalid' | null> {
    const page = readInventory(content);
    if (!page) return 'device.envelope_invalid';
    const [row] = await this.dataSource.query<Synchronization[]>(
      `select * from device_router.synchronization
        where inventory_id = $1 and device_identifier = $2 and phase = 'inventory'`,
      [correlationId, deviceIdentifier],
    );
    if (!row) return null;
    // A list that does not go on would never end.
    if (page.next !== null && page.next <= (row.after ?? '')) return 'device.envelope_invalid';
    await this.dataSource.query(
      `with moved as (
         update device_router.synchronization
            set page = page + 1, after = $3, inventory_id = null, sent_at = '-infinity', progressed_at = $4,
                phase = case when $3::text is null then 'comparing' else 'inventory' end, token_last = $5
          where command_id = $1 and inventory_id = $2 returning command_id)
       insert into device_router.inventory (command_id, object_id, version, sha256, signed)
       select command_id, i."objectId", i.version, i.sha256, $7::boolean
         from moved cross join json_to_recordset($6::json) as i("objectId" text, version int, sha256 text)
       on conflict (command_id, object_id, version) do update set sha256 = excluded.sha256`,
      [
        row.command_id,
        correlationId,
        page.next,
        this.clock.now(),
        // Whatever is reserved from now on, the target is told to hold like every other device.
        uuid7(),
        JSON.stringify(distinct(page.items)),
        signed,
      ],
    );
    this.onTaken();
    return null;
  }

  /**
   * Looks at the next tokens and notes those that the target lacks. What it has without the log knowing it, it has now
   * acknowledged: it may have been thought lost, when its disk was away.
   */
  async compare(row: Synchronization): Promise<Step> {
    const { command_id: commandId, profile_id, device_identifier: target } = row;
    const tokens = await this.dataSource.query<Permanent[]>(
      `select p.*, c.token_id is not null as told, c.sha256 is not distinct from p.sha256 as recorded
         from (select distinct on (token_id) token_id, version, coalesce(sha256, due_sha256) as sha256, sealed_size
                 from device_router.copy
                where profile_id = $1 and (sha256 is not null or due_sha256 is not null)
                  and token_id > $2 and token_id <= $3
                order by token_id, version desc limit ${pageSize}) p
         left join device_router.copy c
           on c.token_id = p.token_id and c.version = p.version and c.device_identifier = $4
        order by p.token_id`,
      [profile_id, row.token_after, row.token_last, target],
    );
    const objectIds = tokens.map(({ token_id }) => this.keys.objectId(token_id, target));
    const listed = await this.dataSource.query<Listed[]>(
      `select object_id, version, sha256, signed from device_router.inventory where command_id = $1 and object_id = any($2)`,
      [commandId, objectIds],
    );
    const holds = new Map(listed.map((item) => [`${item.object_id}/${item.version}/${item.sha256}`, item]));
    const compared = tokens.map((token, index) => ({
      ...token,
      found: token.told ? holds.get(`${objectIds[index]}/${token.version}/${token.sha256}`) : undefined,
    }));
    const lacking = compared.filter(({ found }) => !found);
    await this.acknowledge(
      row,
      compared.flatMap(({ found, recorded, token_id: tokenId, version, sha256 }) =>
        found && !recorded ? [{ tokenId, version, sha256, signed: found.signed }] : [],
      ),
    );
    const over = tokens.length < pageSize;
    await this.dataSource.query(
      `with noted as (
         insert into device_router.synchronization_item (command_id, token_id, version, sha256, sealed_size)
         select $1::uuid, i.token_id, i.version, i.sha256, i.sealed_size
           from json_to_recordset($2::json) as i(token_id uuid, version int, sha256 text, sealed_size bigint)
         on conflict do nothing returning token_id),
       listed as (
         delete from device_router.inventory where command_id = $1::uuid and $5::boolean)
       update device_router.synchronization
          set token_after = $3, progressed_at = $4, total = total + (select count(*) from noted),
              phase = case when $5::boolean then 'copying' else 'comparing' end
        where command_id = $1::uuid`,
      [commandId, JSON.stringify(lacking), tokens.at(-1)?.token_id ?? row.token_after, this.clock.now(), over],
    );
    return 'on';
  }

  private async acknowledge(
    { command_id: commandId, device_identifier: deviceIdentifier }: Synchronization,
    found: ReadonlyArray<{ tokenId: string; version: number; sha256: string; signed: boolean }>,
  ): Promise<void> {
    const appended = await Promise.all(
      found.map((copy) => {
        const data = { ...copy, deviceIdentifier };
        const acknowledged: CopyEvent = { type: 'storage.write_acknowledged', version: 1, data };
        const cause: Cause = {
          commandId,
          correlationId: commandId,
          causationId: uuid5(`${commandId}/${copy.tokenId}/found`),
          actor: { profileId: deviceIdentifier, kind: 'device', deviceIdentifier },
        };
        return this.streams.append(copyStream(data), 'any', [acknowledged], cause);
      }),
    );
    await Promise.all(appended.map((each) => this.projections.passed('cursor' in each ? each.cursor : null)));
  }

  /** What was on its way on the old connection may be lost. */
  private async connected(deviceIdentifier: string): Promise<void> {
    await this.dataSource
      .query(`update device_router.synchronization set sent_at = '-infinity' where device_identifier = $1`, [
        deviceIdentifier,
      ])
      .then(() => this.onTaken())
      // Then it is asked again by its schedule.
      .catch(() => undefined);
  }
}

/** One row may be written once in a statement. */
function distinct<I extends { readonly objectId: string; readonly version: number }>(items: readonly I[]): I[] {
  return [...new Map(items.map((item) => [`${item.objectId}/${item.version}`, item])).values()];
}
