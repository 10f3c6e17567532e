import { Injectable } from '@nestjs/common';
import { policies, type Policies, voting, type Voting, type VotingEvent } from '@symbolon/contracts';
import { type Cause, type Decide, type Guard, type Outcome, Streams } from '@symbolon/kernel';

/** Changes of a profile's voting that its active policies must bear: no policy is activated between look and change. */
@Injectable()
export class VotingChanges {
  constructor(private readonly streams: Streams) {}

  async apply<C extends object>(
    profileId: string,
    decide: Decide<C & { readonly policies: Policies }, VotingEvent, Voting>,
    command: C,
    cause: Cause,
  ): Promise<Outcome<Voting>> {
    const prepare = async () => {
      const { state, revision } = await this.streams.load(policies, profileId);
      const guard: Guard = { stream: `policies-${profileId}`, revision: revision < 0n ? 'none' : revision };
      return { command: { ...command, policies: state }, guard };
    };
    return this.streams.transactGuarded(voting, profileId, decide, prepare, cause);
  }
}
