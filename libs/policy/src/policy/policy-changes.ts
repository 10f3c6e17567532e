import { Injectable } from '@nestjs/common';
import { type HandlerResult, rejected, succeeded } from '@symbolon/command-log';
import { type Cause, type Decide, EventStore, type Guard, Streams } from '@symbolon/kernel';
import type { PolicyEvent } from './policy.events';
import { policySet, type PolicySet } from './policy.model';

/** Changes one policy of a profile by a command that names it; the result is the policy's id. */
@Injectable()
export class PolicyChanges {
  constructor(
    private readonly streams: Streams,
    private readonly store: EventStore,
  ) {}

  async change<C>(
    profileId: string,
    decide: Decide<C, PolicyEvent, PolicySet>,
    prepare: () => Promise<{ readonly command: C; readonly guard?: Guard }>,
    cause: Cause,
  ): Promise<HandlerResult> {
    const outcome = await this.streams.transactGuarded(policySet, profileId, decide, prepare, cause);
    if (outcome.status === 'refused') return rejected(outcome.refusal);
    // From the event: a repeat may find the policy gone, and its name taken by another one.
    for await (const event of this.store.read(`${policySet.category}-${profileId}`)) {
      const { causationId } = event.meta;
      if (causationId === cause.causationId)
        return succeeded({ id: (event.data as { id: string }).id }, outcome.cursor);
    }
    throw new Error('a change that succeeded has left no event');
  }
}
