import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { KeyReused, type Submitted } from '@symbolon/command-log';
import { KeyStore, sealLayer2, sha256Hex, Sha256Meter, uuid7 } from '@symbolon/crypto';
import { Clock, EventStore, Gathered, Streams } from '@symbolon/kernel';
import { ParcelStore } from '@symbolon/parcel-store';
import { Registry } from '@symbolon/platform';
import { Deadlines, ProjectionRunner } from '@symbolon/projection';
import { Transfers } from '@symbolon/transfer';
import { DataSource } from 'typeorm';
import type { ParcelRef } from '../exchange-data/exchange-data.decide';
import { token } from '../token/token.model';

const sweepEvery = 600;
/** Parcels of one batch that are written at a time. */
const atOnce = 16;
/** Seconds after which a parcel that no event names is given up; an upload may well take hours. */
const timeToLive = 24 * 3600;

/**
 * The vault's parcels and their layer-2 keys. A row stands before the key is made and goes after it was destroyed, so
 * that after a crash at any point a sweep finds what nobody needs.
 */
@Injectable()
export class Parcels implements OnModuleInit {
  private readonly arrivals = new Gathered(async (parcelIds: readonly string[]) => {
    await this.dataSource.query('update token_vault.parcel set in_transit = false where parcel_id = any($1)', [
      parcelIds,
    ]);
    return parcelIds;
  });

  constructor(
    private readonly keys: KeyStore,
    private readonly parcels: ParcelStore,
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
    private readonly streams: Streams,
    private readonly store: EventStore,
    private readonly projections: ProjectionRunner,
    private readonly transfers: Transfers,
    private readonly deadlines: Deadlines,
    private readonly registry: Registry,
  ) {}

  onModuleInit(): void {
    this.registry.keepParcels((parcelIds) => this.inTransit(parcelIds));
    this.deadlines.handle('token-vault.sweep', async () => {
      await this.sweep();
      return { again: this.clock.after(sweepEvery) };
    });
    this.registry.loop({
      start: () =>
        this.deadlines.schedule({
          id: 'token-vault.sweep',
          kind: 'token-vault.sweep',
          dueAt: this.clock.after(sweepEvery),
          data: {},
        }),
      stop: () => undefined,
    });
  }

  /** Seals what was handed in, in constant memory, into a parcel of its own. Durable when resolved. */
  async seal(owner: string, tokenId: string, bytes: AsyncIterable<Uint8Array>): Promise<ParcelRef> {
    const parcelId = uuid7();
    await this.dataSource.query(
      'insert into token_vault.parcel (parcel_id, token_id, profile_id, begun_at) values ($1, $2, $3, $4)',
      [parcelId, tokenId, owner, this.clock.now()],
    );
    try {
      const sealer = sealLayer2(await this.keys.createTokenKey(owner, parcelId), { tokenId, parcelId, owner });
      const meter = new Sha256Meter();
      let size = 0;
      async function* counted() {
        for await (const chunk of bytes) {
          size += chunk.length;
          yield chunk;
        }
      }
      const [stored, piped] = await Promise.allSettled([
        this.parcels.write(parcelId, meter),
        pipeline(counted, sealer, meter),
      ]);
      // The store passes an error of the source on; its own comes first as well.
      if (stored.status === 'rejected') throw stored.reason;
      if (piped.status === 'rejected') throw piped.reason;
      return { parcelId, size, sealedSize: meter.size, sha256: meter.hex(), header: sealer.header };
    } catch (error) {
      await this.discard([parcelId]).catch(() => undefined); // else the sweep does it
      throw error;
    }
  }

  /** The same for many small values, which lie in memory. Either all are durable, or none is left. */
  async sealAll(
    owner: string,
    values: ReadonlyArray<{ readonly tokenId: string; readonly bytes: Buffer }>,
  ): Promise<ParcelRef[]> {
    const parcelIds = values.map(() => uuid7());
    await this.dataSource.query(
      `insert into token_vault.parcel (parcel_id, token_id, profile_id, begun_at)
       select p, t, $3, $4 from unnest($1::uuid[], $2::uuid[]) w(p, t)`,
      [parcelIds, values.map(({ tokenId }) => tokenId), owner, this.clock.now()],
    );
    try {
      const keys = await this.keys.createTokenKeys(owner, parcelIds);
      const refs: ParcelRef[] = [];
      const queue = values.entries();
      const lane = async () => {
        for (const [index, { tokenId, bytes }] of queue) {
          const parcelId = parcelIds[index]!;
          const sealer = sealLayer2(keys[index]!, { tokenId, parcelId, owner });
          sealer.end(bytes);
          const sealed = await buffer(sealer);
          await this.parcels.write(parcelId, one(sealed));
          const { length: sealedSize } = sealed;
          refs[index] = { parcelId, size: bytes.length, sealedSize, sha256: sha256Hex(sealed), header: sealer.header };
        }
      };
      const lanes = await Promise.allSettled(Array.from({ length: atOnce }, lane));
      for (const ended of lanes) if (ended.status === 'rejected') throw ended.reason;
      return refs;
    } catch (error) {
      await this.discard(parcelIds).catch(() => undefined); // else the sweep does it
      throw error;
    }
  }

  /** Destroys parcels that a call has sealed where an earlier call with its Idempotency-Key counts instead. */
  async takenBy(submission: Promise<Submitted>, parcels: readonly ParcelRef[]): Promise<Submitted> {
    const discard = () => this.discard(parcels.map(({ parcelId }) => parcelId));
    try {
      const submitted = await submission;
      if (submitted.repeated) await discard();
      return submitted;
    } catch (error) {
      if (error instanceof KeyReused) await discard();
      throw error;
    }
  }

  /** Destroys keys and bytes. May be repeated. */
  async discard(parcelIds: readonly string[]): Promise<void> {
    if (parcelIds.length === 0) return;
    await this.keys.destroyTokenKeys(parcelIds);
    for (const parcelId of parcelIds) await this.parcels.delete(parcelId);
    await this.dataSource.query('delete from token_vault.parcel where parcel_id = any($1)', [parcelIds]);
  }

  /** A device has the bytes: from here on whoever still delivers them keeps the parcel. The key stays. */
  async arrived(parcelId: string): Promise<void> {
    await this.arrivals.ask(parcelId);
  }

  /** Every parcel that was ever sealed for this token and whose key may still exist. */
  async ofToken(tokenId: string): Promise<string[]> {
    const rows = await this.dataSource.query<Array<{ parcel_id: string }>>(
      'select parcel_id from token_vault.parcel where token_id = $1',
      [tokenId],
    );
    return rows.map((row) => row.parcel_id);
  }

  /** Those of them that devices hold. */
  async arrivedOf(tokenId: string): Promise<string[]> {
    const rows = await this.dataSource.query<Array<{ parcel_id: string }>>(
      'select parcel_id from token_vault.parcel where token_id = $1 and not in_transit',
      [tokenId],
    );
    return rows.map((row) => row.parcel_id);
  }

  private async inTransit(parcelIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.dataSource.query<Array<{ parcel_id: string }>>(
      `select parcel_id from token_vault.parcel where in_transit and parcel_id = any($1)
       union select parcel_id from token_vault.download where parcel_id = any($1)`,
      [parcelIds],
    );
    return new Set(rows.map((row) => row.parcel_id));
  }

  /** Destroys what a crash left behind: parcels of broken uploads and of calls that never became a command. */
  async sweep(): Promise<void> {
    const before = this.clock.after(-timeToLive);
    // What was accepted until now must be seen as pending.
    await this.projections.passed(await this.store.tail());
    const rows = await this.dataSource.query<Array<{ parcel_id: string; token_id: string }>>(
      `select parcel_id, token_id from token_vault.parcel p
        where in_transit and begun_at < $1
          and not exists (select from token_vault.pending_command c where c.parcel_id = p.parcel_id)
          and not exists (select from token_vault.pending_batch b where p.parcel_id = any(b.parcel_ids))`,
      [before],
    );
    for (const { parcel_id: parcelId, token_id: tokenId } of rows) {
      if (await this.transfers.running('reservation', tokenId)) continue;
      const { state } = await this.streams.load(token, tokenId);
      const needed = [state.pending, state.phase === 'deleted' ? null : state.held];
      if (needed.some((stored) => stored?.dataKey.keyId === parcelId)) continue;
      await this.discard([parcelId]);
    }
  }
}

/** Bytes that lie in memory, as a source. */
export async function* one(bytes: Buffer) {
  yield bytes;
}
