import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Commands } from '@symbolon/command-log';
import type { WriteAcknowledged } from '@symbolon/contracts';
import { PersonalBoxes, uuid5 } from '@symbolon/crypto';
import {
  type Cause,
  Clock,
  EventStore,
  instant,
  type Instant,
  type Outcome,
  type Recorded,
  Streams,
  system,
} from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { type Deadline, Deadlines } from '@symbolon/projection';
import { Transfers } from '@symbolon/transfer';
import { Batches } from '../batch/batches';
import { ExpireReservations, reservationDeadlineId } from '../expire-reservations/expire-reservations.handler';
import { Parcels } from '../parcel/parcels';
import { retirementDeadline } from '../parcel/retire-versions';
import { touchesFile } from '../token/change-sections.decide';
import { FileSections } from '../token/file-sections.query';
import type { TokenChanges, TokenData } from '../token/token.events';
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

type WriteData = TokenData<'data_token.data_exchanged' | 'data_token.data_replaced'>;

const kind = 'token-vault.write';
/** Seconds in which no device acknowledges and none is reading. */
const patience = 60;
const reason = 'storage.no_device_answered';

export function writeDeadline(write: Write, clock: Clock): Deadline {
  return { id: `${kind}/${write.parcelId}`, kind, dueAt: clock.after(patience), data: write };
}

/** Ends a write of a new token or a new version: with the first acknowledgement of a device, or when none comes in time. */
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
    private readonly files: FileSections,
    private readonly boxes: PersonalBoxes,
    private readonly batches: Batches,
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
    const write = await this.writeOf(tokenId, sha256);
    if (!write) return;
    const { commandId, correlationId, actor } = write.meta;
    const cause: Cause = { commandId, correlationId, actor, causationId: uuid5(`${id}/token-vault.make-permanent`) };
    const { profileId, size, dataKey } = write.data as WriteData;
    const replaces = write.type === 'data_token.data_replaced';
    const changes = (replaces && (await this.changesOf(write, profileId))) || { meta: {} };
    let outcome: Outcome;
    do {
      const now = touchesFile(changes) ? await this.files.now(tokenId, profileId) : { file: null, fileChanges: 0 };
      const command = { tokenId, version, sha256, deviceIdentifier, changes, now };
      outcome = await this.streams.transact(token, tokenId, makePermanent, command, cause);
    } while (outcome.status === 'refused');
    // Without effect: another acknowledgement was first, or this one comes too late.
    if (outcome.cursor === null || commandId === null) return;

    await this.parcels.arrived(dataKey.keyId);
    if ((write.data as Partial<TokenData<'data_token.data_exchanged'>>).ofBatch) {
      const end = { status: 'succeeded', reason: null, tokenId, version, size } as const;
      await this.batches.ended(tokenId, end, profileId, cause);
      return;
    }
    await this.deadlines.cancel(`${kind}/${dataKey.keyId}`);
    await this.deadlines.cancel(reservationDeadlineId(tokenId));
    if (replaces) await this.deadlines.schedule(retirementDeadline(tokenId, version, this.clock));
    const result = replaces ? { tokenId, version } : { tokenId, version, size };
    await this.commands.settle(commandId, { status: 'succeeded', result, cursor: outcome.cursor }, profileId, cause);
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
  private async writeOf(tokenId: string, sha256: string): Promise<Recorded | null> {
    for await (const event of this.store.read(`token-${tokenId}`)) {
      if (event.type !== 'data_token.data_exchanged' && event.type !== 'data_token.data_replaced') continue;
      if ((event.data as WriteData).sha256 === sha256) return event;
    }
    return null;
  }

  private async changesOf(write: Recorded, owner: string): Promise<TokenChanges | null> {
    const personal = await this.boxes.open(write, owner);
    return (personal?.['changes'] as TokenChanges | undefined) ?? null;
  }
}
