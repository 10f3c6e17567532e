import { Injectable } from '@nestjs/common';
import type { VoteReceived } from '@symbolon/contracts';
import { uuid5 } from '@symbolon/crypto';
import type { Envelope } from '@symbolon/device-link';
import { type Cause, Clock, Streams } from '@symbolon/kernel';
import { readVote } from '../channel/contents';
import { Rejections } from '../channel/rejections';

/**
 * Takes votes of devices into the log; whether one counts, the voting context decides. Each message has a stream of its
 * own, so that it is taken once.
 */
@Injectable()
export class Votes {
  constructor(
    private readonly streams: Streams,
    private readonly rejections: Rejections,
    private readonly clock: Clock,
  ) {}

  async take(
    content: unknown,
    { id: envelopeId, deviceIdentifier, type: messageType }: Envelope,
    owner: string,
    signed: boolean,
  ): Promise<'device.envelope_invalid' | null> {
    const vote = readVote(content);
    if (!vote) {
      const reason = 'device.envelope_invalid';
      await this.rejections.record({ deviceIdentifier, envelopeId, messageType, owner, reason });
      return reason;
    }
    const { comment, ...said } = vote;
    const received: VoteReceived = {
      type: 'ballot.vote_received',
      version: 1,
      data: {
        envelopeId,
        deviceIdentifier,
        profileId: owner,
        ...said,
        signed,
        receivedAt: this.clock.now(),
      },
      personal: { subject: owner, fields: { comment } },
    };
    const name = uuid5(`${deviceIdentifier}/${envelopeId}`);
    const cause: Cause = {
      commandId: null,
      correlationId: envelopeId,
      causationId: uuid5(`${name}/received`),
      actor: { profileId: deviceIdentifier, kind: 'device', deviceIdentifier },
    };
    await this.streams.append(`vote-${name}`, 'any', [received], cause);
    return null;
  }
}
