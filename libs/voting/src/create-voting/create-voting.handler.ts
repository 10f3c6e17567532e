import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, rejected, resultOf } from '@symbolon/command-log';
import { rulesFor, voting } from '@symbolon/contracts';
import { operationDigest } from '@symbolon/crypto';
import { Clock, Streams } from '@symbolon/kernel';
import { configurationOf } from '../configuration/configuration.decide';
import type { BallotContext } from '../poll/poll.events';
import { Polls } from '../poll/polls';
import { CreateVoting } from './create-voting.command';

@CommandHandler(CreateVoting)
export class CreateVotingHandler implements ICommandHandler<CreateVoting> {
  constructor(
    private readonly streams: Streams,
    private readonly polls: Polls,
    private readonly clock: Clock,
  ) {}

  async execute({ data, context }: CreateVoting): Promise<HandlerResult> {
    const { poolId, title, question, nonce, opNonce, skipAuthenticatorDevices: skipped } = data;
    const { commandId, profileId, cause } = context;
    const { state } = await this.streams.load(voting, profileId);
    const configuration = configurationOf(state, data.votingConfigurationId);
    const resolved = configuration && rulesFor(state, configuration.id, null);
    if (!resolved) return rejected('voting_configuration.not_found');
    const attempt = {
      ...{ poolId, chainId: poolId, profileId, commandId, gated: false, directoryId: null, operation: 'voting.create' },
      // What is voted on is the question: the digest of an operation that has no other command (ADR 0029).
      ...{ op: operationDigest(CreateVoting.type, commandId, { title, question, nonce }, opNonce) },
      ...{ attempt: 1, previousPoolId: null },
      ...{ rules: resolved.rules, skipped },
    };
    const shown = { title, question, nonce, opNonce, context: { ...noContext, time: this.clock.now(), nonce } };
    return resultOf(await this.polls.open(attempt, shown, cause), () => ({ poolId }));
  }
}

/** A question of the caller's own concerns no operation of which there would be more to show. */
const noContext: Omit<BallotContext, 'time' | 'nonce'> = {
  requester: null,
  application: null,
  ip: null,
  userAgent: null,
  location: null,
  dataContext: null,
  classification: null,
  label: null,
  handling: null,
  device: null,
};
