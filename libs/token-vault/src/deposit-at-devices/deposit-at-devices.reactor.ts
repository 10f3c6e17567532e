import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Commands } from '@symbolon/command-log';
import type { WriteAcknowledged } from '@symbolon/contracts';
import { uuid5 } from '@symbolon/crypto';
import { type Cause, Clock, EventStore, instant, type Instant, type Recorded, Streams, system } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { type Deadline, Deadlines } from '@symbolon/projection';
import { Transfers } from '@symbolon/transfer';
import { ExpireReservations, reservationDeadlineId } from '../expire-reservations/expire-reservations.handler';
import { Parcels } from '../parcel/parcels';
import type { TokenData } from '../token/token.events';
import { token } from '../token/token.model';
import { Tokens } from '../token/tokens.query';
import { failWrite } from './fail-write.decide';
import { makePermanent } from './make-permanent.decide';

interface Write {
  readonly tokenId: string;
  readonly parcelId: string;
  readonly commandId: string;
  readonly profileId: string;
}

const kind = 'token-vault.write';
/** Seconds in which no device acknowledges and none is reading. */
const patience = 60;
const reason = 'storage.no_device_answered';

export function writeDeadline(write: Write, clock: Clock): Deadline {
  return { id: `${kind}/${write.parcelId}`, kind, dueAt: clock.after(patience), data: write };
}

/** Ends a write: with the first acknowledgement of a device, or when none comes in time. */
@Injectable()
export class DepositAtDevices implements OnModuleInit {
  constructor(
    private readonly streams: Streams,
    private readonly store: EventStore,
    private readonly commands: Commands,
    private readonly deadlines: Deadlines,
    private readonly transfers: Transfers,
    private readonly parcels: Parcels,
    private readonly tokens: Tokens,
    private readonly reservations: ExpireReservations,
    private readonly clock: Clock,
    private readonly registry: Registry,
  ) {}

  onModuleInit(): void {
    this.registry.reactors({
      name: 'token-vault.when-write-acknowledged-then-make-permanent',
      categories: ['copy'],
      on: { 'storage.write_acknowledged': (event) => this.acknowledged(event) },
    });
    this.deadlines.handle<Write>(kind, (write) => this.overdue(write));
  }

  private async acknowledged({ id, data }: Recorded): Promise<void> {
    const { tokenId, version, sha256, deviceIdentifier } = data as WriteAcknowledged['data'];
    const write = await this.exchangeOf(tokenId, sha256);
    if (!write) return;
    const { commandId, correlationId, actor } = write.meta;
    const cause: Cause = { commandId, correlationId, actor, causationId: uuid5(`${id}/token-vault.make-permanent`) };
    const command = { tokenId, version, sha256, deviceIdentifier };
    const outcome = await this.streams.transact(token, tokenId, makePermanent, command, cause);
    // Without effect: another acknowledgement was first, or this one comes too late.
    if (outcome.status === 'refused' || outcome.cursor === null || commandId === null) return;

    const { profileId, size, dataKey } = write.data as TokenData<'data_token.data_exchanged'>;
    await this.parcels.arrived(dataKey.keyId);
    await this.deadlines.cancel(`${kind}/${dataKey.keyId}`);
    await this.deadlines.cancel(reservationDeadlineId(tokenId));
    const end = { status: 'succeeded', result: { tokenId, version, size }, cursor: outcome.cursor } as const;
    await this.commands.settle(commandId, end, profileId, cause);
  }

  private async overdue(write: Write): Promise<void | { again: Instant }> {
    const { tokenId, parcelId, commandId, profileId } = write;
    const devices = await this.tokens.storageDevices(profileId);
    const reads = await Promise.all(devices.map((id) => this.transfers.lastRunning('payload', `${parcelId}/${id}`)));
    const dueAt = Math.max(...reads) + patience * 1000;
    if (this.clock.millis() < dueAt) return { again: instant(dueAt) };
    const cause: Cause = {
      commandId,
      correlationId: commandId,
      causationId: uuid5(`${parcelId}/token-vault.write-failed`),
      actor: system,
    };
    const outcome = await this.streams.transact(token, tokenId, failWrite, { tokenId, parcelId, reason }, cause);
    if (outcome.status === 'refused' || outcome.cursor === null) return;
    await this.parcels.discard([parcelId]);
    await this.commands.settle(commandId, { status: 'rejected', reason, cursor: outcome.cursor }, profileId, cause);
    await this.reservations.expire(tokenId);
  }

  /** The event that handed these bytes in; it knows the command that waits for them. */
  private async exchangeOf(tokenId: string, sha256: string): Promise<Recorded | null> {
    for await (const event of this.store.read(`token-${tokenId}`)) {
      if (event.type !== 'data_token.data_exchanged') continue;
      if ((event.data as TokenData<'data_token.data_exchanged'>).sha256 === sha256) return event;
    }
    return null;
  }
}
