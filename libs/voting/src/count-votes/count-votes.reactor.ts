import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { VoteEvent, VoteReceived } from '@symbolon/contracts';
import { PersonalBoxes, StatementError, uuid5, verifyStatement } from '@symbolon/crypto';
import { type Cause, EventStore, millisOf, type Recorded, Streams } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { ProjectionRunner } from '@symbolon/projection';
import { DataSource } from 'typeorm';
import { Authenticators } from '../authenticator/authenticators';
import { type Ballot, poll } from '../poll/poll.model';
import { settling } from '../poll/polls';
import { castVote } from '../poll/settle-poll.decide';
import { claimsOf, statementHash, voteType } from '../poll/statements';
import { agrees } from '../poll/vote-statement.decide';

const name = 'voting.when-vote-received-then-count';

type Received = VoteReceived['data'];
type Fault = 'device.envelope_invalid' | 'device.signature_invalid';

/** When a vote has come, then it is checked against its ballot and counted, or refused, or recorded as of no effect. */
@Injectable()
export class CountVotes implements OnModuleInit {
  constructor(
    private readonly registry: Registry,
    private readonly streams: Streams,
    private readonly store: EventStore,
    private readonly projections: ProjectionRunner,
    private readonly dataSource: DataSource,
    private readonly boxes: PersonalBoxes,
    private readonly authenticators: Authenticators,
  ) {}

  onModuleInit(): void {
    this.registry.reactors({
      name,
      categories: ['vote'],
      on: { 'ballot.vote_received': (event) => this.count(event) },
    });
  }

  private async count(event: Recorded): Promise<void> {
    const vote = event.data as Received;
    const { ballotId, deviceIdentifier, envelopeId, receivedAt, votedAt } = vote;
    const poolId = await this.poolOf(ballotId);
    const { state } = poolId === null ? { state: poll.initial } : await this.streams.load(poll, poolId);
    const ballot = state.ballots.find((one) => one.ballotId === ballotId && one.deviceIdentifier === deviceIdentifier);
    const cause = causeOf(event, state.created?.commandId ?? null);
    // What was decided then stays, also where the device's key is another by now.
    if (await this.isSettled(event, poolId, cause)) return;
    if (!ballot || poolId === null) {
      const data = { ballotId, deviceIdentifier, envelopeId, reason: 'unknown' } as const;
      return this.record(event, { type: 'ballot.vote_discarded', version: 1, data }, cause);
    }
    const { signingKey } = await this.authenticators.device(deviceIdentifier);
    const fault = faultOf(vote, ballot, poolId, signingKey);
    if (fault) return this.refuse(event, fault, poolId, cause);
    const box = await this.boxes.open(event, vote.profileId);
    const command = {
      ...settling(),
      ...{ ballotId, deviceIdentifier, envelopeId, vote: vote.vote, votedAt, receivedAt, voter: vote.profileId },
      statement: signingKey === null ? null : vote.statement,
      comment: (box?.['comment'] as string | null | undefined) ?? null,
      entitled: await this.authenticators.isEntitled(vote.profileId, deviceIdentifier),
    };
    await this.streams.transact(poll, poolId, castVote, command, cause);
  }

  private async isSettled({ stream }: Recorded, poolId: string | null, cause: Cause): Promise<boolean> {
    for (const one of [stream, ...(poolId === null ? [] : [`poll-${poolId}`])])
      for await (const { meta } of this.store.read(one)) if (meta.causationId === cause.causationId) return true;
    return false;
  }

  /** A ballot that went out is in the log: what the read model does not show yet, it shows once it has passed. */
  private async poolOf(ballotId: string): Promise<string | null> {
    const find = async () => {
      const [row] = await this.dataSource.query<Array<{ pool_id: string }>>(
        'select pool_id from voting.ballot where ballot_id = $1',
        [ballotId],
      );
      return row?.pool_id ?? null;
    };
    const found = await find();
    if (found !== null) return found;
    await this.projections.passed(await this.store.tail());
    return find();
  }

  /** Whoever talks to the device tells it, and alerts the owner to a forgery. */
  private async refuse(event: Recorded, reason: Fault, poolId: string, cause: Cause): Promise<void> {
    const { envelopeId, deviceIdentifier, profileId, ballotId } = event.data as Received;
    const data = { envelopeId, deviceIdentifier, profileId, ballotId, poolId, commandId: cause.commandId, reason };
    await this.record(event, { type: 'ballot.vote_refused', version: 1, data }, cause);
  }

  /** Beside the vote: no poll is concerned. */
  private async record({ stream }: Recorded, event: VoteEvent, cause: Cause): Promise<void> {
    await this.streams.append(stream, 'any', [event], cause);
  }
}

/** What is wrong with a vote on this ballot, or null (contract, section 16.3). */
function faultOf(vote: Received, ballot: Ballot, poolId: string, signingKey: string | null): Fault | null {
  if (!Number.isFinite(millisOf(vote.votedAt))) return 'device.envelope_invalid';
  if (signingKey === null) return null;
  if (vote.statement === null) return 'device.signature_invalid';
  try {
    const claims = verifyStatement(vote.statement, { typ: voteType, publicKeyHex: signingKey });
    const about = {
      ...{ ballotId: ballot.ballotId, deviceIdentifier: ballot.deviceIdentifier, poolId },
      ...{ vote: vote.vote, votedAt: vote.votedAt },
      ...{ ballot: claimsOf(ballot.statement), ballotHash: statementHash(ballot.statement) },
    };
    return agrees(claims, about) ? null : 'device.envelope_invalid';
  } catch (error) {
    if (!(error instanceof StatementError)) throw error;
    return error.fault === 'signature' ? 'device.signature_invalid' : 'device.envelope_invalid';
  }
}

function causeOf({ id, meta }: Recorded, commandId: string | null): Cause {
  const { correlationId, actor } = meta;
  return { commandId, correlationId: commandId ?? correlationId, actor, causationId: uuid5(`${id}/${name}`) };
}
