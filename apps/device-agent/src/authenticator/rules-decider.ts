import type { Clock } from '@symbolon/kernel';
import type { Log } from '../log';
import type { AuthenticatorRole, Decider } from './authenticator-role';
import type { Ballot } from './ballot';
import { decide, type Rules } from './rules';

/** Votes by declared rules; what they leave open is passed on. */
export class RulesDecider implements Decider {
  constructor(
    private readonly rules: Rules,
    private readonly role: Pick<AuthenticatorRole, 'vote'>,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly otherwise: Decider | null,
  ) {}

  ask(ballot: Ballot): void {
    const { vote, rule } = decide(this.rules, ballot, new Date(this.clock.millis()));
    if (vote === 'ask') {
      this.otherwise?.ask(ballot);
      return;
    }
    const by = rule === null ? 'no rule' : `rule ${rule}`;
    this.role.vote(ballot.ballotId, vote, by, by).catch((error: unknown) => {
      this.log('fault', { reason: error instanceof Error ? error.message : 'unknown' });
    });
  }

  settled(ballotId: string): void {
    this.otherwise?.settled(ballotId);
  }
}
