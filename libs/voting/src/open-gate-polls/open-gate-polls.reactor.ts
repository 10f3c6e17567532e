import { Injectable, type OnModuleInit } from '@nestjs/common';
import {
  type BallotContext,
  type GateDenied,
  type GateOpened,
  policies,
  type PolicyRegistered,
  policyTemplate,
  shownBy,
  type VotingAttribute,
} from '@symbolon/contracts';
import { PersonalBoxes, uuid5 } from '@symbolon/crypto';
import { type Cause, EventStore, type Recorded } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { Polls } from '../poll/polls';

const name = 'voting.when-gate-opened-then-open-polls';

/** When a gate opens, then a poll opens for each of its chains; when it is denied, those that are left are cancelled. */
@Injectable()
export class OpenGatePolls implements OnModuleInit {
  constructor(
    private readonly registry: Registry,
    private readonly polls: Polls,
    private readonly store: EventStore,
    private readonly boxes: PersonalBoxes,
  ) {}

  onModuleInit(): void {
    this.registry.reactors({
      name,
      categories: ['gate'],
      on: {
        'policy.gate_opened': (event) => this.opened(event),
        'policy.gate_denied': (event) => this.denied(event),
      },
    });
  }

  private async opened(event: Recorded): Promise<void> {
    const { commandId, profileId, policyEventId: operation, op, chains } = event.data as GateOpened['data'];
    const box = (await this.boxes.open(event, profileId)) as Personal | null;
    const shown = box && { title: box.title, question: box.question, nonce: null, opNonce: null };
    for (const { poolId, policyIds, rules } of chains) {
      // The gate holds what any of its policies shows.
      const context =
        box && (chains.length === 1 ? box.context : await this.shownFor(profileId, policyIds, box.context));
      const attempt = {
        ...{ poolId, chainId: poolId, profileId, commandId, gated: true, directoryId: null, operation, op },
        ...{ attempt: 1, previousPoolId: null, rules, skipped: [] },
      };
      await this.polls.open(attempt, shown && context && { ...shown, context }, causeOf(event));
    }
  }

  /** To those who are asked for these policies: what their templates let a ballot show. */
  private async shownFor(
    profileId: string,
    policyIds: readonly string[],
    context: BallotContext,
  ): Promise<BallotContext> {
    const attributes = new Set<VotingAttribute>();
    for await (const { type, data } of this.store.read(`${policies.category}-${profileId}`)) {
      if (type !== 'policy.registered') continue;
      const { id, policyTemplateId } = data as PolicyRegistered['data'];
      if (!policyIds.includes(id)) continue;
      for (const attribute of policyTemplate(policyTemplateId)?.votingAttributes ?? []) attributes.add(attribute);
    }
    return shownBy(attributes, context);
  }

  private async denied(event: Recorded): Promise<void> {
    const { commandId, profileId, cancel } = event.data as GateDenied['data'];
    for (const chainId of cancel)
      await this.polls.cancelChain(chainId, { profileId, commandId, gated: true }, causeOf(event));
  }
}

type Personal = NonNullable<GateOpened['personal']>['fields'];

function causeOf({ id, meta }: Recorded): Cause {
  const { commandId, correlationId, actor } = meta;
  return { commandId, correlationId, actor, causationId: uuid5(`${id}/${name}`) };
}
