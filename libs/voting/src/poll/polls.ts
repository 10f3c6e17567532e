import { Injectable } from '@nestjs/common';
import type { PollRules } from '@symbolon/contracts';
import { KeyStore, randomBytes, signStatement, uuid7 } from '@symbolon/crypto';
import { type Cause, Clock, type Instant, type Loaded, millisOf, type Outcome, Streams } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { Settings } from '@symbolon/settings';
import { DataSource } from 'typeorm';
import { Authenticators } from '../authenticator/authenticators';
import { type Attempt, type OpenPoll, openPoll, type Shown } from './open-poll.decide';
import { poll, type Poll } from './poll.model';
import { cancelPoll, type CancelPoll, voidBallots } from './settle-poll.decide';
import { ballotType, statementHash } from './statements';

/** What a decision that may end a poll needs from outside. */
export function settling() {
  return { nextPoolId: uuid7(), hash: statementHash };
}

/** Opens polls with signed ballots, and takes ballots away. */
@Injectable()
export class Polls {
  constructor(
    private readonly streams: Streams,
    private readonly projections: ProjectionRunner,
    private readonly authenticators: Authenticators,
    private readonly dataSource: DataSource,
    private readonly keys: KeyStore,
    private readonly settings: Settings,
    private readonly clock: Clock,
  ) {}

  /** One ballot for each authenticator that is eligible now; none goes out if one of them is removed meanwhile. */
  open(attempt: Attempt, shown: Shown | null, cause: Cause): Promise<Outcome<Poll>> {
    const prepare = async () => {
      const { devices, guard } = await this.authenticators.of(attempt.profileId);
      return { command: this.compose(attempt, shown, devices), guard };
    };
    return this.streams.transactGuarded(poll, attempt.poolId, openPoll, prepare, cause);
  }

  private compose(attempt: Attempt, shown: Shown | null, devices: readonly string[]): OpenPoll {
    const { rules, skipped } = attempt;
    const now = this.clock.millis();
    const expiresAt = this.clock.after(rules.timeLimit);
    const ballots = devices
      .filter((id) => isAsked(rules, id) && !skipped.includes(id))
      .map((deviceIdentifier) => {
        const ballotId = uuid7();
        const statement = this.state(attempt, shown, { ballotId, deviceIdentifier, now, expiresAt });
        return { ballotId, deviceIdentifier, statement };
      });
    return { attempt, shown, expiresAt, ballots };
  }

  /** The server's own statement (contract, section 16.3). */
  private state(
    { poolId, profileId, operation, op, attempt }: Attempt,
    shown: Shown | null,
    { ballotId, deviceIdentifier, now, expiresAt }: Ballot,
  ): string {
    return signStatement(this.keys.signKey().private, ballotType, {
      ...{ iss: this.settings.publicUrl, aud: deviceIdentifier, jti: ballotId, poll: poolId, operation, op },
      requester: shown?.context.requester?.profileId ?? profileId,
      attempt,
      nonce: randomBytes(16).toString('base64url'),
      iat: Math.floor(now / 1000),
      exp: Math.floor(millisOf(expiresAt) / 1000),
    });
  }

  /**
   * Voids the open ballots of devices that are authenticators no more. Answers the place of what it has written, or null.
   */
  async withdraw(deviceIdentifier: string, cause: Cause, cursor: string | null): Promise<string | null> {
    await this.projections.passed(cursor);
    const pools = await this.dataSource.query<Array<{ pool_id: string }>>(
      `select distinct pool_id from voting.ballot join voting.poll using (pool_id)
        where device_identifier = $1 and status = 'open'`,
      [deviceIdentifier],
    );
    let last: string | null = null;
    for (const { pool_id } of pools) {
      const command = { ...settling(), deviceIdentifiers: [deviceIdentifier] };
      const outcome = await this.streams.transact(poll, pool_id, voidBallots, command, cause);
      if (outcome.status === 'succeeded') last = outcome.cursor ?? last;
    }
    return last;
  }

  /** Cancels whatever attempt of a chain is open, or about to be. */
  async cancelChain(chainId: string, about: Announced, cause: Cause): Promise<void> {
    let poolId: string | null = chainId;
    while (poolId !== null) {
      const command: CancelPoll = { owner: null, announced: { ...about, poolId, chainId }, hash: statementHash };
      const outcome: Outcome<Poll> = await this.streams.transact(poll, poolId, cancelPoll, command, cause);
      if (outcome.status === 'succeeded') return;
      const attempt: Loaded<Poll> = await this.streams.load(poll, poolId);
      poolId = attempt.state.nextPoolId;
    }
  }
}

type Announced = Omit<NonNullable<CancelPoll['announced']>, 'poolId' | 'chainId'>;

interface Ballot {
  readonly ballotId: string;
  readonly deviceIdentifier: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly expiresAt: Instant;
}

function isAsked({ deviceIdentifiers }: PollRules, id: string): boolean {
  return deviceIdentifiers === null || deviceIdentifiers.includes(id);
}
