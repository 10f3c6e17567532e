import { type Clock, millisOf } from '@symbolon/kernel';
import { sha256Hex, signStatement } from '@symbolon/crypto';
import type { DeviceKeys } from '../home';
import type { Log } from '../log';
import { type Order, type Outcome, refused, type Role, type Task } from '../role';
import type { ServerKeys } from '../server-keys';
import type { Lanes } from '../turns';
import { type Ballot, readBallot, readVoided } from './ballot';
import type { BallotBox, Held, Vote } from './ballot-box';

/** Whoever decides on ballots: a person at the terminal, a rules file, another program through the control socket. */
export interface Decider {
  /** A ballot that is open; may vote on it at once or later, or leave it to others. */
  ask(ballot: Ballot): void;
  /** It is voted on, void or over. */
  settled(ballotId: string): void;
}

/** What a vote met. */
export type Voted =
  | { readonly taken: true }
  | { readonly taken: false; readonly reason: 'unknown' | 'already voted' | 'expired' | 'void' };

interface Parts {
  readonly deviceIdentifier: string;
  readonly keys: Pick<DeviceKeys, 'signing'>;
  readonly box: BallotBox;
  /** A lane per ballot: whatever changes it comes one after the other. */
  readonly lanes: Lanes;
  readonly serverKeys: Pick<ServerKeys, 'statement'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Hands a sealed message to the carrier, which repeats it until the server has it. */
  readonly send: (type: string, id: string, at: string, correlationId: string, content: object) => Promise<void>;
  /** Gives the vote that answers a message its id: the same however often it is sent. */
  readonly answerId: (envelopeId: string) => string;
}

const taken: Outcome = { kind: 'taken' };
const longestComment = 500;

/** Takes ballots and casts votes (contract, sections 13 and 16.3, `ballot.*`; statements: crypto.md, section 14). */
export class AuthenticatorRole implements Role {
  readonly types = ['ballot.issued', 'ballot.voided'];
  private readonly deciders: Decider[] = [];

  constructor(private readonly parts: Parts) {}

  decideBy(decider: Decider): void {
    this.deciders.push(decider);
  }

  /** After a start: votes that may not have arrived are sent again, open ballots are asked about again. */
  async resume(): Promise<void> {
    const { box, clock } = this.parts;
    await box.sweep(clock.millis());
    for (const held of box.all()) {
      if (held.vote && held.closed === null) await this.cast(held, held.vote);
      else this.askAbout(held);
    }
  }

  /** Drops ballots whose time is over. */
  async forget(): Promise<void> {
    const { box, clock, log } = this.parts;
    await box.sweep(clock.millis()).catch((error: unknown) => {
      log('fault', { reason: error instanceof Error ? error.message : 'unknown' });
    });
  }

  plan(order: Order): Task | null {
    return order.type === 'ballot.issued' ? this.planIssued(order) : this.planVoided(order);
  }

  /** The server did not take a vote: it says so, and nothing more can be done about this ballot. */
  async heardError(correlationId: string, code: string): Promise<void> {
    const { box, answerId, lanes, log } = this.parts;
    const held = box.all().find(({ envelopeId }) => answerId(envelopeId) === correlationId);
    if (!held) return;
    const { ballotId } = held.ballot;
    log('vote-refused', { ballotId, code });
    await lanes.run(ballotId, async () => {
      const now = box.find(ballotId);
      if (now?.closed === null) await box.put({ ...now, closed: code });
    });
  }

  /** Ballots that this device was given lately, whatever became of them. */
  ballots(): readonly Held[] {
    return this.parts.box.all();
  }

  /** Votes once and for all: the vote is on the disk before it is sent. */
  vote(ballotId: string, vote: 'yes' | 'no', by: string, comment: string | null = null): Promise<Voted> {
    return this.parts.lanes.run(ballotId, () => this.voteNow(ballotId, vote, by, comment));
  }

  private async voteNow(ballotId: string, vote: 'yes' | 'no', by: string, comment: string | null): Promise<Voted> {
    const { box, clock, log } = this.parts;
    const held = box.find(ballotId);
    if (!held) return { taken: false, reason: 'unknown' };
    if (held.vote) return { taken: false, reason: 'already voted' };
    if (held.closed !== null) return { taken: false, reason: 'void' };
    if (this.isOver(held)) return { taken: false, reason: 'expired' };
    const cast: Vote = { vote, votedAt: clock.now(), comment: comment?.slice(0, longestComment) ?? null, by };
    await box.put({ ...held, vote: cast });
    log('voted', { ballotId, vote, by });
    await this.cast(held, cast);
    for (const decider of this.deciders) decider.settled(ballotId);
    return { taken: true };
  }

  private planIssued(order: Order): Task | null {
    const ballot = readBallot(order.content);
    if (!ballot) return null;
    const { box, log } = this.parts;
    return {
      lane: ballot.ballotId,
      long: false,
      once: false,
      run: async () => {
        if (!(await this.isSigned(ballot, order.at))) {
          log('ballot-forged', { ballotId: ballot.ballotId });
          return refused('device.envelope_invalid', 'the statement of the ballot is not right');
        }
        const before = box.find(ballot.ballotId);
        if (before?.vote) {
          // It came again, so the vote may have been lost on its way.
          if (before.closed === null) await this.cast(before, before.vote);
          return taken;
        }
        const held: Held = before ?? { ballot, envelopeId: order.id, vote: null, closed: null };
        if (!before) await box.put(held);
        this.askAbout(held);
        return taken;
      },
    };
  }

  private planVoided(order: Order): Task | null {
    const voided = readVoided(order.content);
    if (!voided) return null;
    const { ballotId, reason } = voided;
    const { box } = this.parts;
    return {
      lane: ballotId,
      long: false,
      once: false,
      run: async () => {
        const held = box.find(ballotId);
        if (held?.closed === null) await box.put({ ...held, closed: reason });
        for (const decider of this.deciders) decider.settled(ballotId);
        return taken;
      },
    };
  }

  private askAbout(held: Held): void {
    if (held.vote || held.closed !== null || this.isOver(held)) return;
    const { ballot } = held;
    this.parts.log('ballot', { ballotId: ballot.ballotId, operation: ballot.operation, expiresAt: ballot.expiresAt });
    for (const decider of this.deciders) decider.ask(ballot);
  }

  private isOver({ ballot }: Held): boolean {
    return millisOf(ballot.expiresAt) <= this.parts.clock.millis();
  }

  /** Does the server's statement say what the ballot shows, to this device? */
  private async isSigned(ballot: Ballot, at: string): Promise<boolean> {
    const claims = await this.parts.serverKeys.statement('symbolon-ballot+jwt', ballot.statement);
    if (!claims) return false;
    const { iss, aud, jti, poll, operation, op, attempt, nonce, iat, exp } = claims;
    return (
      typeof iss === 'string' &&
      aud === this.parts.deviceIdentifier &&
      jti === ballot.ballotId &&
      poll === ballot.poolId &&
      operation === ballot.operation &&
      typeof op === 'string' &&
      attempt === ballot.attempt &&
      typeof nonce === 'string' &&
      typeof iat === 'number' &&
      iat <= Math.floor(millisOf(at) / 1000) + 1 &&
      exp === Math.floor(millisOf(ballot.expiresAt) / 1000)
    );
  }

  private async cast({ ballot, envelopeId }: Held, { vote, votedAt, comment }: Vote): Promise<void> {
    const { deviceIdentifier, keys, send, answerId } = this.parts;
    const claims = claimsOf(ballot.statement);
    const statement = signStatement(keys.signing, 'symbolon-vote+jwt', {
      iss: deviceIdentifier,
      aud: claims['iss'],
      poll: ballot.poolId,
      ballot: ballot.ballotId,
      ballotHash: Buffer.from(sha256Hex(ballot.statement), 'hex').toString('base64url'),
      op: claims['op'],
      vote,
      nonce: claims['nonce'],
      iat: Math.floor(millisOf(votedAt) / 1000),
    });
    const content = { ballotId: ballot.ballotId, vote, votedAt, comment, statement };
    await send('ballot.vote', answerId(envelopeId), votedAt, envelopeId, content);
  }
}

/** Of a statement whose signature has been checked. */
function claimsOf(statement: string): Record<string, unknown> {
  const [, claims = ''] = statement.split('.');
  return JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
}
