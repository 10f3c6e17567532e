import { Injectable } from '@nestjs/common';
import type { CopyOrdered } from '@symbolon/contracts';
import { uuid5 } from '@symbolon/crypto';
import { DeviceLink } from '@symbolon/device-link';
import { type Cause, Clock, instant, Streams, system } from '@symbolon/kernel';
import { Progress } from '@symbolon/platform';
import { ProjectionRunner } from '@symbolon/projection';
import { Transfers } from '@symbolon/transfer';
import { DataSource } from 'typeorm';
import { payloadId, payloadPurpose, returnId, returnPurpose } from '../channel/envelopes';
import { readingSeconds } from '../routing/routing.projection';
import { copyPatience, type Step, type Synchronization } from './synchronization';

/** Tokens that are being copied at a time. */
const window = 64;
const lastRound = 2;

interface Item {
  readonly token_id: string;
  readonly version: number;
  readonly sha256: string;
  readonly sealed_size: string;
  readonly round: number;
  readonly asked: string[];
  readonly request_id: string | null;
}

type OrderedItem = Item & {
  readonly ordered_at: Date;
  readonly acknowledged: boolean;
  readonly reading: boolean;
  readonly writing: string | null;
  /** Deleted meanwhile, or replaced. */
  readonly obsolete: boolean;
};

/**
 * Brings the target what it lacks, a window's worth at a time: first from one device, then from all that have it. What
 * has become of an item shows in the deliveries, so that nothing has to be remembered over a crash.
 */
@Injectable()
export class Copies {
  /** Devices that left a request unanswered, for each synchronization: asked again only together with others. */
  private readonly silent = new Map<string, Set<string>>();
  private turn = 0;

  constructor(
    private readonly dataSource: DataSource,
    private readonly streams: Streams,
    private readonly projections: ProjectionRunner,
    private readonly link: DeviceLink,
    private readonly transfers: Transfers,
    private readonly progress: Progress,
    private readonly clock: Clock,
  ) {}

  async advance(row: Synchronization): Promise<Step> {
    const { command_id: commandId } = row;
    const ordered = await this.ordered(row);
    const ended = ordered.filter(({ reading, writing }) => !reading && writing === null);
    const again = ended.filter(({ acknowledged, obsolete, round }) => !acknowledged && !obsolete && round < lastRound);
    const over = ended.filter((item) => !again.includes(item));
    const missing = over.filter(({ acknowledged, obsolete }) => !acknowledged && !obsolete).length;
    if (over.length > 0) await this.strike(commandId, over, missing);
    this.noteSilence(commandId, ended);

    const room = window - (ordered.length - over.length);
    const fresh = room >= window / 2 ? await this.waiting(commandId, room) : [];
    if (again.length + fresh.length > 0) {
      const sources = await this.sources(row, [...again, ...fresh]);
      // Nobody else stores for this profile: there is nothing to begin with.
      if (sources === null) return { rejected: 'storage.no_source' };
      await this.order(row, [...again, ...fresh], sources);
    }
    const left = ordered.length - over.length + fresh.length;
    await this.report(row);
    if (left === 0) return 'done';
    if (over.length + again.length + fresh.length > 0) return 'on';
    return this.patience(row, ordered);
  }

  forget(commandId: string): void {
    this.silent.delete(commandId);
  }

  private ordered({ command_id, device_identifier }: Synchronization): Promise<OrderedItem[]> {
    return this.dataSource.query<OrderedItem[]>(
      `select i.*, c.sha256 is not distinct from i.sha256 as acknowledged,
              exists (select from device_router.reading r where r.request_id = i.request_id) as reading,
              (select d.parcel_id from device_router.delivery d
                where d.kind = 'write' and d.subject_id = i.token_id and d.version = i.version
                  and d.device_identifier = $2 and d.of_sha256 = i.sha256) as writing,
              c.token_id is null or exists (
                select from device_router.delivery d
                 where d.kind = 'delete' and d.subject_id = i.token_id and d.device_identifier = $2
                   and d.version >= i.version) as obsolete
         from device_router.synchronization_item i
         left join device_router.copy c
           on c.token_id = i.token_id and c.version = i.version and c.device_identifier = $2
        where i.command_id = $1 and i.round > 0`,
      [command_id, device_identifier],
    );
  }

  private waiting(commandId: string, room: number): Promise<Item[]> {
    return this.dataSource.query<Item[]>(
      `select * from device_router.synchronization_item where command_id = $1 and round = 0 order by token_id limit $2`,
      [commandId, room],
    );
  }

  private async strike(commandId: string, items: readonly Item[], missing: number): Promise<void> {
    await this.dataSource.query(
      `with struck as (
         delete from device_router.synchronization_item where command_id = $1 and token_id = any($2::uuid[]))
       update device_router.synchronization set missing = missing + $3, progressed_at = $4 where command_id = $1`,
      [commandId, items.map(({ token_id }) => token_id), missing, this.clock.now()],
    );
  }

  private noteSilence(commandId: string, ended: readonly OrderedItem[]): void {
    const since = this.clock.millis() - readingSeconds * 1000;
    for (const { acknowledged, obsolete, asked, ordered_at } of ended) {
      if (acknowledged || obsolete || asked.length !== 1 || ordered_at.getTime() > since) continue;
      this.silent.set(commandId, (this.silent.get(commandId) ?? new Set()).add(asked[0]!));
    }
  }

  /** Which devices have each of these; null where the profile has no device to read from at all. */
  private async sources(row: Synchronization, items: readonly Item[]): Promise<Map<string, string[]> | null> {
    const others = await this.dataSource.query<Array<{ device_identifier: string }>>(
      `select device_identifier from device_router.storage join device_router.device using (device_identifier)
        where profile_id = $1 and status = 'approved' and device_identifier <> $2
          and ($3::uuid is null or device_identifier = $3)`,
      [row.profile_id, row.device_identifier, row.source],
    );
    if (others.length === 0) return null;
    const copies = await this.dataSource.query<Array<{ token_id: string; device_identifier: string }>>(
      `select c.token_id, c.device_identifier
         from json_to_recordset($1::json) as i(token_id uuid, version int, sha256 text)
         join device_router.copy c on c.token_id = i.token_id and c.version = i.version and c.sha256 = i.sha256
        where c.device_identifier = any($2::uuid[])`,
      [JSON.stringify(items), others.map((other) => other.device_identifier)],
    );
    const having = new Map<string, string[]>(items.map(({ token_id }) => [token_id, []]));
    for (const { token_id, device_identifier } of copies) having.get(token_id)!.push(device_identifier);
    return having;
  }

  /** Nothing counts as ordered before its delivery stands: what has none has failed. */
  private async order(row: Synchronization, items: readonly Item[], sources: Map<string, string[]>): Promise<void> {
    const reachable = new Set(this.link.reachable());
    const silent = this.silent.get(row.command_id);
    const orders = items.map((item) => {
      const all = sources.get(item.token_id) ?? [];
      const ready = all.filter((device) => reachable.has(device) && !silent?.has(device)).sort();
      const one = item.round === 0 && ready.length > 0 ? ready[this.turn++ % ready.length] : undefined;
      const round = one !== undefined && all.length > 1 ? 1 : lastRound;
      const requestId = uuid5(`${row.command_id}/${item.token_id}/${round}`);
      return { item, round, requestId, asked: one === undefined ? all : [one] };
    });
    const appended = await Promise.all(orders.map((order) => this.append(row, order)));
    const cursor = appended.at(-1) ?? null;
    await Promise.all(appended.map((each) => this.projections.passed(each)));
    await this.projections.passed(cursor);
    await this.dataSource.query(
      `update device_router.synchronization_item i
          set round = o.round, request_id = o."requestId", asked = array(select json_array_elements_text(o.asked))::uuid[],
              ordered_at = $3
         from json_to_recordset($2::json) as o(token_id uuid, round int, "requestId" uuid, asked json)
        where i.command_id = $1 and i.token_id = o.token_id`,
      [
        row.command_id,
        JSON.stringify(orders.map(({ item, ...order }) => ({ ...order, token_id: item.token_id }))),
        this.clock.now(),
      ],
    );
  }

  private async append(
    { command_id: commandId, profile_id: profileId, device_identifier: deviceIdentifier }: Synchronization,
    { item, requestId, asked }: { item: Item; requestId: string; asked: readonly string[] },
  ): Promise<string | null> {
    const { token_id: tokenId, version, sha256, sealed_size } = item;
    const ordered: CopyOrdered = {
      type: 'storage.copy_ordered',
      version: 1,
      data: {
        requestId,
        tokenId,
        profileId,
        version,
        deviceIdentifier,
        sources: asked,
        sha256,
        sealedSize: Number(sealed_size),
      },
    };
    const cause: Cause = {
      commandId,
      correlationId: commandId,
      causationId: uuid5(`${requestId}/ordered`),
      actor: system,
    };
    const appended = await this.streams.append(`copying-${requestId}`, 'any', [ordered], cause);
    return appended.status === 'conflict' ? null : appended.cursor;
  }

  private async report({ command_id: commandId, total }: Synchronization): Promise<void> {
    const [row] = await this.dataSource.query<Array<{ left: string }>>(
      'select count(*) as left from device_router.synchronization_item where command_id = $1',
      [commandId],
    );
    this.progress.report(commandId, { done: Number(total) - Number(row?.left ?? 0), total: Number(total) });
  }

  /** Bytes that flow are progress too. */
  private async patience(row: Synchronization, ordered: readonly OrderedItem[]): Promise<Step> {
    const limit = copyPatience * 1000;
    if (this.clock.millis() < row.progressed_at.getTime() + limit) return 'wait';
    const flowing = await Promise.all(
      ordered.flatMap(({ writing, request_id, asked }) => [
        ...(writing === null
          ? []
          : [this.transfers.lastRunning(payloadPurpose, payloadId(writing, row.device_identifier))]),
        ...asked.map((source) => this.transfers.lastRunning(returnPurpose, returnId(request_id!, source))),
      ]),
    );
    const last = Math.max(...flowing);
    if (this.clock.millis() >= last + limit) return { rejected: 'storage.device_offline' };
    await this.dataSource.query('update device_router.synchronization set progressed_at = $2 where command_id = $1', [
      row.command_id,
      instant(last),
    ]);
    return 'wait';
  }
}
