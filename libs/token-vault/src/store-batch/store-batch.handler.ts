import { Injectable, type OnModuleInit } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Commands, deferred, type HandlerResult } from '@symbolon/command-log';
import { KeyStore, mintSecret, uuid5 } from '@symbolon/crypto';
import { type Cause, Clock, instant, type Instant, Streams, system } from '@symbolon/kernel';
import { Deadlines } from '@symbolon/projection';
import { Transfers } from '@symbolon/transfer';
import { Batches } from '../batch/batches';
import { failWrite } from '../deposit-at-devices/fail-write.decide';
import { reservationDeadline } from '../expire-reservations/expire-reservations.handler';
import { Parcels } from '../parcel/parcels';
import { token } from '../token/token.model';
import { Tokens } from '../token/tokens.query';
import { isGated } from './batch-gate';
import { StoreBatch, type StoreBatchItem } from './store-batch.command';
import { storeItem } from './store-item.decide';

const kind = 'token-vault.batch';
/** Seconds in which no device acknowledges any item and none is reading the one in question. */
const patience = 60;
/** Seconds that a token lives whose write has failed. */
const ttl = 300;
const atOnce = 128;
const reason = 'storage.no_device_answered';

interface Overdue {
  readonly commandId: string;
  readonly profileId: string;
}

@CommandHandler(StoreBatch)
@Injectable()
export class StoreBatchHandler implements ICommandHandler<StoreBatch>, OnModuleInit {
  constructor(
    private readonly streams: Streams,
    private readonly keys: KeyStore,
    private readonly tokens: Tokens,
    private readonly parcels: Parcels,
    private readonly batches: Batches,
    private readonly commands: Commands,
    private readonly transfers: Transfers,
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.deadlines.handle<Overdue>(kind, (overdue) => this.overdue(overdue));
  }

  async execute({ data: { items }, context }: StoreBatch): Promise<HandlerResult> {
    const { commandId, profileId: owner, actor, cause } = context;
    const gated = await isGated(this.commands, owner, actor, 'data_token.space_reserved');
    const refusal = gated ? 'policy.asks_each' : (await this.tokens.hasStorage(owner)) ? null : 'storage.no_devices';
    if (refusal !== null) {
      const end = { status: 'rejected', reason: refusal, cursor: null } as const;
      // First the end, then the bytes: a repeat after a crash must not accept what was destroyed.
      await this.commands.settle(commandId, end, owner, cause);
      await this.parcels.discard(items.map(({ parcel }) => parcel.parcelId));
      return end;
    }
    await this.batches.begin(
      commandId,
      items.map(({ tokenId, parcel }) => ({ subjectId: tokenId, parcelId: parcel.parcelId })),
    );
    const overdue: Overdue = { commandId, profileId: owner };
    await this.deadlines.schedule({
      id: `${kind}/${commandId}`,
      kind,
      dueAt: this.clock.after(patience),
      data: overdue,
    });
    const expiresAt = this.clock.after(ttl);
    const queue = items.values();
    const lane = async () => {
      for (const item of queue) await this.store(item, owner, expiresAt, cause);
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
    return deferred;
  }

  private async store({ tokenId, context, parcel }: StoreBatchItem, owner: string, expiresAt: Instant, cause: Cause) {
    const text = await this.keys.keepSecret('data-token', owner, tokenId, mintSecret('dt_'));
    const tokenHash = this.keys.hashSecret('data-token', text);
    const command = { tokenId, owner, tokenHash, expiresAt, context, parcel };
    await this.streams.transact(token, tokenId, storeItem, command, cause);
  }

  /** What no device has taken in time fails; the rest of the batch has what it got. */
  private async overdue({ commandId, profileId }: Overdue): Promise<void | { again: Instant }> {
    const cause: Cause = {
      commandId,
      correlationId: commandId,
      causationId: uuid5(`${commandId}/${kind}`),
      actor: system,
    };
    const [devices, lastEnd] = await Promise.all([
      this.tokens.storageDevices(profileId),
      this.batches.lastEnd(commandId),
    ]);
    let again = -Infinity;
    for (const { subjectId: tokenId, parcelId } of await this.batches.open(commandId)) {
      if (parcelId === null) continue;
      const reads = await Promise.all(devices.map((id) => this.transfers.lastRunning('payload', `${parcelId}/${id}`)));
      const dueAt = Math.max(lastEnd, ...reads) + patience * 1000;
      if (this.clock.millis() < dueAt) {
        again = Math.max(again, dueAt);
        continue;
      }
      const outcome = await this.streams.transact(token, tokenId, failWrite, { tokenId, parcelId, reason }, cause);
      if (outcome.status === 'refused' || outcome.cursor === null) continue;
      await this.parcels.discard([parcelId]);
      await this.deadlines.schedule(reservationDeadline(tokenId, outcome.state.expiresAt));
      await this.batches.ended(tokenId, { status: 'rejected', reason, tokenId }, profileId, cause);
    }
    if (again > -Infinity) return { again: instant(again) };
    await this.batches.finish(commandId, profileId, cause);
  }
}
