import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { VoteDiscarded, VoteRefused } from '@symbolon/contracts';
import { Registry } from '@symbolon/platform';
import { Inbox } from '../channel/inbox';
import { Rejections } from '../channel/rejections';

const messageType = 'ballot.vote';

/** Tells devices why their votes did not count. */
@Injectable()
export class VoteAnswers implements OnModuleInit {
  constructor(
    private readonly registry: Registry,
    private readonly inbox: Inbox,
    private readonly rejections: Rejections,
  ) {}

  onModuleInit(): void {
    this.registry.reactors({
      name: 'device-router.when-vote-did-not-count-then-answer',
      categories: ['poll', 'vote'],
      on: {
        'ballot.vote_discarded': async ({ data }) => {
          const { deviceIdentifier, envelopeId, reason } = data as VoteDiscarded['data'];
          await this.inbox.answerLater(deviceIdentifier, envelopeId, messageType, `ballot.${reason}`);
        },
        'ballot.vote_refused': async ({ data }) => {
          const {
            deviceIdentifier,
            envelopeId,
            profileId: owner,
            reason,
            poolId,
            commandId,
          } = data as VoteRefused['data'];
          const refused = { deviceIdentifier, envelopeId, messageType, owner, reason, poolId, commandId };
          await this.rejections.record(refused);
          await this.inbox.answerLater(deviceIdentifier, envelopeId, messageType, reason);
        },
      },
    });
  }
}
