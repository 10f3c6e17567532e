import { Injectable } from '@nestjs/common';
import type { PollCreated } from '@symbolon/contracts';
import { PersonalBoxes } from '@symbolon/crypto';
import type { Envelope } from '@symbolon/device-link';
import { Clock, EventStore, instant, type Recorded, wholeSeconds } from '@symbolon/kernel';
import { DataSource } from 'typeorm';
import { type Addressee, Envelopes } from '../channel/envelopes';

type BallotKind = 'ballot' | 'ballot_voided';

/** A delivery that brings a ballot, or that it is void. */
export interface BallotRow {
  readonly kind: BallotKind;
  readonly subject_id: string;
  readonly device_identifier: string;
  readonly content: { readonly poolId: string; readonly statement?: string; readonly reason?: string };
  readonly expires_at: Date;
}

export function isBallot<R extends { readonly kind: string }>(row: R): row is Extract<R, { kind: BallotKind }> {
  return row.kind === 'ballot' || row.kind === 'ballot_voided';
}

/** What devices are told of polls (contract, section 16.3): what a ballot shows lies in the box of its poll. */
@Injectable()
export class Ballots {
  constructor(
    private readonly store: EventStore,
    private readonly boxes: PersonalBoxes,
    private readonly envelopes: Envelopes,
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  /** Null for a device without key, and once the poll's subject is erased. */
  async compose(row: BallotRow, { publicKey, id, at }: Addressee): Promise<Envelope | null> {
    if (publicKey === null) return null;
    const content = row.kind === 'ballot' ? await this.issued(row) : voided(row);
    const type = row.kind === 'ballot' ? 'ballot.issued' : 'ballot.voided';
    return content && this.envelopes.seal(type, content, row.device_identifier, { publicKey, id, at });
  }

  /** Nobody answers that a ballot is void: the device knows once the carrier has the message. */
  async arrived({
    kind,
    subject_id,
    device_identifier,
  }: {
    kind: string;
    subject_id: string;
    device_identifier: string;
  }) {
    if (kind !== 'ballot_voided') return;
    await this.dataSource.query(
      `delete from device_router.delivery
        where kind = 'ballot_voided' and subject_id = $1 and version = 0 and device_identifier = $2 and of_sha256 = ''`,
      [subject_id, device_identifier],
    );
  }

  /** Removes what has come too late to be of use. */
  async forget(): Promise<void> {
    await this.dataSource.query('delete from device_router.delivery where expires_at <= $1', [this.clock.now()]);
  }

  private async issued({ subject_id: ballotId, content, expires_at }: BallotRow): Promise<object | null> {
    const { poolId, statement } = content;
    const created = await this.created(poolId);
    const { profileId, operation, attempt, maxAttempts } = created.data as PollCreated['data'];
    const shown = (await this.boxes.open(created, profileId)) as Shown | null;
    if (!shown) return null;
    const { title, question, context } = shown;
    return {
      ballotId,
      poolId,
      operation,
      title,
      question,
      context: { ...context, time: wholeSeconds(context.time) },
      attempt,
      maxAttempts,
      expiresAt: wholeSeconds(instant(expires_at.getTime())),
      statement,
    };
  }

  /** The first event of a poll's stream. */
  private async created(poolId: string): Promise<Recorded> {
    for await (const event of this.store.read(`poll-${poolId}`)) if (event.type === 'poll.created') return event;
    throw new Error(`poll ${poolId} was never created`);
  }
}

type Shown = NonNullable<PollCreated['personal']>['fields'];

function voided({ subject_id: ballotId, content: { poolId, reason } }: BallotRow): object {
  return { ballotId, poolId, reason };
}
